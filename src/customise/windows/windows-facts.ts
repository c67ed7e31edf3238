import { TdError } from '../../lib/errors.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { numberOf, textOf } from '../registry-hive/value-data.ts';
import type { SystemRoot } from '../system-root.ts';
import type { HiveSet } from './hive-set.ts';
import type { WindowsFacts } from './windows-system.ts';

/** Setup names a second installation beside the first `WINDOWS.0`. */
const SYSTEM_DIR = /^(?:windows|winnt)(?:\.\d{1,3})?$/i;
const CURRENT_VERSION = 'Microsoft\\Windows NT\\CurrentVersion';
/** From this build on it is Windows 11, though its registry still says 10. */
const WINDOWS_11_BUILD = 22_000;
const ARCHITECTURES: Record<string, WindowsFacts['architecture']> = {
  x86: 'x86',
  amd64: 'amd64',
  arm64: 'arm64',
};

/** The folder of a Windows whose registry is there, e.g. `Windows`; undefined when the volume holds none. */
export async function findSystemDir(root: SystemRoot): Promise<string | undefined> {
  const names = (await root.list('/')).filter((name) => SYSTEM_DIR.test(name));
  for (const name of names.sort((a, b) => a.length - b.length)) {
    const config = `${name}/System32/config`;
    if ((await root.exists(`${config}/SYSTEM`)) && (await root.exists(`${config}/SOFTWARE`))) return name;
  }
  return undefined;
}

/** @throws TdError `invalid` when its registry lacks what every Windows has. */
export async function readWindowsFacts(
  root: SystemRoot,
  options: { systemDir: string; hives: HiveSet },
): Promise<WindowsFacts> {
  const { systemDir, hives } = options;
  const [system, software] = [await hives.open('SYSTEM'), await hives.open('SOFTWARE')];
  const release = releaseOf(software);
  const controlSets = controlSetsOf(system);
  return {
    systemDir,
    systemDrive:
      /^[a-z]:/i.exec(valueText(software, CURRENT_VERSION, 'SystemRoot'))?.[0].toUpperCase() ?? 'C:',
    release,
    productName: productNameOf(software, release.build),
    architecture: architectureOf(system, controlSets[0]!),
    controlSets,
    sysprepped: isSysprepped(system, software),
    hasPowerShell: await root.exists(`${systemDir}/System32/WindowsPowerShell/v1.0/powershell.exe`),
  };
}

function releaseOf(software: Hive): WindowsFacts['release'] {
  const field = (name: string) => valueText(software, CURRENT_VERSION, name);
  const number = (name: string) => valueNumber(software, CURRENT_VERSION, name);
  // From 10 on `CurrentVersion` stays 6.3; on XP `CurrentBuild` is no number.
  const old = /^(\d{1,3})\.(\d{1,3})$/.exec(field('CurrentVersion'));
  const major = number('CurrentMajorVersionNumber') ?? Number(old?.[1]);
  const minor = number('CurrentMinorVersionNumber') ?? Number(old?.[2]);
  const build = Number.parseInt(field('CurrentBuildNumber') || field('CurrentBuild'), 10);
  if (![major, minor, build].every(Number.isSafeInteger)) {
    throw new TdError(
      'invalid',
      'Cannot tell the release of this Windows: its SOFTWARE hive does not say it',
    );
  }
  return { major, minor, build };
}

function productNameOf(software: Hive, build: number): string {
  const name = valueText(software, CURRENT_VERSION, 'ProductName') || 'Windows';
  return build >= WINDOWS_11_BUILD ? name.replace(/^Windows 10\b/, 'Windows 11') : name;
}

/** The one that is started first, then all others in their order. */
function controlSetsOf(system: Hive): string[] {
  const names = system.root.subkeys().map(({ name }) => name);
  const sets = names.filter((name) => /^ControlSet\d{3}$/i.test(name));
  const started = `ControlSet${String(valueNumber(system, 'Select', 'Default') ?? 0).padStart(3, '0')}`;
  const first = sets.find((name) => name.toLowerCase() === started.toLowerCase());
  if (first === undefined) {
    throw new TdError('invalid', `Cannot use this Windows: its SYSTEM hive has no ${started} to start with`);
  }
  return [first, ...sets.filter((name) => name !== first)];
}

function architectureOf(system: Hive, controlSet: string): WindowsFacts['architecture'] {
  const environment = `${controlSet}\\Control\\Session Manager\\Environment`;
  const name = valueText(system, environment, 'PROCESSOR_ARCHITECTURE');
  const architecture = ARCHITECTURES[name.toLowerCase()];
  if (architecture !== undefined) return architecture;
  throw new TdError(
    'invalid',
    `Cannot use this Windows: it is for "${name}"; x86, AMD64 and ARM64 are known`,
  );
}

/**
 * Only generalised ones: after `sysprep /oobe` without `/generalize` Windows takes no names from an answer file
 * (Microsoft, "Windows Setup States"). XP has no states; there Mini-Setup is what the next start runs.
 */
function isSysprepped(system: Hive, software: Hive): boolean {
  const state = valueText(software, 'Microsoft\\Windows\\CurrentVersion\\Setup\\State', 'ImageState');
  if (state !== '') return /^IMAGE_STATE_GENERALIZE_RESEAL_TO_/i.test(state);
  return (
    (valueNumber(system, 'Setup', 'SetupType') ?? 0) !== 0 &&
    /\bsetup\b.*-newsetup\b.*-mini\b/i.test(valueText(system, 'Setup', 'CmdLine'))
  );
}

/** Empty when there is no such value. */
export function valueText(hive: Hive, key: string, name: string): string {
  const value = hive.key(key)?.value(name);
  return value === undefined ? '' : textOf(value);
}

/** Undefined when there is no such value. @throws TdError `invalid` when it is no number. */
export function valueNumber(hive: Hive, key: string, name: string): number | undefined {
  const value = hive.key(key)?.value(name);
  return value === undefined ? undefined : numberOf(value);
}
