import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { LinuxSystem } from './linux-system.ts';
import { splitWords } from './shell-words.ts';

const DEFAULT_FOLDER = '/opt/totaldeploy';

type Transfer = Customisation['files'][number];
type Application = Customisation['applications'][number];

export function fileEdits({ files, applications }: Customisation): Edit<LinuxSystem>[] {
  return [...files.map(transferEdit), ...applications.map(applicationEdit)];
}

/** Where the file or folder itself comes to lie. */
export function transferredPath(transfer: Transfer): string {
  return `${folderOf(transfer)}/${transfer.name}`;
}

function folderOf({ destination }: Transfer): string {
  return (destination || DEFAULT_FOLDER).replace(/\/+$/, '');
}

function transferEdit(transfer: Transfer): Edit<LinuxSystem> {
  const { name, isFolder, entries, execute } = transfer;
  const folder = folderOf(transfer);
  const own = transferredPath(transfer);
  const what = isFolder ? `the folder "${name}" (${entries.length} files)` : `"${name}"`;
  return {
    text: `Put ${what} into ${folder || '/'}${execute ? ' and run it at the first start' : ''}`,
    async apply({ root, openFile, firstStart }) {
      if (folder !== '' && !folder.startsWith('/')) {
        throw new TdError('invalid', `Cannot put ${what} into "${folder}": use a path that begins with /`);
      }
      if (execute && isFolder) throw new TdError('invalid', `Cannot run "${name}": it is a folder`);
      const words = execute ? splitWords(transfer.arguments) : [];
      for (const entry of entries) {
        const path = isFolder ? `${own}/${entry.path}` : own;
        const mode = execute ? 0o755 : 0o644;
        await root.write(path, openFile(entry), { mode, uid: 0, gid: 0 });
      }
      if (execute) firstStart.push({ name: `run ${own}`, command: [own, ...words] });
      return undefined;
    },
  };
}

function applicationEdit({ path, arguments: line }: Application): Edit<LinuxSystem> {
  return {
    text: `Run "${path}" at the first start`,
    async apply({ root, firstStart }) {
      if (!path.startsWith('/'))
        throw new TdError('invalid', `Cannot run "${path}": use a path that begins with /`);
      if (!(await root.stat(path))?.isFile()) {
        throw new TdError('not-found', `Cannot run "${path}": the deployed system has no such file`);
      }
      firstStart.push({ name: `run ${path}`, command: [path, ...splitWords(line)] });
      return undefined;
    },
  };
}
