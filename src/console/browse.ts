import { constants } from 'node:fs';
import { access, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import type { Folder, FolderEntry } from './console-api.ts';
import { SlowFolder } from './slow-folder.ts';

const ENTRIES_MAX = 10_000;
const BROWSE_MS_MAX = 15_000;
/** Asked for at once: some, so that a share is quick; not all, so that others get a turn. */
const PARALLEL = 8;

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'it is not a folder',
  EACCES: 'you have no right to look into it',
  EPERM: 'you have no right to look into it',
  EHOSTDOWN: 'its server does not answer',
  ETIMEDOUT: 'its server does not answer',
  ENAMETOOLONG: 'the name is too long',
};

export interface BrowseOptions {
  /** Files that end otherwise are left out, upper and lower case alike. */
  suffix?: string;
  /** Default 10,000. */
  entriesMax?: number;
}

/**
 * What a folder of this computer holds, folders first.
 *
 * @throws TdError `usage` for a path that is not absolute; `not-found`, `io`, `timeout`.
 */
export async function browseFolder(path: string, options: BrowseOptions = {}): Promise<Folder> {
  if (!isAbsolute(path) || path.includes('\0')) {
    throw new TdError('usage', `Cannot open ${JSON.stringify(path)}: write a path that begins with /`);
  }
  const dir = normalize(path).replace(/(?<=.)\/+$/, '');
  try {
    return await new SlowFolder(dir).ask(() => look(dir, options), BROWSE_MS_MAX);
  } catch (cause) {
    if (cause instanceof TdError) throw cause;
    const errno = errnoOf(cause) ?? '';
    const code = errno === 'ENOENT' ? 'not-found' : 'io';
    throw new TdError(code, `Cannot open "${dir}": ${REASONS[errno] ?? errorLine(cause)}`, { cause });
  }
}

async function look(dir: string, options: BrowseOptions): Promise<Folder> {
  const suffix = options.suffix?.toLowerCase() ?? '';
  const names = (await readdir(dir, { withFileTypes: true }))
    .filter(
      (entry) => entry.isDirectory() || entry.isSymbolicLink() || entry.name.toLowerCase().endsWith(suffix),
    )
    .slice(0, options.entriesMax ?? ENTRIES_MAX)
    .map((entry) => entry.name);
  const entries: FolderEntry[] = [];
  for (let at = 0; at < names.length; at += PARALLEL) {
    const some = await Promise.all(names.slice(at, at + PARALLEL).map((name) => entryOf(dir, name, suffix)));
    entries.push(...some.filter((entry) => entry !== undefined));
  }
  const space = await statfs(dir);
  const writable = await access(dir, constants.W_OK).then(
    () => true,
    () => false,
  );
  return {
    path: dir,
    ...(dir === '/' ? {} : { parent: dirname(dir) }),
    freeBytes: space.bavail * space.bsize,
    writable,
    entries: entries.sort(byKindAndName),
  };
}

/** Undefined for what is neither a folder nor a file, and for what vanished meanwhile. */
async function entryOf(dir: string, name: string, suffix: string): Promise<FolderEntry | undefined> {
  const found = await stat(join(dir, name)).catch(() => undefined);
  if (found === undefined) return undefined;
  const changedAt = found.mtime.toISOString();
  if (found.isDirectory()) return { name, kind: 'folder', sizeBytes: 0, changedAt };
  if (!found.isFile() || !name.toLowerCase().endsWith(suffix)) return undefined;
  return { name, kind: 'file', sizeBytes: found.size, changedAt };
}

function byKindAndName(a: FolderEntry, b: FolderEntry): number {
  if (a.kind !== b.kind) return a.kind === 'folder' ? -1 : 1;
  return a.name.localeCompare(b.name, 'en', { numeric: true });
}
