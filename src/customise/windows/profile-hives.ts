import { TdError } from '../../lib/errors.ts';
import { textOf } from '../registry-hive/value-data.ts';
import { type MachineSid, machineSidText } from './sid.ts';
import { valueText } from './windows-facts.ts';
import type { WindowsFacts, WindowsSystem } from './windows-system.ts';

const PROFILE_LIST = 'Microsoft\\Windows NT\\CurrentVersion\\ProfileList';
const SHELL_FOLDERS = 'Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\User Shell Folders';
/** Where profiles lie when the registry does not say so. */
const USUAL_FOLDERS = ['Users', 'Documents and Settings'];
const PROFILES_MAX = 2000;
/** The name of a hive in the folder of programs' data that stays on this computer. */
const CLASSES_HIVE = 'Microsoft/Windows/UsrClass.dat';

/** The folder of a user or a service with its own registry. */
export interface Profile {
  /** From the volume's top, with slashes. */
  path: string;
  /** Of programs' data that goes with the user, e.g. `Users/eve/AppData/Roaming`. */
  roaming: string;
  /** Of programs' data that stays on this computer, e.g. `Users/eve/AppData/Local`. */
  local: string;
}

/**
 * Every profile there is: those of the registry, and all folders beside them that hold a user's registry.
 *
 * @throws TdError `refused` when an account of this machine has its profile on another volume.
 */
export async function profilesOf(system: WindowsSystem, sid: MachineSid): Promise<Profile[]> {
  const { root, hives, facts } = system;
  const list = (await hives.open('SOFTWARE')).key(PROFILE_LIST);
  const paths: string[] = [];
  for (const key of list?.subkeys() ?? []) {
    const value = key.value('ProfileImagePath');
    const path = value && volumePath(textOf(value), facts);
    if (path !== undefined) paths.push(path);
    else if (value && key.name.toUpperCase().startsWith(`${machineSidText(sid)}-`)) {
      throw new TdError(
        'refused',
        `Cannot replace the SID: the profile "${textOf(value)}" is on another volume`,
      );
    }
  }
  const directory = list?.value('ProfilesDirectory');
  const folders = new Set(USUAL_FOLDERS);
  folders.add((directory && volumePath(textOf(directory), facts)) ?? 'Users');
  for (const folder of folders) {
    for (const name of await root.list(folder)) paths.push(`${folder}/${name}`);
  }
  return withoutTwins(system, paths);
}

/** Junctions such as `Default User` lead to a profile that has a name of its own. */
async function withoutTwins(system: WindowsSystem, paths: readonly string[]): Promise<Profile[]> {
  const profiles = new Map<string, Profile>();
  for (const path of paths) {
    const { root } = system;
    const hive = `${path}/NTUSER.DAT`;
    if (!(await root.stat(hive))?.isFile()) continue;
    const host = await root.resolve(hive);
    if (!profiles.has(host)) profiles.set(host, await profileAt(system, path));
    if (profiles.size > PROFILES_MAX) {
      throw new TdError('invalid', `Cannot replace the SID: there are more than ${PROFILES_MAX} profiles`);
    }
  }
  return [...profiles.values()];
}

/** Windows XP names the folders in its own language, so the user's registry says where they are. */
async function profileAt({ hives, facts }: WindowsSystem, path: string): Promise<Profile> {
  const hive = await hives.open(`${path}/NTUSER.DAT`);
  const folder = (name: string, otherwise: string) => {
    const text = valueText(hive, SHELL_FOLDERS, name);
    const own = /^%USERPROFILE%[\\/](.+)$/i.exec(text)?.[1];
    if (own !== undefined) return `${path}/${own.replaceAll('\\', '/')}`;
    return volumePath(text, facts) ?? `${path}/${otherwise}`;
  };
  const isOld = facts.release.major < 6;
  return {
    path,
    roaming: folder('AppData', isOld ? 'Application Data' : 'AppData/Roaming'),
    local: folder('Local AppData', isOld ? 'Local Settings/Application Data' : 'AppData/Local'),
  };
}

/** The registry of these profiles: each user's settings and file types. */
export async function profileHives({ root }: WindowsSystem, profiles: readonly Profile[]): Promise<string[]> {
  const hives: string[] = [];
  for (const { path, local } of profiles) {
    hives.push(`${path}/NTUSER.DAT`);
    const classes = `${local}/${CLASSES_HIVE}`;
    if ((await root.stat(classes))?.isFile()) hives.push(classes);
  }
  return hives;
}

/** A path of the running system as one from the volume's top; undefined when it is on another volume. */
function volumePath(path: string, { systemDrive, systemDir }: WindowsFacts): string | undefined {
  const whole = path
    .replace(/^%(?:systemroot|windir)%/i, () => `${systemDrive}\\${systemDir}`)
    .replace(/^%systemdrive%/i, () => systemDrive)
    .replaceAll('\\', '/');
  if (whole.slice(0, systemDrive.length + 1).toLowerCase() !== `${systemDrive.toLowerCase()}/`)
    return undefined;
  return whole.slice(systemDrive.length + 1);
}
