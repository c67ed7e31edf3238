import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import { isDiskController, type MachineFacts, type PciDevice, pciIds } from '../machine-facts.ts';
import { chooseDriver, injectDriver } from './driver-injection.ts';
import { type DriverLibrary, matchDrivers, readDriverLibrary } from './driver-library.ts';
import type { FirstStart } from './first-start.ts';
import type { WindowsSystem } from './windows-system.ts';

/** Below the system's folder; each package in a folder of its own, as pnputil and DevicePath want them. */
const PACKAGES_DIR = 'TotalDeployDrivers';
const PROBLEMS_MAX = 3;

/** PCI Code and ID Assignment Specification, section 1.2. */
const CONTROLLER_KINDS = new Map([
  [0x00, 'SCSI'],
  [0x01, 'IDE'],
  [0x04, 'RAID'],
  [0x06, 'SATA'],
  [0x07, 'SAS'],
  [0x08, 'NVMe'],
]);

/**
 * Adds the offered drivers that fit this computer's disk controllers, so that Windows starts on other hardware than the
 * master's. One edit a kind of controller; a controller that no driver fits is skipped with the reason.
 *
 * @param options.firstStart gets the folder of each package that was added.
 */
export function driverEdits(
  { drivers }: Pick<Customisation, 'drivers'>,
  machine: Pick<MachineFacts, 'pciDevices'>,
  options: { firstStart: Pick<FirstStart, 'driverFolders'> },
): Edit<WindowsSystem>[] {
  if (drivers.length === 0) return [];
  const from = drivers.map(({ name }) => `"${name}"`).join(', ');
  const controllers = new Map(
    machine.pciDevices.filter(isDiskController).map((pci) => [pciIds(pci)[0], pci]),
  );
  if (controllers.size === 0) {
    const reason = 'this computer has no disk controller on PCI';
    return [{ text: `Add disk drivers of ${from}`, apply: async () => reason }];
  }
  let library: Promise<DriverLibrary> | undefined;
  return [...controllers.values()].map((pci, i) => ({
    text: `Add a driver of ${from} for this computer's ${kindOf(pci)} controller ${pciIds(pci)[3]}`,
    async apply(windows) {
      library ??= readDriverLibrary(drivers, { openFile: windows.openFile, system: windows.facts });
      const folder = `${PACKAGES_DIR}\\${i + 1}`;
      const reason = await addDriver(windows, { library: await library, pci, folder, from });
      if (reason === undefined) options.firstStart.driverFolders.push(`%SystemRoot%\\${folder}`);
      return reason;
    },
  }));
}

async function addDriver(
  windows: WindowsSystem,
  options: { library: DriverLibrary; pci: PciDevice; folder: string; from: string },
): Promise<string | undefined> {
  const { library, pci, folder, from } = options;
  const problems = [...library.problems];
  const matches = matchDrivers(library, pciIds(pci));
  const driver = await chooseDriver(matches, { ...windows, onUnfit: (line) => problems.push(line) });
  if (driver !== undefined) {
    await injectDriver(windows, driver, { folder });
    return undefined;
  }
  const counts = `${library.packages.length} of ${library.infCount} .inf files are for disks and for this Windows`;
  const told = problems.slice(0, PROBLEMS_MAX).map((line) => `; ${line}`);
  return `no driver of ${from} fits it: ${counts}${told.join('')}`;
}

function kindOf({ classCode }: PciDevice): string {
  return CONTROLLER_KINDS.get((classCode >>> 8) & 0xff) ?? 'disk';
}
