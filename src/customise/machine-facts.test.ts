import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
