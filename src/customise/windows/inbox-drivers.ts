import type { Edit } from '../edit.ts';
import { isDiskController, type MachineFacts, type PciDevice, pciIds } from '../machine-facts.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { dword, text, textOf, VALUE_TYPE } from '../registry-hive/value-data.ts';
import type { SystemRoot } from '../system-root.ts';
import { valueNumber, valueText } from './windows-facts.ts';
import { isVistaOrLater, type WindowsFacts, type WindowsSystem } from './windows-system.ts';

/** Services of Windows' own drivers by class and subclass, for releases whose tables do not name them. */
const SERVICES_OF_CLASS: Record<number, readonly string[]> = {
  257: ['atapi', 'pciide'],
  262: ['msahci', 'storahci'],
  264: ['stornvme'],
};
const INTEL = 0x8086;
const IDE_CONTROLLER = 0x0101;
const START_AT_BOOT = 0;
const KERNEL_DRIVER = 1;
const LOG_ERRORS = 1;
/** Setup class of disk controllers. */
const CONTROLLER_CLASS = '{4D36E96A-E325-11CE-BFC1-08002BE10318}';

/** Load order of the IDE drivers of XP and Server 2003 (Microsoft, article 314082). */
const XP_IDE_SERVICES: Record<string, { group: string; tag: number }> = {
  atapi: { group: 'SCSI miniport', tag: 25 },
  intelide: { group: 'System Bus Extender', tag: 4 },
  pciide: { group: 'System Bus Extender', tag: 3 },
};

/**
 * Windows starts only the disk drivers that the master needed; those it has for this computer's controllers are
 * switched on. One edit a kind of controller.
 */
export function inboxDriverEdits(machine: Pick<MachineFacts, 'pciDevices'>): Edit<WindowsSystem>[] {
  const kinds = new Map(machine.pciDevices.filter(isDiskController).map((pci) => [pciIds(pci)[1]!, pci]));
  return [...kinds.values()].map((pci) => ({
    text: `Switch on Windows' own driver for the disk controller ${pciIds(pci)[3]}`,
    apply: (system) => switchOnDriver(system, pci),
  }));
}

async function switchOnDriver(
  { hives, facts, root }: WindowsSystem,
  pci: PciDevice,
): Promise<string | undefined> {
  const system = await hives.open('SYSTEM');
  const found = new Set<string>();
  for (const set of facts.controlSets) {
    const place = { system, set, root, facts };
    if (!isVistaOrLater(facts)) await addXpIde(place, pci);
    for (const service of await servicesOf(place, pci)) {
      startAtBoot(system, `${set}\\Services\\${service}`);
      found.add(service);
    }
  }
  return found.size > 0
    ? undefined
    : 'this Windows has no driver of its own for it; it needs one from the maker';
}

interface ControlSet {
  system: Hive;
  set: string;
  root: SystemRoot;
  facts: WindowsFacts;
}

/** In lower case, and only those whose file is there: a missing boot driver would stop Windows. */
async function servicesOf(place: ControlSet, pci: PciDevice): Promise<string[]> {
  const { system, set } = place;
  const ids = pciIds(pci).map((id) => id.slice('PCI\\'.length));
  const names = [...(SERVICES_OF_CLASS[pci.classCode >>> 8] ?? [])];
  if (isIntelIde(pci)) names.push('intelide');
  for (const id of ids) {
    names.push(valueText(system, `${set}\\Control\\CriticalDeviceDatabase\\PCI#${id}`, 'Service'));
    names.push(...databaseServices(system, id));
  }
  const services: string[] = [];
  for (const name of new Set(names.map((each) => each.toLowerCase()))) {
    if (name !== '' && system.key(`${set}\\Services\\${name}`) && (await hasDriverFile(place, name))) {
      services.push(name);
    }
  }
  return services;
}

/** From Windows 8 on: device id, INF file, driver package, configuration, service. */
function databaseServices(system: Hive, id: string): string[] {
  const database = system.key('DriverDatabase');
  const infs = database?.subkey(`DeviceIds\\PCI\\${id}`)?.values() ?? [];
  return infs.map(({ name }) => {
    const active = database?.subkey(`DriverInfFiles\\${name}`)?.value('Active');
    const driverPackage = active && database?.subkey(`DriverPackages\\${textOf(active)}`);
    const configuration = driverPackage?.subkey(`Descriptors\\PCI\\${id}`)?.value('Configuration');
    const service =
      configuration && driverPackage?.subkey(`Configurations\\${textOf(configuration)}`)?.value('Service');
    return service === undefined ? '' : textOf(service);
  });
}

async function hasDriverFile({ system, set, root, facts }: ControlSet, service: string): Promise<boolean> {
  const image = valueText(system, `${set}\\Services\\${service}`, 'ImagePath');
  const relative = image.replace(/^\\?(?:SystemRoot|\?\?\\[a-z]:\\[^\\]+)\\|^%SystemRoot%\\/i, '');
  return root.exists(`${facts.systemDir}/${relative || `System32/drivers/${service}.sys`}`);
}

function startAtBoot(system: Hive, path: string): void {
  if (valueNumber(system, path, 'Start') !== START_AT_BOOT) {
    system.root.ensure(path).set('Start', dword(START_AT_BOOT));
  }
  // From Windows 8 on this holds back what the computer of the installation did not have.
  const override = system.key(`${path}\\StartOverride`);
  for (const { name } of override?.values() ?? []) override?.set(name, dword(START_AT_BOOT));
}

/** XP knows only the IDE controller it was installed on; it has no driver of its own for other kinds of controllers. */
async function addXpIde(place: ControlSet, pci: PciDevice): Promise<void> {
  if (pci.classCode >>> 8 !== IDE_CONTROLLER) return;
  const { system, set } = place;
  const known: Record<string, string> = {
    Primary_IDE_Channel: 'atapi',
    Secondary_IDE_Channel: 'atapi',
    'PCI#CC_0101': 'pciide',
    ...(isIntelIde(pci) ? { [pciIds(pci)[3]!.replace('\\', '#')]: 'intelide' } : {}),
  };
  for (const [device, service] of Object.entries(known)) {
    if (!(await hasDriverFile(place, service))) continue;
    addXpService(system, `${set}\\Services\\${service}`, service);
    const key = system.root.ensure(`${set}\\Control\\CriticalDeviceDatabase\\${device}`);
    if (key.value('Service') !== undefined) continue;
    key.set('ClassGUID', text(CONTROLLER_CLASS));
    key.set('Service', text(service));
  }
}

function addXpService(system: Hive, path: string, service: string): void {
  if (system.key(path) !== undefined) return;
  const { group, tag } = XP_IDE_SERVICES[service]!;
  const key = system.root.ensure(path);
  key.set('Type', dword(KERNEL_DRIVER));
  key.set('Start', dword(START_AT_BOOT));
  key.set('ErrorControl', dword(LOG_ERRORS));
  key.set('Group', text(group));
  key.set('Tag', dword(tag));
  key.set('ImagePath', text(`system32\\drivers\\${service}.sys`, VALUE_TYPE.REG_EXPAND_SZ));
}

function isIntelIde({ vendor, classCode }: PciDevice): boolean {
  return vendor === INTEL && classCode >>> 8 === IDE_CONTROLLER;
}
