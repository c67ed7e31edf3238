import { constants } from 'node:fs';
import { type FileHandle, open, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import { AlignedBuffers } from './aligned-buffers.ts';
import { deviceNumberText, sysfsPathOf, usesOfDisk } from './mounts.ts';

/** A disk, a partition or a plain file, read and written by byte offsets. */
export interface BlockDevice extends AsyncDisposable {
  readonly path: string;
  /** `sda`, `sda1`; undefined for a plain file. */
  readonly kernelName: string | undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly readOnly: boolean;
  /** Reads all of it or throws `io`. */
  read(offsetBytes: number, lengthBytes: number): Promise<Buffer>;
  /** Writes all of it or throws `io`, `no-space`. */
  write(offsetBytes: number, bytes: Uint8Array): Promise<void>;
  /** Returns when everything written is on the medium. */
  flush(): Promise<void>;
}

export interface OpenOptions {
  /** Opens for writing too; a disk that is mounted or otherwise in use is refused. Default false. */
  write?: boolean;
  /** Sector size that a plain file stands for, 512 or 4096; default 512. Disks know their own. */
  fileSectorBytes?: number;
}

/** O_DIRECT needs this alignment on the disks it is used for; also the kernel's page size. */
const PAGE_BYTES = 4096;
const DIRECT_BYTES_MIN = 64 * 1024;

/**
 * Opens a block device or a plain file.
 *
 * @throws TdError `not-found`; `refused` when it is opened for writing and is read-only or in use;
 *   `invalid` when it is neither a block device nor a plain file; `io`.
 */
export async function openBlockDevice(path: string, options: OpenOptions = {}): Promise<BlockDevice> {
  const write = options.write === true;
  const handle = await openExclusively(path, write);
  try {
    const found = await handle.stat();
    if (found.isFile()) {
      const sectorBytes = options.fileSectorBytes ?? 512;
      return new OpenedDevice(handle, undefined, {
        path,
        kernelName: undefined,
        sizeBytes: found.size,
        logicalSectorBytes: sectorBytes,
        physicalSectorBytes: sectorBytes,
        readOnly: !write,
        wholeDisk: false,
      });
    }
    if (!found.isBlockDevice()) {
      throw new TdError('invalid', `Cannot open "${path}": it is neither a disk nor a file; name one`);
    }
    const facts = await blockDeviceFacts(path, found.rdev);
    if (write && facts.readOnly) {
      throw new TdError(
        'refused',
        `Cannot write to "${path}": it is read-only; switch its write protection off`,
      );
    }
    return new OpenedDevice(handle, write ? await openDirect(path) : undefined, facts);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openExclusively(path: string, write: boolean): Promise<FileHandle> {
  // On a block device O_EXCL claims it: the kernel says EBUSY when it, or a partition of it, is mounted.
  const flags = write ? constants.O_RDWR | constants.O_EXCL : constants.O_RDONLY;
  try {
    return await open(path, flags | constants.O_NONBLOCK);
  } catch (error) {
    throw await openError(path, write, error);
  }
}

async function openError(path: string, write: boolean, cause: unknown): Promise<TdError> {
  const verb = write ? 'write to' : 'open';
  switch (errnoOf(cause)) {
    case 'ENOENT':
    case 'ENXIO':
    case 'ENODEV':
      return new TdError('not-found', `Cannot ${verb} "${path}": there is no such disk or file`, { cause });
    case 'EBUSY': {
      const uses = await usesOfDisk(basename(await realpath(path).catch(() => path)));
      const how = uses.length > 0 ? uses.join(', ') : 'mounted, or part of RAID, LVM or swap';
      return new TdError('refused', `Cannot write to "${path}": it is in use (${how}); release it first`, {
        cause,
      });
    }
    case 'EROFS':
      return new TdError(
        'refused',
        `Cannot write to "${path}": it is read-only; switch its write protection off`,
        {
          cause,
        },
      );
    case 'EACCES':
    case 'EPERM':
      return new TdError('refused', `Cannot ${verb} "${path}": permission denied; run it as root`, { cause });
    case 'EISDIR':
      return new TdError('invalid', `Cannot ${verb} "${path}": it is a folder; name a disk or a file`, {
        cause,
      });
    default:
      return new TdError('io', `Cannot ${verb} "${path}": ${errorLine(cause)}`, { cause });
  }
}

async function openDirect(path: string): Promise<FileHandle | undefined> {
  // Past the page cache a target writes several times faster; not every driver has it.
  return await open(path, constants.O_RDWR | constants.O_DIRECT).catch(() => undefined);
}

interface DeviceFacts {
  path: string;
  kernelName: string | undefined;
  sizeBytes: number;
  logicalSectorBytes: number;
  physicalSectorBytes: number;
  readOnly: boolean;
  wholeDisk: boolean;
}

async function blockDeviceFacts(path: string, rdev: number): Promise<DeviceFacts> {
  const sysfs = await sysfsPathOf(deviceNumberText(rdev));
  if (sysfs === undefined) {
    throw new TdError('io', `Cannot open "${path}": the kernel has no entry for it below /sys/dev/block`);
  }
  const numberIn = async (file: string): Promise<number | undefined> => {
    const text = (await readFile(file, 'utf8').catch(() => '')).trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const wholeDisk = (await numberIn(join(sysfs, 'partition'))) === undefined;
  const queue = join(wholeDisk ? sysfs : dirname(sysfs), 'queue');
  const sectors = await numberIn(join(sysfs, 'size'));
  if (sectors === undefined || sectors === 0) {
    throw new TdError('io', `Cannot open "${path}": it has no size; is a medium inserted?`);
  }
  const logicalSectorBytes = (await numberIn(join(queue, 'logical_block_size'))) ?? 512;
  return {
    path,
    kernelName: basename(sysfs),
    sizeBytes: sectors * 512, // sysfs counts 512-byte sectors whatever the disk's own size is
    logicalSectorBytes,
    physicalSectorBytes: (await numberIn(join(queue, 'physical_block_size'))) ?? logicalSectorBytes,
    readOnly: (await numberIn(join(sysfs, 'ro'))) === 1,
    wholeDisk,
  };
}

class OpenedDevice implements BlockDevice {
  readonly path: string;
  readonly kernelName: string | undefined;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly readOnly: boolean;
  readonly #wholeDisk: boolean;
  readonly #handle: FileHandle;
  #direct: FileHandle | undefined;
  #aligned: AlignedBuffers | undefined;
  #written = false;
  #closed = false;

  constructor(handle: FileHandle, direct: FileHandle | undefined, facts: DeviceFacts) {
    this.#handle = handle;
    this.#direct = direct;
    this.path = facts.path;
    this.kernelName = facts.kernelName;
    this.sizeBytes = facts.sizeBytes;
    this.logicalSectorBytes = facts.logicalSectorBytes;
    this.physicalSectorBytes = facts.physicalSectorBytes;
    this.readOnly = facts.readOnly;
    this.#wholeDisk = facts.wholeDisk;
  }

  #checkRange(verb: string, offsetBytes: number, lengthBytes: number): void {
    const ok =
      Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes + lengthBytes <= this.sizeBytes;
    if (ok) return;
    throw new TdError(
      'io',
      `Cannot ${verb} ${lengthBytes} bytes at ${offsetBytes} of "${this.path}": it ends at ${this.sizeBytes}`,
    );
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    this.#checkRange('read', offsetBytes, lengthBytes);
    const bytes = Buffer.allocUnsafeSlow(lengthBytes);
    let done = 0;
    while (done < lengthBytes) {
      const at = offsetBytes + done;
      let got: number;
      try {
        got = (await this.#handle.read(bytes, done, lengthBytes - done, at)).bytesRead;
      } catch (cause) {
        throw readError(this.path, at, cause);
      }
      if (got === 0)
        throw new TdError('io', `Cannot read "${this.path}" at ${at}: it ended there; it was shortened`);
      done += got;
    }
    return bytes;
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#checkRange('write', offsetBytes, bytes.length);
    this.#written = true;
    // Whole pages go past the page cache, the rest of the first and last page through it. A page is thus never
    // written both ways at once by neighbouring writes, which could put old bytes back.
    const from = Math.min(bytes.length, (PAGE_BYTES - (offsetBytes % PAGE_BYTES)) % PAGE_BYTES);
    const to = from + Math.floor((bytes.length - from) / PAGE_BYTES) * PAGE_BYTES;
    if (this.#direct === undefined || to - from < DIRECT_BYTES_MIN) {
      return await this.#writeAll(this.#handle, offsetBytes, bytes);
    }
    await this.#writeAll(this.#handle, offsetBytes, bytes.subarray(0, from));
    await this.#writeDirect(this.#direct, offsetBytes + from, bytes.subarray(from, to));
    await this.#writeAll(this.#handle, offsetBytes + to, bytes.subarray(to));
  }

  async #writeDirect(direct: FileHandle, offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#aligned ??= new AlignedBuffers();
    for (let done = 0; done < bytes.length; ) {
      const buffer = await this.#aligned.take();
      try {
        const length = Math.min(buffer.length, bytes.length - done);
        buffer.set(bytes.subarray(done, done + length));
        await this.#writeAll(direct, offsetBytes + done, buffer.subarray(0, length));
        done += length;
      } finally {
        this.#aligned.give(buffer);
      }
    }
  }

  async #writeAll(handle: FileHandle, offsetBytes: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const at = offsetBytes + done;
      try {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at);
        if (bytesWritten === 0) throw new Error('nothing was written');
        done += bytesWritten;
      } catch (cause) {
        if (handle === this.#direct && errnoOf(cause) === 'EINVAL')
          return await this.#writeAll(this.#handle, at, bytes.subarray(done));
        throw writeError(this.path, at, cause);
      }
    }
  }

  async flush(): Promise<void> {
    try {
      await this.#handle.datasync();
    } catch (cause) {
      throw new TdError('io', `Cannot flush "${this.path}": ${errorLine(cause)}; the disk may be failing`, {
        cause,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const direct = this.#direct;
    this.#direct = undefined;
    await direct?.close();
    await this.#handle.close();
    if (this.#written && this.#wholeDisk) await rereadPartitionTable(this.path);
  }
}

function readError(path: string, offsetBytes: number, cause: unknown): TdError {
  const why = errnoOf(cause) === 'EIO' ? 'the disk reports a read error' : errorLine(cause);
  return new TdError(
    'io',
    `Cannot read "${path}" at ${offsetBytes}: ${why}; check its cable and its SMART state, then try again`,
    { cause },
  );
}

function writeError(path: string, offsetBytes: number, cause: unknown): TdError {
  if (errnoOf(cause) === 'ENOSPC') {
    return new TdError('no-space', `Cannot write "${path}" at ${offsetBytes}: no space is left`, { cause });
  }
  const why = errnoOf(cause) === 'EIO' ? 'the disk reports a write error' : errorLine(cause);
  return new TdError(
    'io',
    `Cannot write "${path}" at ${offsetBytes}: ${why}; check its cable and its SMART state`,
    { cause },
  );
}

/**
 * Asks the kernel to read a disk's partition table again. Never throws: the table on the disk is right
 * whatever the running kernel thinks, and drivers without partitions refuse.
 */
export async function rereadPartitionTable(path: string): Promise<boolean> {
  for (const [program, args] of [
    ['blockdev', ['--rereadpt', path]],
    ['partx', ['--update', path]],
  ] as const) {
    const done = await run(program, args, { timeoutMs: 20_000 }).then(
      () => true,
      () => false,
    );
    if (done) return true;
  }
  return false;
}
