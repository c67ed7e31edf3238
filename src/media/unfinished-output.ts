import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';

/** What a filesystem needs for its own tables beside the files. */
const SPARE_BYTES = 8 * 1024 * 1024;
const LOOK_INTERVAL_MS = 250;
/** What `st_blocks` counts, whatever the filesystem's own blocks are. */
const BLOCK_BYTES = 512;

export interface OutputOptions {
  kind: 'file' | 'folder';
  /** Checked against the free space before anything is written. */
  neededBytes: number;
  signal?: AbortSignal;
}

/**
 * Writes to `DEST.partial` and renames it when all is there, so that what has the destination's name is whole.
 * Whatever goes wrong, `DEST.partial` is removed.
 *
 * @param write makes the file, or fills the folder, whose path it gets.
 * @throws TdError `usage` when the destination exists (a folder may be there if it is empty); `no-space`; `io`.
 */
export async function writeUnfinished(
  dest: string,
  write: (partial: string) => Promise<void>,
  options: OutputOptions,
): Promise<void> {
  const path = resolve(dest);
  await refuseExisting(path, options.kind);
  await refuseFull(path, options.neededBytes);
  const partial = `${path}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    if (options.kind === 'folder') await mkdir(partial);
    await write(partial);
    options.signal?.throwIfAborted();
    await syncPath(partial);
    if (options.kind === 'folder') await removeEmptyFolder(path);
    await rename(partial, path);
    await syncPath(dirname(path));
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw outputError(path, error, options.signal);
  }
}

/** Runs the work and tells meanwhile how many bytes of a file are on the disk. */
export async function whileGrowing(
  path: string,
  tell: (doneBytes: number) => void,
  work: () => Promise<void>,
): Promise<void> {
  const look = async () => {
    const found = await stat(path).catch(() => undefined);
    // Its size may be set before there is anything in it.
    if (found !== undefined) tell(found.blocks * BLOCK_BYTES);
  };
  const timer = setInterval(() => void look(), LOOK_INTERVAL_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}

async function refuseExisting(path: string, kind: 'file' | 'folder'): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (kind === 'file') {
    throw new TdError('usage', `Cannot write "${path}": it exists already; remove it or choose another name`);
  }
  if (!found.isDirectory()) {
    throw new TdError('usage', `Cannot write into "${path}": it is not a folder; choose another name`);
  }
  if ((await readdir(path)).length > 0) {
    throw new TdError(
      'usage',
      `Cannot write into "${path}": the folder is not empty; choose an empty or new one`,
    );
  }
}

async function refuseFull(path: string, neededBytes: number): Promise<void> {
  const parent = dirname(path);
  const space = await statfs(parent).catch((cause: unknown) => {
    const missing = errnoOf(cause) === 'ENOENT';
    throw new TdError(
      missing ? 'not-found' : 'io',
      `Cannot write "${path}": ${missing ? `the folder "${parent}" does not exist` : errorLine(cause)}`,
      { cause },
    );
  });
  const freeBytes = space.bavail * space.bsize;
  if (freeBytes < neededBytes + SPARE_BYTES) {
    throw new TdError(
      'no-space',
      `Cannot write "${path}": ${mebibytes(neededBytes)} needed, ${mebibytes(freeBytes)} free; make room or choose another disk`,
    );
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}

async function removeEmptyFolder(path: string): Promise<void> {
  await rmdir(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function outputError(path: string, error: unknown, signal: AbortSignal | undefined): TdError {
  if (signal?.aborted) {
    return new TdError('cancelled', `Writing "${path}" was cancelled; nothing is left of it`, {
      cause: error,
    });
  }
  const line = errorLine(error);
  if (errnoOf(error) === 'ENOSPC' || /no space left|disk full|exceeds free space/i.test(line)) {
    return new TdError('no-space', `Cannot write "${path}": the disk is full; make room and try again`, {
      cause: error,
    });
  }
  if (error instanceof TdError) return error;
  return new TdError('io', `Cannot write "${path}": ${line}`, { cause: error });
}
