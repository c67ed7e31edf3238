import type { ImageReader } from '../image/image-reader.ts';
import type { DiskLayout, FilesystemKind, Partition } from '../schema/disk-layout.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import type { ImageDetails } from './console-api.ts';

/** Types that only help to start the system: EFI system partition and BIOS boot of GPT, EFI of MBR. */
const BOOT_TYPES: readonly string[] = [
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  '21686148-6449-6E6F-744E-656564454649',
  'ef',
];
/** Windows' recovery environment, GPT and MBR. */
const RECOVERY_TYPES: readonly string[] = ['DE94BBA4-06D1-4D40-A16A-BFD50179D6AC', '27'];
const LINUX_KINDS: readonly FilesystemKind[] = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs'];
/** What can hide a system's files: nobody can tell from outside what belongs together. */
const OPAQUE_KINDS: readonly FilesystemKind[] = ['lvm2', 'luks', 'ldm', 'bitlocker'];

/** What the pages say of an image. @param name as it was asked for. */
export function imageDetails(
  reader: Pick<ImageReader, 'manifest' | 'path' | 'warnings'>,
  name: string,
): ImageDetails {
  const { manifest, path } = reader;
  return {
    name,
    path,
    comment: manifest.comment,
    createdAt: manifest.createdAt,
    // Encrypted ones cannot be opened by this version.
    encrypted: false,
    usedBytes: manifest.usedBytes,
    storedBytes: manifest.storedBytes,
    firmware: manifest.source.firmware,
    disks: manifest.disks,
    suggestedPartitions: manifest.disks.map(suggestedPartitions),
    partitionUsedBytes: partitionUsedBytes(manifest),
    flaws: [...reader.warnings, ...manifest.flaws],
  };
}

function partitionUsedBytes({ disks, parts }: ImageManifest): (number | null)[][] {
  const used = new Map(parts.map((part) => [`${part.disk}.${part.partition}`, part.usedBytes]));
  return disks.map(({ partitions }, disk) =>
    partitions.map(({ number }) => used.get(`${disk}.${number}`) ?? null),
  );
}

/** The system partition and what starts it; every partition where that cannot be told for sure. */
export function suggestedPartitions({ partitions, table }: DiskLayout): number[] {
  const all = partitions.map((one) => one.number);
  const systems = systemPartitions(partitions);
  if (systems.length === 0 || partitions.some((one) => OPAQUE_KINDS.includes(one.filesystem.kind)))
    return all;
  const isActive = (one: Partition) => table === 'mbr' && one.attributes === '80';
  return partitions
    .filter((one) => systems.includes(one) || isActive(one) || BOOT_TYPES.includes(one.typeId))
    .map((one) => one.number);
}

/** Windows: the biggest NTFS and its loader's. Linux: its only file system, and swap, which it would wait for. */
function systemPartitions(partitions: readonly Partition[]): Partition[] {
  const linux = partitions.filter((one) => LINUX_KINDS.includes(one.filesystem.kind));
  const ntfs = partitions.filter(
    (one) => one.filesystem.kind === 'ntfs' && !RECOVERY_TYPES.includes(one.typeId),
  );
  const [biggest] = ntfs.toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  if (linux.length === 0 && biggest !== undefined) {
    return [biggest, ...ntfs.filter((one) => /^system reserved$/i.test(one.filesystem.label))];
  }
  if (linux.length !== 1 || biggest !== undefined) return [];
  return [...linux, ...partitions.filter((one) => one.filesystem.kind === 'swap')];
}
