import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf, TdError } from '../../lib/errors.ts';
import { checkIsClosed } from './ntfs-acl-clean.ts';
import { replaceInRecords } from './ntfs-acl-files.ts';
import { readSecurity, replaceInSecurity, securityWrites } from './ntfs-acl-secure.ts';
import { NtfsVolume, type VolumeWrite } from './ntfs-acl-volume.ts';
import type { SidChange } from './sid.ts';
import { holdsSid, type SidPattern, sidPatterns } from './sid-patterns.ts';

/** What became of the permissions of one volume. */
export interface VolumeAcls {
  /** Different descriptors on the volume, and those of them that held the old SID. */
  descriptors: number;
  changedDescriptors: number;
  /** Files and folders whose permissions or owner are other ones now. */
  changedFiles: number;
}

/**
 * Gives all permissions of an NTFS volume another machine SID. The volume stores each different descriptor once, so
 * they are rewritten where they lie: nothing changes its size, and the time does not depend on the number of files.
 *
 * @param device a partition or an image of one, mounted nowhere.
 * @throws TdError `refused` when it is mounted or was not closed; `invalid` when its metadata makes no sense;
 *   `damaged` when it did not read back as written, after which everything is again as it was.
 * @see https://flatcap.github.io/linux-ntfs/ntfs/files/secure.html
 */
export async function changeSidOfVolume(
  device: string,
  change: SidChange,
  options: { signal?: AbortSignal } = {},
): Promise<VolumeAcls> {
  await using handle = await openAlone(device);
  const patterns = sidPatterns(change);
  const volume = await NtfsVolume.open(handle);
  await checkIsClosed(volume);
  const security = await readSecurity(volume);
  const changedIds = replaceInSecurity(security, patterns);
  const files = await replaceInRecords(volume, { changedIds, patterns, ...options });
  const writes = [...securityWrites(volume, security), ...files.writes];
  options.signal?.throwIfAborted();
  await writeAll(handle, writes, () => checkNothingLeft(handle, patterns));
  return {
    descriptors: security.entries.length,
    changedDescriptors: changedIds.size,
    changedFiles: files.changedFiles,
  };
}

/** Exclusive, so that it fails while the volume is mounted and nobody mounts it meanwhile. */
async function openAlone(device: string): Promise<FileHandle> {
  try {
    return await open(device, constants.O_RDWR | constants.O_EXCL);
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw error;
    throw new TdError('refused', `Cannot change the permissions on "${device}": it is mounted`, {
      cause: error,
    });
  }
}

/** Reads everything anew: the metadata must be sound and the old SID nowhere in it. */
async function checkNothingLeft(handle: FileHandle, patterns: readonly SidPattern[]): Promise<void> {
  const security = await readSecurity(await NtfsVolume.open(handle));
  for (const { descriptor, id } of security.entries) {
    if (holdsSid(descriptor, patterns))
      throw new TdError('damaged', `Descriptor ${id} still holds the old SID`);
  }
}

/** Writes all, or brings back what was there before. */
async function writeAll(
  handle: FileHandle,
  writes: readonly VolumeWrite[],
  check: () => Promise<void>,
): Promise<void> {
  const before: VolumeWrite[] = [];
  for (const { offsetBytes, bytes } of writes) {
    const old = Buffer.alloc(bytes.length);
    await handle.read(old, 0, old.length, offsetBytes);
    before.unshift({ offsetBytes, bytes: old });
  }
  try {
    await put(handle, writes);
    for (const { offsetBytes, bytes } of writes) {
      const written = Buffer.alloc(bytes.length);
      await handle.read(written, 0, written.length, offsetBytes);
      if (!written.equals(bytes))
        throw new TdError('damaged', `Bytes at ${offsetBytes} are not what was written`);
    }
    await check();
  } catch (cause) {
    await put(handle, before);
    const { message } = cause as Error;
    throw new TdError(
      'damaged',
      `Cannot change the permissions of the volume: ${message}; they are as before`,
      { cause },
    );
  }
}

async function put(handle: FileHandle, writes: readonly VolumeWrite[]): Promise<void> {
  for (const { offsetBytes, bytes } of writes) {
    const { bytesWritten } = await handle.write(bytes, 0, bytes.length, offsetBytes);
    if (bytesWritten !== bytes.length)
      throw new TdError('io', `Cannot write at ${offsetBytes} of the volume`);
  }
  await handle.sync();
}
