import type { ConsoleMessage } from '../control/messages.ts';
import type { ImageReader } from '../image/image-reader.ts';
import { usedExtent } from '../image/restore.ts';
import { TdError } from '../lib/errors.ts';

/** The backup GPT: 128 entries of 128 bytes and one header (UEFI 2.10, section 5.3). */
const GPT_BACKUP_ENTRY_BYTES = 128 * 128;

/**
 * What every target is asked before any byte is written.
 *
 * @throws TdError `refused` when the image holds several disks, which one target disk cannot take.
 */
export function preflightMessage(
  image: Pick<ImageReader, 'index' | 'manifest'>,
  options: { jobId: string; diskRule: string },
): Extract<ConsoleMessage, { type: 'preflight' }> {
  const [disk, ...others] = image.manifest.disks;
  if (disk === undefined || others.length > 0) {
    throw new TdError(
      'refused',
      `Cannot deploy image "${image.manifest.name}": it holds ${image.manifest.disks.length} disks, one is supported`,
    );
  }
  const partitionsEnd = Math.max(0, ...disk.partitions.map((one) => one.startBytes + one.sizeBytes));
  const endBytes = Math.max(partitionsEnd, usedExtent(image, 0).endBytes);
  const backupBytes = disk.table === 'gpt' ? GPT_BACKUP_ENTRY_BYTES + disk.logicalSectorBytes : 0;
  return {
    type: 'preflight',
    ...options,
    // Never more than the master itself had: a table may end early on odd disks.
    sizeBytesMin: Math.min(endBytes + backupBytes, Math.max(disk.sizeBytes, endBytes)),
    logicalSectorBytes: disk.logicalSectorBytes,
    table: disk.table,
    firmware: image.manifest.source.firmware,
  };
}
