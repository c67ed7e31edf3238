import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isDiskController, pciIds, readMachineFacts } from './machine-facts.ts';

let sysDir: string;
beforeEach(async () => {
  sysDir = await mkdtemp(join(tmpdir(), 'td-pci-'));
});
afterEach(() => rm(sysDir, { recursive: true, force: true }));

async function addDevice(address: string, attributes: Record<string, string>): Promise<void> {
  const dir = join(sysDir, 'bus/pci/devices', address);
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(attributes)) await writeFile(join(dir, name), `${text}\n`);
}

test('reads the functions of a computer and leaves out what sysfs does not describe', async () => {
  await addDevice('0000:00:1f.2', {
    vendor: '0x8086',
    device: '0x2922',
    subsystem_vendor: '0x1af4',
    subsystem_device: '0x1100',
    revision: '0x02',
    class: '0x010601',
  });
  await addDevice('0000:00:02.0', { vendor: '0x1234', device: '0x1111', class: '0x030000' });
  await addDevice('0000:00:03.0', { vendor: '0x1af4', device: 'garbage', class: '0x010000' });
  await addDevice('0000:00:04.0', { vendor: '0x123456789', device: '0x1', class: '0x010000' });

  const { macs, pciDevices } = await readMachineFacts({ macs: ['52:54:00:12:34:56'], sysDir });

  expect(macs).toEqual(['52:54:00:12:34:56']);
  expect(pciDevices.map(({ address }) => address)).toEqual(['0000:00:02.0', '0000:00:1f.2']);
  expect(pciDevices.map(isDiskController)).toEqual([false, true]);
  expect(pciDevices[0]).toMatchObject({ subsystem: 0, subsystemVendor: 0, revision: 0 });
});

test('a computer without PCI has no devices', async () => {
  expect((await readMachineFacts({ macs: [], sysDir })).pciDevices).toEqual([]);
});

test('knows what drives a disk, through bridges, and nothing of a disk that hangs on no device', async () => {
  const port = join(sysDir, 'devices/pci0000:00/0000:00:02.0');
  const scsi = join(port, '0000:01:00.0/virtio1/host0/target0:0:0/0:0:0:0');
  await mkdir(join(scsi, 'block/sda'), { recursive: true });
  await mkdir(join(sysDir, 'devices/virtual/block/loop0'), { recursive: true });
  await mkdir(join(sysDir, 'class/block'), { recursive: true });
  const driver = async (dir: string, name: string, module?: string) => {
    const own = join(sysDir, 'bus/drivers', name);
    await mkdir(own, { recursive: true });
    await symlink(own, join(dir, 'driver'));
    if (module !== undefined) await symlink(join(sysDir, 'module', module), join(own, 'module'));
  };
  await driver(scsi, 'sd', 'sd_mod');
  await driver(join(port, '0000:01:00.0/virtio1'), 'virtio_scsi', 'virtio_scsi');
  await driver(join(port, '0000:01:00.0'), 'virtio-pci');
  await writeFile(join(port, '0000:01:00.0/class'), '0x010000\n');
  await driver(port, 'pcieport');
  await writeFile(join(port, 'class'), '0x060400\n');
  await symlink(join(scsi, 'block/sda'), join(sysDir, 'class/block/sda'));
  await symlink(join(sysDir, 'devices/virtual/block/loop0'), join(sysDir, 'class/block/loop0'));
  const modulesOf = async (diskName: string) =>
    (await readMachineFacts({ macs: [], diskName, sysDir })).diskModules;

  expect(await modulesOf('sda')).toEqual(['sd_mod', 'virtio_pci', 'virtio_scsi']);
  expect(await modulesOf('loop0')).toEqual([]);
  expect(await modulesOf('none')).toEqual([]);
  expect((await readMachineFacts({ macs: [], sysDir })).diskModules).toBeUndefined();
});

test('names a device as Windows does, the closest name first', () => {
  const ids = pciIds({
    address: '0000:00:1f.2',
    vendor: 0x8086,
    device: 0x2922,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    revision: 2,
    classCode: 0x010601,
  });
  expect(ids.slice(0, 2)).toEqual([
    'PCI\\VEN_8086&DEV_2922&SUBSYS_11001AF4&REV_02',
    'PCI\\VEN_8086&DEV_2922&SUBSYS_11001AF4',
  ]);
  expect(ids.indexOf('PCI\\VEN_8086&DEV_2922')).toBeLessThan(ids.indexOf('PCI\\VEN_8086&CC_0106'));
  expect(ids.slice(-2)).toEqual(['PCI\\CC_010601', 'PCI\\CC_0106']);
});
