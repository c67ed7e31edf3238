import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { FirstStartProgram } from './first-start.ts';
import { isVistaOrLater, type WindowsFacts, type WindowsSystem } from './windows-system.ts';

type FileTransfer = Customisation['files'][number];

/** Names that Windows keeps for devices, with any extension (Microsoft, "Naming Files, Paths, and Namespaces"). */
const DEVICE_NAME = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** Puts the files of one line of a template where it says; all of them or none. */
export function transferEdit(transfer: FileTransfer, facts: WindowsFacts): Edit<WindowsSystem> {
  const { name, isFolder, entries, execute } = transfer;
  const what = isFolder ? `the folder "${name}" (${entries.length} files)` : `"${name}"`;
  const destination = transfer.destination || defaultFolder(facts);
  return {
    text: `Transfer ${what} to ${destination}`,
    async apply({ root, openFile }) {
      const folder = folderOnVolume(transfer, facts);
      if (execute && isFolder) throw new TdError('invalid', `Cannot run "${name}": it is a folder`);
      const base = isFolder ? `${folder}\\${name}` : folder;
      const files = entries.map((entry) => ({ entry, path: `${base}\\${entry.path.replaceAll('/', '\\')}` }));
      for (const { path } of files) assertWindowsPath(path);
      const made: string[] = [];
      try {
        for (const { entry, path } of files) {
          if (!(await root.exists(path))) made.push(path);
          await root.write(path, openFile(entry));
        }
      } catch (error) {
        for (const path of made) await root.remove(path);
        throw error;
      }
      return undefined;
    },
  };
}

/** The transferred files that are to run, in order. */
export function transferredPrograms(
  transfers: readonly FileTransfer[],
  facts: WindowsFacts,
): FirstStartProgram[] {
  const programs = transfers.filter(({ execute, isFolder }) => execute && !isFolder);
  return programs.flatMap((transfer) => {
    const folder = folderOrNone(transfer, facts);
    if (folder === undefined) return [];
    const path = `${facts.systemDrive}\\${folder}\\${transfer.name}`.replace(/\\{2,}/g, '\\');
    return [{ path, arguments: transfer.arguments }];
  });
}

/** XP has its common folder under a name that is another in each language. */
function defaultFolder(facts: WindowsFacts): string {
  return `${facts.systemDrive}\\${isVistaOrLater(facts) ? 'ProgramData\\' : ''}TotalDeploy\\files`;
}

function folderOnVolume(transfer: FileTransfer, facts: WindowsFacts): string {
  const folder = folderOrNone(transfer, facts);
  if (folder !== undefined) return folder;
  throw new TdError(
    'invalid',
    `Cannot transfer "${transfer.name}" to "${transfer.destination}": use a folder of drive ${facts.systemDrive}, such as ${facts.systemDrive}\\Install`,
  );
}

/** Without drive and backslashes at its ends; undefined when it is not on the system's volume. */
function folderOrNone({ destination }: FileTransfer, facts: WindowsFacts): string | undefined {
  const path = (destination || defaultFolder(facts)).replaceAll('/', '\\');
  const drive = /^[a-z]:/i.exec(path)?.[0];
  if (drive !== undefined && drive.toUpperCase() !== facts.systemDrive) return undefined;
  if (path.includes('%') || path.startsWith('\\\\')) return undefined;
  return path.slice(drive?.length ?? 0).replace(/^\\+|\\+$/g, '');
}

function assertWindowsPath(path: string): void {
  const wrong = path
    .split('\\')
    .find((part) => /[<>:"|?*\x00-\x1f]|[. ]$/.test(part) || DEVICE_NAME.test(part));
  if (wrong === undefined) return;
  throw new TdError('invalid', `Cannot transfer "${path}": Windows allows no file named "${wrong}"`);
}
