import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { LinuxSystem } from './linux-system.ts';
import { splitWords } from './shell-words.ts';

export const DEFAULT_FOLDER = '/opt/totaldeploy';

type Transfer = Customisation['files'][number];
type Application = Customisation['applications'][number];

export function fileEdits({ files, applications }: Customisation): Edit<LinuxSystem>[] {
  return [...files.map(transferEdit), ...applications.map(applicationEdit)];
}

function transferEdit(transfer: Transfer): Edit<LinuxSystem> {
  const { name, isFolder, entries, execute } = transfer;
  const folder = (transfer.destination || DEFAULT_FOLDER).replace(/\/+$/, '');
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
        const path = `${folder}/${isFolder ? `${name}/` : ''}${entry.path}`;
        const mode = execute ? 0o755 : 0o644;
        await root.write(path, openFile(entry), { mode, uid: 0, gid: 0 });
      }
      if (execute)
        firstStart.push({ name: `run ${folder}/${name}`, command: [`${folder}/${name}`, ...words] });
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
