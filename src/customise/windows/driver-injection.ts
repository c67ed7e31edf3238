import { errorLine, TdError } from '../../lib/errors.ts';
import type { OpenFile } from '../file-source.ts';
import type { HiveKey } from '../registry-hive/hive-key.ts';
import { text, textOf, VALUE_TYPE } from '../registry-hive/value-data.ts';
import { type DriverBinary, readDriverBinary } from './driver-binary.ts';
import { bindByCriticalDevices, bindByDriverDatabase, type DriverBinding } from './driver-database.ts';
import { type DriverMatch, readWhole } from './driver-library.ts';
import { writeDriverService } from './driver-service.ts';
import { compareLists } from './inf-driver.ts';
import { type InfInstallation, type InfService, readInstallation } from './inf-install.ts';
import { findPackageFile, packageFiles } from './inf-package.ts';
import {
  isVistaOrLater,
  isWindows8OrLater,
  type WindowsFacts,
  type WindowsSystem,
} from './windows-system.ts';

/** A driver that can be added: read, and found to be for this Windows. */
export interface LoadedDriver {
  match: DriverMatch;
  installation: InfInstallation;
  /** The service that drives the device. */
  service: InfService;
  /** Contents of the files of all services, by their names on the target. */
  binaries: Map<string, Buffer>;
  /** The Windows the driver was built for: major, minor. */
  builtFor: [number, number];
}

const DRIVER_BYTES_MAX = 64 * 1024 * 1024;
const NAME_CHARS_MAX = 64;
const DEVICE_PATH_KEY = 'Microsoft\\Windows\\CurrentVersion';
const DEFAULT_DEVICE_PATH = '%SystemRoot%\\inf';

/** Reads one driver whole. @throws TdError `invalid`, `not-found` or `refused` saying why it cannot be added. */
export async function loadDriver(
  match: DriverMatch,
  context: { openFile: OpenFile; facts: WindowsFacts },
): Promise<LoadedDriver> {
  const { openFile, facts } = context;
  const { inf, infPath, offered } = match.package;
  const installation = readInstallation(inf, match.installSection, facts);
  const service = installation.services.find(({ isFunctionDriver }) => isFunctionDriver);
  if (service === undefined) throw new TdError('invalid', 'it brings no driver of its own');
  const binaries = new Map<string, Buffer>();
  let builtFor: [number, number] = [0, 0];
  for (const each of installation.services) {
    const { file } = findPackageFile(inf, each.sourceName, { infPath, offered, system: facts });
    const bytes = await readWhole(file, { openFile, bytesMax: DRIVER_BYTES_MAX });
    const binary = readDriverBinary(bytes, each.sourceName);
    refuseUnfit(binary, { name: each.sourceName, facts });
    if (each === service) builtFor = [binary.major, binary.minor];
    binaries.set(each.fileName, bytes);
  }
  return { match, installation, service, binaries, builtFor };
}

function refuseUnfit(binary: DriverBinary, { name, facts }: { name: string; facts: WindowsFacts }): void {
  const { release, architecture } = facts;
  if (binary.architecture !== architecture) {
    throw new TdError('refused', `${name} is for ${binary.architecture ?? 'other'} processors`);
  }
  if (compareLists([binary.major, binary.minor], [release.major, release.minor]) > 0) {
    throw new TdError('refused', `${name} is for Windows ${binary.major}.${binary.minor} and later`);
  }
  // The boot loader reads no catalogues of later packages: it stops at a driver that is not signed inside
  // (Microsoft, "Kernel-mode code signing requirements": 64-bit, boot-start, from Vista on).
  if (architecture !== 'x86' && isVistaOrLater(facts) && !binary.isSigned) {
    throw new TdError('refused', `${name} is not signed, and a 64-bit Windows would not start with it`);
  }
}

/**
 * Of the drivers that match equally well, the one built for the Windows that is closest; discs with drivers for many
 * releases often tell them apart by folders alone.
 *
 * @param options.onUnfit is told of each that cannot be used, e.g. `viostor.inf: viostor.sys is missing`.
 */
export async function chooseDriver(
  matches: readonly DriverMatch[],
  context: { openFile: OpenFile; facts: WindowsFacts; onUnfit: (line: string) => void },
): Promise<LoadedDriver | undefined> {
  let best: LoadedDriver | undefined;
  for (const match of matches) {
    if (best !== undefined && best.match.ids[0]?.id !== match.ids[0]?.id) break;
    try {
      const loaded = await loadDriver(match, context);
      if (best === undefined || compareLists(loaded.builtFor, best.builtFor) > 0) best = loaded;
    } catch (error) {
      if (!(error instanceof TdError) || !['invalid', 'not-found', 'refused'].includes(error.code))
        throw error;
      context.onUnfit(`${match.package.infPath}: ${errorLine(error)}`);
    }
  }
  return best;
}

/**
 * Adds a driver to a stopped Windows: its files, its services in every control set, what binds it to the device, and
 * its package in a folder where Windows looks for drivers.
 *
 * @param options.folder of the package below the system's folder, e.g. `TotalDeployDrivers\1`.
 */
export async function injectDriver(
  windows: WindowsSystem,
  driver: LoadedDriver,
  options: { folder: string },
): Promise<void> {
  const { root, hives, facts, openFile } = windows;
  const { match, installation } = driver;
  const { inf, infPath, offered } = match.package;
  const [system, software] = [await hives.open('SYSTEM'), await hives.open('SOFTWARE')];
  const binding = bindingOf(driver, offered.get(infPath.toLowerCase())?.sha256 ?? '');
  for (const set of facts.controlSets) {
    for (const each of installation.services) writeDriverService(system, each, set);
    if (!isWindows8OrLater(facts)) bindByCriticalDevices(system, binding, set);
  }
  if (isWindows8OrLater(facts)) bindByDriverDatabase(system, binding, facts.architecture);
  addDevicePath(software.root.ensure(DEVICE_PATH_KEY), `%SystemRoot%\\${options.folder}`);
  for (const [name, bytes] of driver.binaries) {
    await root.write(`${facts.systemDir}/System32/drivers/${name}`, bytes);
  }
  for (const { path, file } of packageFiles(inf, infPath, { offered, system: facts })) {
    await root.write(`${facts.systemDir}\\${options.folder}\\${path}`, openFile(file));
  }
}

/** Under a name of ours, so that no package which is there is touched. */
function bindingOf({ match, installation, service }: LoadedDriver, hash: string): DriverBinding {
  const base =
    match.package.infPath
      .split('/')
      .at(-1)
      ?.replace(/\.inf$/i, '') ?? '';
  const name = base
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .slice(0, NAME_CHARS_MAX);
  return {
    infName: `totaldeploy-${name}-${hash.slice(0, 8)}.inf`,
    hash: hash.slice(0, 16),
    driver: match.package.driver,
    installation,
    ids: match.ids,
    service: service.name,
  };
}

/** Folders are searched without those below them. */
function addDevicePath(key: HiveKey, folder: string): void {
  const old = key.value('DevicePath');
  const folders = (old === undefined ? '' : textOf(old)).split(';').filter((each) => each !== '');
  if (folders.some((each) => each.toLowerCase() === folder.toLowerCase())) return;
  const all = [...(folders.length === 0 ? [DEFAULT_DEVICE_PATH] : folders), folder];
  key.set('DevicePath', text(all.join(';'), VALUE_TYPE.REG_EXPAND_SZ));
}
