import type { ConsoleMessage } from '../control/messages.ts';
import type { ImageReader } from '../image/image-reader.ts';
import { usedExtent } from '../image/restore.ts';
import { TdError } from '../lib/errors.ts';
import { diskNumber } from '../schema/image-manifest.ts';

/** The backup GPT: 128 entries of 128 bytes and one header (UEFI 2.10, section 5.3). */
const GPT_BACKUP_ENTRY_BYTES = 128 * 128;

/** What a disk must be to take one disk of an image: of pre-flight and of offers. */
export type DiskNeeds = Omit<Extract<ConsoleMessage, { type: 'preflight' }>, 'type' | 'jobId'>;

export interface DiskWish {
  diskRule: string;
  /** Which of the image's disks, from 0. */
  disk: number;
  partitions: 'all' | readonly number[];
}

/**
 * What every target is asked before any byte is written. The size is that of the whole table whatever partitions are
 * chosen: no table may name a partition that reaches beyond its disk.
 *
 * @throws TdError `refused` when the image has no such disk or partition.
 */
export function diskNeeds(image: Pick<ImageReader, 'index' | 'manifest'>, wish: DiskWish): DiskNeeds {
  const { name, disks, source } = image.manifest;
  const disk = disks[wish.disk];
  if (disk === undefined) {
    throw new TdError(
      'refused',
      `Cannot deploy disk ${diskNumber(wish.disk)} of image "${name}": it holds ${disks.length}`,
    );
  }
  checkPartitions(wish, disk.partitions, name);
  const partitionsEnd = Math.max(0, ...disk.partitions.map((one) => one.startBytes + one.sizeBytes));
  const endBytes = Math.max(partitionsEnd, usedExtent(image, wish.disk).endBytes);
  const backupBytes = disk.table === 'gpt' ? GPT_BACKUP_ENTRY_BYTES + disk.logicalSectorBytes : 0;
  return {
    diskRule: wish.diskRule,
    // Never more than the master itself had: a table may end early on odd disks.
    sizeBytesMin: Math.min(endBytes + backupBytes, Math.max(disk.sizeBytes, endBytes)),
    logicalSectorBytes: disk.logicalSectorBytes,
    table: disk.table,
    firmware: source.firmware,
  };
}

function checkPartitions(wish: DiskWish, there: readonly { number: number }[], name: string): void {
  if (wish.partitions === 'all') return;
  const numbers = there.map((one) => one.number);
  const unknown = wish.partitions.find((number) => !numbers.includes(number));
  if (unknown === undefined) return;
  throw new TdError(
    'refused',
    `Cannot deploy partition ${unknown} of disk ${diskNumber(wish.disk)} of image "${name}": it has ${numbers.join(', ') || 'none'}`,
  );
}
