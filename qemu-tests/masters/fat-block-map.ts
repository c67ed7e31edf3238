import { type FileHandle, open } from 'node:fs/promises';
import { TdError } from '../../src/lib/errors.ts';

export interface ByteRange {
  /** From the start of the disk. */
  offsetBytes: number;
  sizeBytes: number;
}

/** FAT12 has fewer clusters than this, FAT16 fewer than the next (Microsoft's FAT specification 1.03). */
const FAT16_CLUSTERS_MIN = 4085;
const FAT32_CLUSTERS_MIN = 65_525;

/**
 * The used parts of a FAT16 or FAT32 volume inside a disk file: everything before the first cluster, and
 * each cluster whose table entry is not zero.
 *
 * @throws TdError `invalid` for another kind of volume.
 */
export async function fatUsedRanges(diskPath: string, offsetBytes: number): Promise<ByteRange[]> {
  await using file = await open(diskPath, 'r');
  const boot = await readAt(file, offsetBytes, 512);
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const fatSectors = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const reservedSectors = boot.readUInt16LE(14);
  const rootSectors = Math.ceil((boot.readUInt16LE(17) * 32) / Math.max(1, sectorBytes));
  if (sectorBytes < 512 || clusterSectors === 0 || fatSectors === 0) {
    throw new TdError('invalid', `Cannot read FAT at ${offsetBytes} of "${diskPath}": no boot sector`);
  }
  const firstDataSector = reservedSectors + boot.readUInt8(16) * fatSectors + rootSectors;
  const clusters = Math.floor((sectors - firstDataSector) / clusterSectors);
  if (clusters < FAT16_CLUSTERS_MIN) throw new TdError('invalid', `FAT12 at ${offsetBytes} is not supported`);
  const table = await readAt(file, offsetBytes + reservedSectors * sectorBytes, fatSectors * sectorBytes);
  const isUsed = (cluster: number) =>
    clusters < FAT32_CLUSTERS_MIN
      ? table.readUInt16LE(cluster * 2) !== 0
      : (table.readUInt32LE(cluster * 4) & 0x0fff_ffff) !== 0;
  const ranges: ByteRange[] = [{ offsetBytes, sizeBytes: firstDataSector * sectorBytes }];
  const clusterBytes = clusterSectors * sectorBytes;
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    if (!isUsed(cluster)) continue;
    const at = offsetBytes + firstDataSector * sectorBytes + (cluster - 2) * clusterBytes;
    const last = ranges.at(-1)!;
    if (last.offsetBytes + last.sizeBytes === at) last.sizeBytes += clusterBytes;
    else ranges.push({ offsetBytes: at, sizeBytes: clusterBytes });
  }
  return ranges;
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  if (bytesRead !== length)
    throw new TdError('invalid', `Cannot read ${length} bytes at ${offset}: file ends`);
  return bytes;
}
