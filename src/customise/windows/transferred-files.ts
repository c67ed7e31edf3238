import { statfs } from 'node:fs/promises';
import { TdError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { FirstStartProgram } from './first-start.ts';
import { assertWindowsPath, defaultFolder, destinationFolder } from './transferred-files-destination.ts';
import type { WindowsFacts, WindowsSystem } from './windows-system.ts';

type FileTransfer = Customisation['files'][number];

const MIB = 1024 * 1024;
const CLUSTER_BYTES = 4096;
/** Windows has to start, and to make its own files, afterwards. */
const LEFT_FREE_BYTES = 256 * MIB;

/** Puts the files of one line of a template where it says; all of them or none. */
export function transferEdit(transfer: FileTransfer, facts: WindowsFacts): Edit<WindowsSystem> {
  const { name, isFolder, entries, execute } = transfer;
  const what = isFolder ? `the folder "${name}" (${entries.length} files)` : `"${name}"`;
  const destination = transfer.destination || defaultFolder(facts);
  return {
    text: `Transfer ${what} to ${destination}${execute ? ' and run it at first start' : ''}`,
    async apply({ root, openFile }) {
      const folder = destinationFolder(transfer, facts);
      if (execute && isFolder) throw new TdError('invalid', `Cannot run "${name}": it is a folder`);
      const base = isFolder ? `${folder}\\${name}` : folder;
      const files = entries.map((entry) => ({ entry, path: `${base}\\${entry.path.replaceAll('/', '\\')}` }));
      for (const { path } of files) assertWindowsPath(path);
      await assertSpace(root.dir, { name, bytes: files.map(({ entry }) => entry.bytes) });
      const made: string[] = [];
      try {
        for (const { entry, path } of files) {
          const below = path.slice(facts.systemDrive.length);
          if (!(await root.exists(below))) made.push(below);
          await root.write(below, openFile(entry));
        }
      } catch (error) {
        for (const path of made) await root.remove(path);
        throw error;
      }
      return undefined;
    },
  };
}

/** The transferred files that are to run, in order; not those that cannot be transferred. */
export function transferredPrograms(
  transfers: readonly FileTransfer[],
  facts: WindowsFacts,
): FirstStartProgram[] {
  const programs = transfers.filter(({ execute, isFolder }) => execute && !isFolder);
  return programs.flatMap((transfer) => {
    try {
      const path = `${destinationFolder(transfer, facts)}\\${transfer.name}`;
      return [{ path, arguments: transfer.arguments }];
    } catch (error) {
      if (error instanceof TdError) return [];
      throw error;
    }
  });
}

/** @throws TdError `no-space` before anything is written. */
async function assertSpace(dir: string, { name, bytes }: { name: string; bytes: number[] }): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  const needed = bytes.reduce(
    (sum, each) => sum + Math.ceil(each / CLUSTER_BYTES) * CLUSTER_BYTES,
    LEFT_FREE_BYTES,
  );
  if (bavail * bsize >= needed) return;
  throw new TdError(
    'no-space',
    `Cannot transfer "${name}": the system's volume has ${formatBytes(bavail * bsize)} free, ${formatBytes(needed)} are needed; ` +
      'deploy to a larger partition or transfer less',
  );
}
