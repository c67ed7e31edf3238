import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** One PCI function of a computer. */
export interface PciDevice {
  /** Where it sits, e.g. `0000:00:1f.2`. */
  address: string;
  vendor: number;
  device: number;
  subsystemVendor: number;
  subsystem: number;
  revision: number;
  /** Base class, subclass and programming interface, e.g. 0x010601 for SATA in AHCI mode. */
  classCode: number;
}

/** What a customisation needs to know of the computer that the system will start on. */
export interface MachineFacts {
  /** Lower case with colons, the first card first. */
  macs: string[];
  pciDevices: PciDevice[];
  /** Kernel modules, sorted, that reach the disk the system will start from; absent where that is not known. */
  diskModules?: string[];
}

/** A computer with more functions than this has virtual ones (SR-IOV), which no system starts from. */
const DEVICES_MAX = 4096;
/** PCI Code and ID Assignment Specification, section 1.2: base class 01h is mass storage. */
const MASS_STORAGE_CLASS = 0x01;
/** PCI-to-PCI bridges, which every kernel has a driver for. */
const BRIDGE_CLASS = 0x0604;

/** @param options `macs` of this computer's cards; `diskName` as the kernel has it; `sysDir` default `/sys`. */
export async function readMachineFacts(options: {
  macs: readonly string[];
  diskName?: string;
  sysDir?: string;
}): Promise<MachineFacts> {
  const { macs, diskName, sysDir } = options;
  return {
    ...{ macs: [...macs], pciDevices: await readPciDevices(sysDir) },
    ...(diskName === undefined ? {} : { diskModules: await readDiskModules(diskName, sysDir) }),
  };
}

/** Modules of the running kernel for a disk and for each device between it and the processor; none where unknown. */
async function readDiskModules(diskName: string, sysDir = '/sys'): Promise<string[]> {
  const modules = new Set<string>();
  const top = join(await realpath(sysDir), 'devices');
  let dir = await realpath(join(sysDir, 'class/block', diskName)).catch(() => top);
  for (; dir.startsWith(`${top}/`); dir = dirname(dir)) {
    const driver = await readlink(join(dir, 'driver')).catch(() => undefined);
    const classCode = Number(await readFile(join(dir, 'class'), 'utf8').catch(() => '0'));
    if (driver === undefined || classCode >>> 8 === BRIDGE_CLASS) continue;
    // A driver that is built in here may be a module there, by about this name.
    const module = await readlink(join(dir, 'driver/module')).catch(() => driver);
    modules.add(basename(module).replaceAll('-', '_'));
  }
  return [...modules].sort();
}

/** The PCI functions in address order; none where the computer has no PCI. */
export async function readPciDevices(sysDir = '/sys'): Promise<PciDevice[]> {
  const dir = join(sysDir, 'bus/pci/devices');
  const addresses = await readdir(dir).catch(() => []);
  const read = async (address: string) =>
    parsePciDevice(address, async (name) => readFile(join(dir, address, name), 'utf8').catch(() => ''));
  const devices = await Promise.all(addresses.sort().slice(0, DEVICES_MAX).map(read));
  return devices.filter((device) => device !== undefined);
}

/** @param attribute gives the text of a file of the device in sysfs, e.g. `0x8086\n`; empty when there is none. */
export async function parsePciDevice(
  address: string,
  attribute: (name: string) => Promise<string>,
): Promise<PciDevice | undefined> {
  const number = async (name: string, digitsMax: number) => {
    const digits = /^0x([0-9a-f]+)\s*$/i.exec(await attribute(name))?.[1];
    return digits === undefined || digits.length > digitsMax ? undefined : Number.parseInt(digits, 16);
  };
  const vendor = await number('vendor', 4);
  const device = await number('device', 4);
  const classCode = await number('class', 6);
  if (vendor === undefined || device === undefined || classCode === undefined) return undefined;
  return {
    address,
    vendor,
    device,
    classCode,
    subsystemVendor: (await number('subsystem_vendor', 4)) ?? 0,
    subsystem: (await number('subsystem_device', 4)) ?? 0,
    revision: (await number('revision', 2)) ?? 0,
  };
}

export function isDiskController(device: PciDevice): boolean {
  return device.classCode >>> 16 === MASS_STORAGE_CLASS;
}

/**
 * The names Windows' PCI bus driver gives a device, the closest first: hardware ids, then compatible ids
 * (Microsoft, "Identifiers for PCI devices").
 */
export function pciIds(pci: PciDevice): string[] {
  const hex = (number: number, digits: number) => number.toString(16).toUpperCase().padStart(digits, '0');
  const vendor = `PCI\\VEN_${hex(pci.vendor, 4)}`;
  const device = `${vendor}&DEV_${hex(pci.device, 4)}`;
  const subsystem = `${device}&SUBSYS_${hex(pci.subsystem, 4)}${hex(pci.subsystemVendor, 4)}`;
  const revision = `REV_${hex(pci.revision, 2)}`;
  const full = `CC_${hex(pci.classCode, 6)}`;
  const short = `CC_${hex(pci.classCode >>> 8, 4)}`;
  return [
    `${subsystem}&${revision}`,
    subsystem,
    `${device}&${revision}`,
    device,
    `${device}&${full}`,
    `${device}&${short}`,
    `${device}&${revision}&${full}`,
    `${vendor}&${full}`,
    `${vendor}&${short}`,
    vendor,
    `PCI\\${full}`,
    `PCI\\${short}`,
  ];
}
