import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { errnoOf, errorLine, TdError } from '../../lib/errors.ts';

/**
 * Writes a report beside the file it replaces, so that a full disk leaves the old one.
 *
 * @throws TdError `usage` when the path is a folder, `not-found` when its folder does not exist, `no-space`, `io`.
 */
export async function saveReport(path: string, text: string): Promise<void> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder)
    throw new TdError('usage', `Cannot write the report to "${path}": it is a folder; name a file`);
  const partial = `${path}.${randomBytes(4).toString('hex')}.partial`;
  try {
    {
      await using file = await open(partial, 'wx', 0o644);
      await file.writeFile(text);
      await file.sync();
    }
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw saveError(path, cause);
  }
}

function saveError(path: string, cause: unknown): TdError {
  const cannot = `Cannot write the report to "${path}"`;
  switch (errnoOf(cause)) {
    case 'ENOSPC':
      return new TdError('no-space', `${cannot}: the disk is full; make room or name another place`, {
        cause,
      });
    case 'ENOENT':
    case 'ENOTDIR':
      return new TdError('not-found', `${cannot}: its folder does not exist; make it or name another`, {
        cause,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new TdError('io', `${cannot}: there is no right to write there; name another place`, { cause });
    default:
      return new TdError('io', `${cannot}: ${errorLine(cause)}`, { cause });
  }
}
