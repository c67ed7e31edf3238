import { binary, dword, text, texts, VALUE_TYPE, type ValueContent } from '../../registry-hive/value-data.ts';
import { lsaText } from '../lsa-text.ts';

export type PhonyRelease = 'xp' | '7' | '10';

export interface PhonyWindowsOptions {
  release: PhonyRelease;
  /** Generalised by sysprep; default false. */
  sysprepped?: boolean;
}

/** Values by key. */
export type RegistryTree = Record<string, Record<string, ValueContent>>;

/** Sub-authorities of the machine SID of every phony Windows. */
export const PHONY_SID = [1111111111, 2222222222, 3333333333] as const;
export const PHONY_NAME = 'MASTER-PC';
/** A physical card with a static address, and on Windows 10 with a known MAC. */
export const PHONY_ADAPTER = '{08BA0CD8-E98C-475C-BADF-65130C043BD6}';
export const PHONY_MAC = '52:54:00:12:34:56';
/** A virtual card, whose settings are its maker's. */
export const PHONY_VIRTUAL_ADAPTER = '{6AAFC9A9-0542-4DB2-8760-CCFFA953737C}';

const SID_TEXT = `S-1-5-21-${PHONY_SID.join('-')}`;
const ADAPTERS = 'Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}';

/** The machine SID, or with a relative id that of one of its accounts. */
export function phonySid(...relative: number[]): Buffer {
  const numbers = [21, ...PHONY_SID, ...relative];
  const bytes = Buffer.alloc(8 + numbers.length * 4);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt8(numbers.length, 1);
  bytes.writeUInt8(5, 7);
  for (const [i, number] of numbers.entries()) bytes.writeUInt32LE(number, 8 + i * 4);
  return bytes;
}

export function phonySystem(options: PhonyWindowsOptions): RegistryTree {
  const sets = options.release === '10' ? ['ControlSet001'] : ['ControlSet001', 'ControlSet002'];
  const select = {
    Current: dword(1),
    Default: dword(1),
    Failed: dword(0),
    LastKnownGood: dword(sets.length),
  };
  const tree: RegistryTree = { Select: select, Setup: setupKey(options), MountedDevices: {} };
  for (const set of sets) {
    for (const [path, values] of Object.entries(controlSet(options.release)))
      tree[`${set}\\${path}`] = values;
  }
  return options.release === '10' ? { ...tree, ...driverDatabase() } : tree;
}

function setupKey({ release, sysprepped }: PhonyWindowsOptions): RegistryTree[string] {
  const commandLine = release === 'xp' ? 'setup -newsetup -mini' : 'oobe\\windeploy.exe';
  return {
    CmdLine: text(sysprepped ? commandLine : ''),
    SetupType: dword(sysprepped ? 2 : 0),
    SystemSetupInProgress: dword(sysprepped ? 1 : 0),
    SystemPartition: text('\\Device\\HarddiskVolume1'),
  };
}

function controlSet(release: PhonyRelease): RegistryTree {
  const staticAddress = {
    EnableDHCP: dword(0),
    IPAddress: texts(['192.168.7.9']),
    SubnetMask: texts(['255.255.255.0']),
    DefaultGateway: texts(['192.168.7.1']),
    DefaultGatewayMetric: texts(['0']),
    NameServer: text('192.168.7.2'),
    DhcpServer: text('255.255.255.255'),
    Lease: dword(0),
  };
  return {
    'Control\\ComputerName\\ComputerName': { '': text('mnmsrvc'), ComputerName: text(PHONY_NAME) },
    'Control\\ComputerName\\ActiveComputerName': { ComputerName: text(PHONY_NAME) },
    'Control\\Session Manager\\Environment': {
      PROCESSOR_ARCHITECTURE: text(release === '10' ? 'AMD64' : 'x86'),
    },
    'Services\\Tcpip\\Parameters': {
      Hostname: text(PHONY_NAME),
      'NV Hostname': text(PHONY_NAME),
      Domain: text('old.example'),
      'NV Domain': text('old.example'),
      SearchList: text(''),
    },
    [`Services\\Tcpip\\Parameters\\Interfaces\\${PHONY_ADAPTER}`]: staticAddress,
    [`Services\\Tcpip\\Parameters\\Interfaces\\${PHONY_VIRTUAL_ADAPTER}`]: staticAddress,
    'Services\\Tcpip\\Parameters\\PersistentRoutes': {
      '0.0.0.0,0.0.0.0,192.168.7.1,-1': text(''),
      '10.9.0.0,255.255.0.0,192.168.7.3,1': text(''),
    },
    [`${ADAPTERS}\\0001`]: { Characteristics: dword(0x84), NetCfgInstanceId: text(PHONY_ADAPTER) },
    [`${ADAPTERS}\\0002`]: { Characteristics: dword(0x1), NetCfgInstanceId: text(PHONY_VIRTUAL_ADAPTER) },
    ...ofRelease(release),
  };
}

function ofRelease(release: PhonyRelease): RegistryTree {
  const onDemand = { Start: dword(3), Type: dword(1), ErrorControl: dword(3), Group: text('SCSI Miniport') };
  if (release === 'xp') {
    const twin = { EnableDHCP: dword(0), IPAddress: texts(['192.168.7.9']) };
    return { 'Services\\atapi': onDemand, [`Services\\${PHONY_ADAPTER}\\Parameters\\Tcpip`]: twin };
  }
  if (release === '7') {
    const path = (name: string) =>
      text(`\\SystemRoot\\system32\\drivers\\${name}.sys`, VALUE_TYPE.REG_EXPAND_SZ);
    return {
      'Services\\msahci': { ...onDemand, ImagePath: path('msahci') },
      'Services\\iaStorV': { ...onDemand, ImagePath: path('iaStorV') },
      'Services\\pciide': { ...onDemand, ImagePath: path('pciide') },
      'Services\\LSI_SAS': { ...onDemand, ImagePath: path('lsi_sas') },
      'Control\\CriticalDeviceDatabase\\PCI#CC_010601': { Service: text('msahci') },
      'Control\\CriticalDeviceDatabase\\PCI#CC_0101': { Service: text('pciide') },
      'Control\\CriticalDeviceDatabase\\PCI#VEN_8086&CC_0104': { Service: text('iaStorV') },
      'Control\\CriticalDeviceDatabase\\PCI#VEN_1000&DEV_0054': { Service: text('LSI_SAS') },
    };
  }
  const heldBack = (name: string): RegistryTree => ({
    [`Services\\${name}`]: {
      ...onDemand,
      Start: dword(0),
      ImagePath: text(`System32\\drivers\\${name}.sys`, VALUE_TYPE.REG_EXPAND_SZ),
    },
    [`Services\\${name}\\StartOverride`]: { '0': dword(3) },
  });
  return {
    ...heldBack('storahci'),
    ...heldBack('stornvme'),
    ...heldBack('iaStorV'),
    [`Control\\NetworkSetup2\\Interfaces\\${PHONY_ADAPTER}\\Kernel`]: {
      PermanentAddress: binary(Buffer.from(PHONY_MAC.replaceAll(':', ''), 'hex')),
    },
  };
}

function driverDatabase(): RegistryTree {
  const driverPackage = 'DriverDatabase\\DriverPackages\\iastorv.inf_amd64_0123456789abcdef';
  return {
    'DriverDatabase\\DeviceIds\\PCI\\VEN_8086&CC_0104': {
      'iastorv.inf': binary(Buffer.from('01ff0000', 'hex')),
    },
    'DriverDatabase\\DriverInfFiles\\iastorv.inf': { Active: text('iastorv.inf_amd64_0123456789abcdef') },
    [`${driverPackage}\\Descriptors\\PCI\\VEN_8086&CC_0104`]: { Configuration: text('iaStorV_Inst') },
    [`${driverPackage}\\Configurations\\iaStorV_Inst`]: { Service: text('iaStorV') },
  };
}

export function phonySoftware({ release, sysprepped }: PhonyWindowsOptions): RegistryTree {
  const version = 'Microsoft\\Windows NT\\CurrentVersion';
  const tree: RegistryTree = {
    [version]: VERSIONS[release],
    [`${version}\\Winlogon`]: { DefaultDomainName: text(PHONY_NAME), DefaultUserName: text('eve') },
    [`${version}\\ProfileList\\S-1-5-18`]: {
      ProfileImagePath: text('%systemroot%\\system32\\config\\systemprofile'),
    },
    [`${version}\\ProfileList\\${SID_TEXT}-1001`]: {
      Sid: binary(phonySid(1001)),
      ProfileImagePath: text(
        release === 'xp' ? '%SystemDrive%\\Documents and Settings\\eve' : 'C:\\Users\\eve',
        VALUE_TYPE.REG_EXPAND_SZ,
      ),
    },
    'Microsoft\\Windows\\CurrentVersion': { DevicePath: text('%SystemRoot%\\inf', VALUE_TYPE.REG_EXPAND_SZ) },
  };
  if (release === 'xp') return tree;
  const state = sysprepped ? 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE' : 'IMAGE_STATE_COMPLETE';
  return {
    ...tree,
    'Microsoft\\Windows\\CurrentVersion\\Setup\\State': { ImageState: text(state) },
    'Microsoft\\Windows\\CurrentVersion\\Authentication\\LogonUI': {
      LastLoggedOnUser: text(`${PHONY_NAME}\\eve`),
    },
  };
}

const VERSIONS = {
  xp: {
    ProductName: text('Microsoft Windows XP'),
    CurrentVersion: text('5.1'),
    CurrentBuildNumber: text('2600'),
    CurrentBuild: text('1.511.1 () (Obsolete data - do not use)'),
    SystemRoot: text('C:\\WINDOWS'),
  },
  '7': {
    ProductName: text('Windows 7 Professional'),
    CurrentVersion: text('6.1'),
    CurrentBuildNumber: text('7601'),
    CurrentBuild: text('7601'),
    SystemRoot: text('C:\\Windows'),
  },
  '10': {
    ProductName: text('Windows 10 Pro'),
    CurrentVersion: text('6.3'),
    CurrentMajorVersionNumber: dword(10),
    CurrentMinorVersionNumber: dword(0),
    CurrentBuildNumber: text('19045'),
    CurrentBuild: text('19045'),
    SystemRoot: text('C:\\Windows'),
  },
} satisfies Record<PhonyRelease, RegistryTree[string]>;

export function phonySam(): RegistryTree {
  const account = 'SAM\\Domains\\Account';
  const user = (id: number) => binary(Buffer.concat([Buffer.alloc(0xcc), phonySid(id)]));
  const member = (id: number): ValueContent => ({ type: id, data: Buffer.alloc(0) });
  return {
    SAM: {},
    [account]: { V: binary(Buffer.concat([Buffer.alloc(0x108), phonySid()])) },
    [`${account}\\Users\\000001F4`]: { V: user(500), F: binary(Buffer.alloc(80)) },
    [`${account}\\Users\\000003E9`]: { V: user(1001), F: binary(Buffer.alloc(80)) },
    [`${account}\\Users\\Names\\Administrator`]: { '': member(0x1f4) },
    [`${account}\\Users\\Names\\eve`]: { '': member(0x3e9) },
    'SAM\\Domains\\Builtin\\Aliases\\00000220': {
      C: binary(Buffer.concat([Buffer.alloc(0x34), phonySid(500), phonySid(1001)])),
    },
    [`SAM\\Domains\\Builtin\\Aliases\\Members\\${SID_TEXT}\\000003E9`]: {
      '': { type: 1, data: Buffer.from('20020000', 'hex') },
    },
  };
}

export function phonySecurity(): RegistryTree {
  const none = (data: Buffer): ValueContent => ({ type: VALUE_TYPE.REG_NONE, data });
  return {
    'Policy\\PolAcDmN': { '': lsaText(PHONY_NAME) },
    'Policy\\PolAcDmS': { '': none(phonySid()) },
    'Policy\\PolPrDmN': { '': lsaText('WORKGROUP') },
    'Policy\\PolPrDmS': { '': none(Buffer.alloc(0)) },
    'Policy\\PolDnDDN': { '': none(Buffer.alloc(0)) },
    [`Policy\\Accounts\\${SID_TEXT}-1001\\Sid`]: { '': none(phonySid(1001)) },
  };
}

export function phonyUser(): RegistryTree {
  return {
    Environment: { TEMP: text('%USERPROFILE%\\AppData\\Local\\Temp', VALUE_TYPE.REG_EXPAND_SZ) },
    'Software\\Phony': { Owner: text(`${SID_TEXT}-1001`), OwnerSid: binary(phonySid(1001)) },
  };
}
