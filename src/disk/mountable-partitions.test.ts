import { expect, it } from 'vitest';
import type { DiskLayout } from '../schema/disk-layout.ts';
import type { MachineDisk } from '../schema/machine.ts';
import { describePartition, mountablePartitions } from './mountable-partitions.ts';

function layoutOf(...kinds: string[]): DiskLayout {
  const partitions = kinds.map((kind, i) => ({
    number: i + 1,
    sizeBytes: 1000 + i,
    filesystem: { kind, label: `L${i + 1}` },
  }));
  return { partitions } as unknown as DiskLayout;
}

it('names those partitions that files can be kept on by their devices', () => {
  const nvme = { name: 'nvme0n1', model: '', bus: 'nvme' } as MachineDisk;
  expect(mountablePartitions(nvme, layoutOf('swap', 'ntfs'))).toEqual([
    { device: '/dev/nvme0n1p2', kind: 'ntfs', label: 'L2', sizeBytes: 1001, disk: 'nvme' },
  ]);
  const raid = { name: 'cciss!c0d0', model: 'Logical Volume', bus: 'scsi' } as MachineDisk;
  expect(mountablePartitions(raid, layoutOf('ext4'))[0]).toMatchObject({
    device: '/dev/cciss/c0d0p1',
    disk: 'Logical Volume',
  });
  expect(mountablePartitions(nvme, layoutOf('ntfs')).map(describePartition)).toEqual([
    'L1, ntfs, 1.0 kB, on nvme',
  ]);
  const usb = { name: 'sdb', model: 'Stick', bus: 'usb' } as MachineDisk;
  expect(mountablePartitions(usb, layoutOf('fat32', 'none')).map((one) => one.device)).toEqual(['/dev/sdb1']);
});
