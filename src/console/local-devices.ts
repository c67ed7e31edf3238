import { openBlockDevice } from '../disk/block-device.ts';
import { listDisks } from '../disk/disk-inventory.ts';
import { type MountablePartition, mountablePartitions } from '../disk/mountable-partitions.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import type { MachineDisk } from '../schema/machine.ts';

/** Partitions of this computer that can become a place for images; USB disks first, mounted ones never. */
export async function listLocalDevices(
  disks: () => Promise<MachineDisk[]> = listDisks,
): Promise<MountablePartition[]> {
  const free = (await disks()).filter((disk) => !disk.bootMedium);
  free.sort((a, b) => Number(b.bus === 'usb') - Number(a.bus === 'usb'));
  const found: MountablePartition[] = [];
  for (const disk of free) {
    // One that cannot be read, such as an empty card reader, has nothing to offer.
    found.push(...(await partitionsOf(disk).catch(() => [])));
  }
  return found;
}

async function partitionsOf(disk: MachineDisk): Promise<MountablePartition[]> {
  await using device = await openBlockDevice(`/dev/${disk.name.replaceAll('!', '/')}`);
  return mountablePartitions(disk, await readDiskLayout(device));
}
