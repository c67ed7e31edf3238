import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import { isVistaOrLater, type WindowsFacts } from './windows-system.ts';

type FileTransfer = Customisation['files'][number];

/** Names that Windows keeps for devices, with any extension (Microsoft, "Naming Files, Paths, and Namespaces"). */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/**
 * The folder on the target that a template's line names, with its drive.
 *
 * @throws TdError `invalid` when it is not on the system's volume, which is the only one that is surely there.
 */
export function destinationFolder({ name, destination }: FileTransfer, facts: WindowsFacts): string {
  const fail = (why: string) =>
    new TdError('invalid', `Cannot transfer "${name}" to "${destination}": ${why}`);
  const { systemDrive } = facts;
  const path = withoutVariables((destination || defaultFolder(facts)).replaceAll('/', '\\'), { facts, fail });
  const drive = /^[a-z]:/i.exec(path)?.[0];
  const isElsewhere = path.startsWith('\\\\') || (drive !== undefined && drive.toUpperCase() !== systemDrive);
  if (isElsewhere) throw fail(`use a folder of drive ${systemDrive}, such as ${systemDrive}\\Install`);
  const parts = path
    .slice(drive?.length ?? 0)
    .split('\\')
    .filter((part) => part !== '');
  const folder = [systemDrive, ...parts].join('\\');
  assertWindowsPath(folder);
  const registry = `${systemDrive}\\${facts.systemDir}\\System32\\config\\`.toLowerCase();
  if (`${folder}\\`.toLowerCase().startsWith(registry)) throw fail('there Windows keeps its registry');
  return folder;
}

/** @param path with a drive, or without. @throws TdError `invalid` naming the part that Windows would not open. */
export function assertWindowsPath(path: string): void {
  const wrong = path
    .replace(/^[a-z]:/i, '')
    .split('\\')
    .find((part) => /[<>:"|?*\x00-\x1f]|[. ]$/.test(part) || DEVICE_NAME.test(part));
  if (wrong === undefined) return;
  throw new TdError('invalid', `Cannot transfer "${path}": Windows allows no file named "${wrong}"`);
}

/** XP has its common folder under a name that is another in each language. */
export function defaultFolder(facts: WindowsFacts): string {
  return isVistaOrLater(facts) ? '%ProgramData%\\TotalDeploy\\files' : '%SystemDrive%\\TotalDeploy\\files';
}

function withoutVariables(
  path: string,
  { facts, fail }: { facts: WindowsFacts; fail: (why: string) => TdError },
): string {
  const folders = foldersOf(facts);
  const named = path.replace(
    /^%([^%]+)%/,
    (variable, name: string) => folders.get(name.toLowerCase()) ?? variable,
  );
  if (!named.includes('%')) return named;
  const known = [...folders.keys()].map((name) => `%${name}%`).join(', ');
  throw fail(`before anyone has logged on, this Windows knows only ${known}, at the start`);
}

/** By the names of their variables; the folders of XP and Server 2003 have other names in each language. */
function foldersOf(facts: WindowsFacts): Map<string, string> {
  const { systemDrive, systemDir, architecture } = facts;
  const system = `${systemDrive}\\${systemDir}`;
  const folders = new Map([
    ['systemdrive', systemDrive],
    ['systemroot', system],
    ['windir', system],
  ]);
  if (!isVistaOrLater(facts)) return folders;
  folders.set('programdata', `${systemDrive}\\ProgramData`);
  folders.set('allusersprofile', `${systemDrive}\\ProgramData`);
  folders.set('public', `${systemDrive}\\Users\\Public`);
  folders.set('programfiles', `${systemDrive}\\Program Files`);
  if (architecture !== 'x86') folders.set('programfiles(x86)', `${systemDrive}\\Program Files (x86)`);
  return folders;
}
