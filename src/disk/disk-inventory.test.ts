import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineDiskSchema } from '../schema/machine.ts';
import { compareNames, listDisks } from './disk-inventory.ts';

let sysRoot = '';
beforeEach(async () => {
  sysRoot = await mkdtemp(join(tmpdir(), 'td-sys-'));
  await mkdir(join(sysRoot, 'block'));
});
afterEach(async () => {
  await rm(sysRoot, { recursive: true, force: true });
});

/** A disk in a made-up sysfs: its device folder, and the link in /sys/block. */
async function addDisk(
  name: string,
  devicePath: string,
  files: Record<string, string | Buffer>,
): Promise<void> {
  const folder = join(sysRoot, 'devices', devicePath, 'block', name);
  await mkdir(folder, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  }
  await symlink(folder, join(sysRoot, 'block', name));
}

async function list(options: { bootMedium?: string; mountedDisks?: string[] } = {}) {
  const bootMediumPath = join(sysRoot, 'boot-medium');
  if (options.bootMedium !== undefined) await writeFile(bootMediumPath, `${options.bootMedium}\n`);
  const disks = await listDisks({ sysRoot, bootMediumPath, mountedDisks: options.mountedDisks ?? [] });
  for (const disk of disks) expect(machineDiskSchema.parse(disk)).toEqual(disk);
  return disks;
}

describe('listDisks', () => {
  it('reads an ATA disk', async () => {
    await addDisk('sda', 'pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0', {
      size: '976773168\n',
      'queue/logical_block_size': '512\n',
      'queue/physical_block_size': '4096\n',
      'queue/rotational': '1\n',
      removable: '0\n',
      ro: '0\n',
      'device/vendor': 'ATA     \n',
      'device/model': 'WDC WD5000AAKX-0\n',
      'device/vpd_pg80': Buffer.from('\0\x80\0\x14     WD-WCAYU1234567', 'latin1'),
      'device/wwid': 'naa.50014ee0ad7f3c21\n',
    });
    expect(await list()).toEqual([
      {
        name: 'sda',
        sizeBytes: 500_107_862_016,
        logicalSectorBytes: 512,
        physicalSectorBytes: 4096,
        model: 'WDC WD5000AAKX-0',
        serial: 'WD-WCAYU1234567',
        wwn: 'naa.50014ee0ad7f3c21',
        bus: 'ata',
        rotational: true,
        removable: false,
        readOnly: false,
        bootMedium: false,
      },
    ]);
  });

  it('reads NVMe, virtio, USB and eMMC disks', async () => {
    await addDisk('nvme0n1', 'pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1', {
      size: '2000',
      'queue/logical_block_size': '4096',
      'queue/physical_block_size': '4096',
      'device/model': 'Samsung SSD 980 PRO 1TB                 ',
      'device/serial': 'S5GXNX0T123456 ',
      wwid: 'eui.002538b111b12345',
    });
    await addDisk('vda', 'pci0000:00/0000:00:05.0/virtio2', {
      size: '2000',
      serial: 'disk-one',
      'device/vendor': '0x1af4',
    });
    await addDisk('sdb', 'pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0', {
      size: '2000',
      removable: '0',
      ro: '1',
      'device/vendor': 'SanDisk',
      'device/model': 'Ultra Fit',
    });
    await addDisk('mmcblk0', 'platform/80860F14:00/mmc_host/mmc0/mmc0:0001', {
      size: '2000',
      'device/name': 'DF4064',
    });
    await addDisk('mmcblk0boot0', 'platform/80860F14:00/mmc_host/mmc0/mmc0:0001', { size: '2000' });
    const brief = (await list()).map((disk) => [
      disk.name,
      disk.bus,
      disk.model,
      disk.serial,
      disk.removable,
      disk.readOnly,
    ]);
    expect(brief).toEqual([
      ['mmcblk0', 'mmc', 'DF4064', '', false, false],
      ['nvme0n1', 'nvme', 'Samsung SSD 980 PRO 1TB', 'S5GXNX0T123456', false, false],
      ['sdb', 'usb', 'SanDisk Ultra Fit', '', true, true],
      ['vda', 'virtio', '', 'disk-one', false, false],
    ]);
  });

  it('knows the serial number a stick has as a USB device, not that of the hub before it', async () => {
    const stick = 'pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/host6/target6:0:0/6:0:0:0';
    await addDisk('sdb', stick, { size: '2000' });
    const usb = join(sysRoot, 'devices/pci0000:00/0000:00:14.0/usb2/2-1');
    await writeFile(join(usb, 'serial'), 'HUB');
    await writeFile(join(usb, '2-1.4/serial'), '4C530001230\n');
    expect((await list()).map((disk) => disk.serial)).toEqual(['4C530001230']);
  });

  it('leaves out what is no disk, and readers without a medium', async () => {
    for (const name of ['loop0', 'ram1', 'zram0', 'sr0', 'fd0', 'dm-1', 'md127', 'nbd3']) {
      await addDisk(name, `virtual/${name}`, { size: '2000' });
    }
    await addDisk('sdf', 'usb1/host9', { size: '0' });
    expect(await list()).toEqual([]);
  });

  it('marks the boot medium and every mounted disk', async () => {
    for (const name of ['sda', 'sdb', 'sdc']) await addDisk(name, `ata1/${name}`, { size: '2000' });
    const disks = await list({ bootMedium: 'sdb', mountedDisks: ['sdc'] });
    expect(disks.map((disk) => [disk.name, disk.bootMedium])).toEqual([
      ['sda', false],
      ['sdb', true],
      ['sdc', true],
    ]);
  });

  it('orders names as the kernel gives them', () => {
    const names = ['sdaa', 'sdb', 'nvme10n1', 'sda', 'nvme2n1', 'vdb', 'sdz', 'vda', 'mmcblk1', 'mmcblk0'];
    expect(names.sort(compareNames)).toEqual([
      'mmcblk0',
      'mmcblk1',
      'nvme2n1',
      'nvme10n1',
      'sda',
      'sdb',
      'sdz',
      'sdaa',
      'vda',
      'vdb',
    ]);
  });
});
