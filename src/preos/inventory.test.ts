import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readInterfaces } from './interfaces.ts';
import { cleanText, parseCpu, parseMemory, readMachine, usableUuid } from './inventory.ts';
import { parseSite, readSite } from './site-file.ts';

let dir: string;
const file = async (path: string, contents: string | Buffer) => {
  await mkdir(dirname(join(dir, path)), { recursive: true });
  await writeFile(join(dir, path), contents);
};

async function addCard(name: string, changes: Record<string, string> = {}): Promise<void> {
  const attributes = {
    type: '1',
    address: '52:54:00:12:34:56',
    flags: '0x1003',
    carrier: '1',
    speed: '1000',
    mtu: '9000',
    uevent: `INTERFACE=${name}`,
    ...changes,
  };
  for (const [key, value] of Object.entries(attributes))
    await file(`sys/class/net/${name}/${key}`, `${value}\n`);
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-inventory-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('readInterfaces', () => {
  it('lists Ethernet cards and VLANs only, with driver and link', async () => {
    await addCard('eth1', { flags: '0x1002', carrier: '', speed: '-1' });
    await addCard('eth0');
    await mkdir(join(dir, 'sys/class/net/eth0/device'), { recursive: true });
    await symlink('../../../../bus/pci/drivers/e1000e', join(dir, 'sys/class/net/eth0/device/driver'));
    await addCard('eth0.12', { uevent: 'DEVTYPE=vlan' });
    await addCard('br0', { uevent: 'DEVTYPE=bridge' });
    await addCard('wlan0', { uevent: 'DEVTYPE=wlan' });
    await addCard('lo', { type: '772', address: '00:00:00:00:00:00' });
    const found = await readInterfaces(join(dir, 'sys'));
    expect(found).toMatchObject([
      { name: 'eth0', driver: 'e1000e', kind: 'card', up: true, link: true, speedMbit: 1000, mtuBytes: 9000 },
      { name: 'eth0.12', kind: 'vlan' },
      { name: 'eth1', driver: '', up: false, link: false, speedMbit: 0 },
    ]);
  });

  it('finds nothing where there is nothing', async () => {
    expect(await readInterfaces(join(dir, 'none'))).toEqual([]);
  });
});

describe('readMachine', () => {
  it('describes a UEFI computer with Secure Boot', async () => {
    await file('sys/class/dmi/id/product_uuid', 'ABCDEF01-2345-6789-ABCD-EF0123456789\n');
    await file('sys/class/dmi/id/sys_vendor', '  ACME\x01 Inc \n');
    await file('sys/class/dmi/id/product_name', 'Box\n');
    await file('sys/class/dmi/id/product_serial', 'S\n');
    const variable = 'SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
    await file(`sys/firmware/efi/efivars/${variable}`, Buffer.from([6, 0, 0, 0, 1]));
    await file('proc/meminfo', 'MemTotal:        1015000 kB\nMemFree: 1 kB\n');
    await file(
      'proc/cpuinfo',
      'processor\t: 0\nmodel name\t: Fast CPU\n\nprocessor\t: 1\nmodel name\t: Fast CPU\n',
    );
    await addCard('tdtest0');
    const machine = await readMachine({ disks: [], sysDir: join(dir, 'sys'), procDir: join(dir, 'proc') });
    expect(machine).toMatchObject({
      uuid: 'abcdef01-2345-6789-abcd-ef0123456789',
      vendor: 'ACME  Inc',
      model: 'Box',
      serial: 'S',
      firmware: 'uefi',
      secureBoot: true,
      memoryBytes: 1015000 * 1024,
      cpu: 'Fast CPU',
      cpuCount: 2,
      nics: [
        {
          name: 'tdtest0',
          mac: '52:54:00:12:34:56',
          link: true,
          speedMbit: 1000,
          mtuBytes: 9000,
          addresses: [],
        },
      ],
    });
  });

  it('describes a computer that says nothing of itself', async () => {
    const machine = await readMachine({ disks: [], sysDir: dir, procDir: dir });
    expect(machine).toMatchObject({
      uuid: '',
      firmware: 'bios',
      secureBoot: false,
      memoryBytes: 0,
      cpuCount: 1,
    });
  });

  it('takes no placeholder for a UUID', () => {
    expect(usableUuid('03000200-0400-0500-0006-000700080009')).toBe('');
    expect(usableUuid('FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF')).toBe('');
    expect(usableUuid('Not Specified')).toBe('');
  });

  it('survives odd texts', () => {
    expect(cleanText('a\n\x7fb'.repeat(200))).toHaveLength(256);
    expect(parseMemory('MemTotal: many kB')).toBe(0);
    expect(parseCpu('')).toEqual({ model: '', count: 1 });
  });
});

describe('the site file', () => {
  const site = {
    version: 1,
    console: 'lab:5001',
    certificateSha256: 'a'.repeat(64),
    siteKey: 'b'.repeat(64),
  };

  it('is read when it is there', async () => {
    expect(await readSite(join(dir, 'site.json'))).toBeUndefined();
    await file('site.json', JSON.stringify(site));
    expect(await readSite(join(dir, 'site.json'))).toEqual(site);
  });

  it.each([
    ['', 'no JSON'],
    ['{', 'no JSON'],
    ['[]', 'contents'],
    [JSON.stringify({ ...site, siteKey: 'short' }), 'siteKey'],
    [JSON.stringify({ ...site, extra: 1 }), 'contents'],
    [' '.repeat(70_000), 'no JSON'],
  ])('is refused, without showing the key (case %#)', (text, reason) => {
    expect(() => parseSite(text, 'site.json')).toThrow(reason);
    expect(() => parseSite(text, 'site.json')).not.toThrow('short');
  });
});
