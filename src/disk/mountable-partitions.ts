import { formatBytes } from '../lib/progress.ts';
import type { DiskLayout, Filesystem } from '../schema/disk-layout.ts';
import type { MachineDisk } from '../schema/machine.ts';

const MOUNTABLE: readonly string[] = [
  'ext2',
  'ext3',
  'ext4',
  'ntfs',
  'fat32',
  'exfat',
  'xfs',
  'btrfs',
  'f2fs',
];

/** A partition that files can be kept on. */
export interface MountablePartition {
  /** E.g. `/dev/sdb1`. */
  device: string;
  kind: Filesystem['kind'];
  label: string;
  sizeBytes: number;
  /** What the disk calls itself, or its bus. */
  disk: string;
}

/** Those partitions of a disk that can be mounted as places for files. */
export function mountablePartitions(
  { name, model, bus }: MachineDisk,
  layout: Pick<DiskLayout, 'partitions'>,
): MountablePartition[] {
  const separator = /\d$/.test(name) ? 'p' : '';
  return layout.partitions
    .filter(({ filesystem }) => MOUNTABLE.includes(filesystem.kind))
    .map(({ number, sizeBytes, filesystem: { kind, label } }) => ({
      device: `/dev/${name.replaceAll('!', '/')}${separator}${number}`,
      ...{ kind, label, sizeBytes, disk: model || bus },
    }));
}

/** What people know a partition by, such as `IMAGES, ext4, 500 GB, on WD Elements`. */
export function describePartition({ label, kind, sizeBytes, disk }: MountablePartition): string {
  return [label, kind, formatBytes(sizeBytes), `on ${disk}`].filter((fact) => fact !== '').join(', ');
}
