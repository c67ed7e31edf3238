import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import type { ImageSink } from './image-writer.ts';

/** Small writes are gathered up to this, so that a record's header and payload go out together. */
const GATHER_BYTES = 4 * 1024 * 1024;
const GATHER_PIECES_MAX = 1000; // below the system's limit of 1024 for one writev

/** Linked errors of filesystems without hard links: FAT, some network shares. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EACCES']);

export interface FileSink extends ImageSink {
  /** Where the bytes are until the image is complete: the path with `.partial` behind it. */
  readonly partialPath: string;
  abort(): Promise<void>;
}

/**
 * Opens an image file for writing. The bytes go to `PATH.partial`, which replaces one an earlier failure
 * left; `close` gives it its name after everything is on the disk, `abort` leaves it as it is.
 *
 * @throws TdError `refused` when there is a file at the path already, `not-found`, `io`.
 */
export async function openFileSink(path: string): Promise<FileSink> {
  const partialPath = `${path}.partial`;
  if ((await inodeOf(path)) !== undefined) throw exists(path);
  try {
    if ((await inodeOf(partialPath)) !== undefined) await unlink(partialPath);
    // Images hold other people's files and password hashes: for the owner only.
    const handle = await open(partialPath, 'wx', 0o600);
    return new PartialFile(path, partialPath, handle);
  } catch (cause) {
    throw writeError(partialPath, 0, cause);
  }
}

class PartialFile implements FileSink {
  readonly partialPath: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #writtenBytes = 0;
  /** At most one write is under way while the next is gathered. */
  #writing: Promise<void> = Promise.resolve();
  #state: 'open' | 'closed' | 'aborted' = 'open';

  constructor(path: string, partialPath: string, handle: FileHandle) {
    this.#path = path;
    this.partialPath = partialPath;
    this.#handle = handle;
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#state !== 'open')
      throw new TdError('usage', `Cannot write "${this.partialPath}": it is closed`);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < GATHER_BYTES && this.#pending.length < GATHER_PIECES_MAX) return;
    await this.#startWrite();
  }

  async sync(): Promise<void> {
    await this.#startWrite();
    await this.#writing;
    try {
      await this.#handle.sync();
    } catch (cause) {
      throw writeError(this.partialPath, this.#writtenBytes, cause);
    }
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    if (this.#state === 'aborted')
      throw new TdError('usage', `Cannot finish "${this.#path}": it was aborted`);
    await this.sync();
    const inode = (await this.#handle.stat({ bigint: true })).ino;
    this.#state = 'closed';
    await this.#handle.close();
    await publish(this.partialPath, this.#path, inode);
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    await this.#writing.catch(() => {});
    await this.#handle.close();
  }

  async #startWrite(): Promise<void> {
    await this.#writing;
    const pieces = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#writing = this.#writeAll(pieces);
    this.#writing.catch(() => {}); // seen by the next write, sync or close
  }

  async #writeAll(pieces: Buffer[]): Promise<void> {
    let left = pieces;
    try {
      while (left.length > 0) {
        const { bytesWritten } = await this.#handle.writev(left);
        this.#writtenBytes += bytesWritten;
        left = dropFront(left, bytesWritten);
      }
    } catch (cause) {
      throw writeError(this.partialPath, this.#writtenBytes, cause);
    }
  }
}

function dropFront(pieces: Buffer[], bytes: number): Buffer[] {
  let drop = bytes;
  let first = 0;
  while (first < pieces.length && pieces[first]!.length <= drop) {
    drop -= pieces[first]!.length;
    first += 1;
  }
  const left = pieces.slice(first);
  if (drop > 0) left[0] = left[0]!.subarray(drop);
  return left;
}

async function publish(partialPath: string, path: string, inode: bigint): Promise<void> {
  try {
    if ((await inodeOf(partialPath)) !== inode) {
      throw new TdError(
        'refused',
        `Cannot finish "${path}": "${partialPath}" was replaced meanwhile, does another capture use this name?`,
      );
    }
    try {
      // A link, unlike a rename, never replaces an image that appeared meanwhile.
      await link(partialPath, path);
      await unlink(partialPath);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'EEXIST') throw exists(path);
      if (code === undefined || !NO_LINKS.has(code)) throw error;
      if ((await inodeOf(path)) !== undefined) throw exists(path);
      await rename(partialPath, path);
    }
    await syncDirectory(dirname(path));
  } catch (cause) {
    if (cause instanceof TdError) throw cause;
    throw writeError(path, 0, cause);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Network shares that cannot sync a directory have nothing to sync.
    if (!['EINVAL', 'ENOTSUP', 'EBADF', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await lstat(path, { bigint: true })).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw writeError(path, 0, error);
  }
}

function exists(path: string): TdError {
  return new TdError('refused', `Cannot write "${path}": the file exists; choose another name or remove it`);
}

function writeError(path: string, writtenBytes: number, cause: unknown): TdError {
  const at = writtenBytes > 0 ? ` after ${formatBytes(writtenBytes)}` : '';
  switch (errnoOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TdError(
        'no-space',
        `Cannot write "${path}": the disk is full${at}; free space there or choose another destination`,
        { cause },
      );
    case 'EFBIG':
      return new TdError(
        'no-space',
        `Cannot write "${path}": the filesystem takes no larger file${at}; use one that is not FAT32`,
        { cause },
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return new TdError('not-found', `Cannot write "${path}": the folder does not exist; create it first`, {
        cause,
      });
    default:
      return new TdError(
        'io',
        `Cannot write "${path}"${at}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
  }
}
