import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Customisation, FileSet } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import type { OpenFile } from '../file-source.ts';
import type { PciDevice } from '../machine-facts.ts';
import { driverEdits } from './driver-edits.ts';
import type { FirstStart } from './first-start.ts';
import { offer, sampleDriver, sampleInf } from './testdata/drivers/driver-samples.ts';
import { openPhonyWindows, type PhonyRelease, type PhonyWindows } from './testdata/phony-windows.ts';
import { windowsEdits } from './windows-edits.ts';

const PCI = { address: '0000:00:04.0', revision: 0, subsystem: 0, subsystemVendor: 0 };
const VIRTIO: PciDevice = {
  ...PCI,
  vendor: 0x1af4,
  device: 0x1001,
  subsystem: 2,
  subsystemVendor: 0x1af4,
  classCode: 0x010000,
};
const VIRTIO_MODERN: PciDevice = { ...VIRTIO, device: 0x1042, subsystem: 0x1100, revision: 1 };
const INTEL_AHCI: PciDevice = { ...PCI, vendor: 0x8086, device: 0x2922, classCode: 0x010601 };
const INTEL_RAID: PciDevice = { ...PCI, vendor: 0x8086, device: 0x2822, classCode: 0x010400 };
const DISPLAY: PciDevice = { ...PCI, vendor: 0x1234, device: 0x1111, classCode: 0x030000 };

const VIRTIO_SET = {
  'w10/amd64/viostor.inf': sampleInf('viostor-like'),
  'w10/amd64/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [10, 0], content: 'for 10' }),
  'w10/amd64/pvblock.cat': Buffer.from('catalogue'),
  'w7/amd64/viostor.inf': sampleInf('viostor-like'),
  'w7/amd64/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [6, 1], content: 'for 7' }),
  'w10/NetKVM/netkvm.inf': sampleInf('netkvm-like'),
};
const INTEL_SET = {
  'exstor.inf': sampleInf('iastorv-like'),
  'exstor.sys': sampleDriver({ architecture: 'x86', builtFor: [5, 1] }),
  'exfilter.sys': sampleDriver({ architecture: 'x86', builtFor: [5, 1] }),
};

interface Offered {
  set: FileSet;
  openFile: OpenFile;
}

async function customise(
  release: PhonyRelease,
  offered: Offered,
  pciDevices: PciDevice[],
): Promise<{ phony: PhonyWindows; firstStart: Pick<FirstStart, 'driverFolders'>; results: string[] }> {
  const phony = await openPhonyWindows({ release, openFile: offered.openFile });
  const firstStart = { driverFolders: [] };
  const edits = driverEdits({ drivers: [offered.set] }, { pciDevices }, { firstStart });
  const results = await applyEdits(edits, phony.windows);
  return {
    phony,
    firstStart,
    results: results.map(({ text, result, reason }) => `${result}: ${text}${reason && ` (${reason})`}`),
  };
}

const hexOf = async (phony: PhonyWindows, key: string, name: string) =>
  (await phony.windows.hives.open('SYSTEM')).key(key)?.value(name)?.data.toString('hex');

describe('on Windows 10', () => {
  test('a driver is bound in the driver database, with its service, file and package', async () => {
    const { phony, firstStart, results } = await customise('10', offer('virtio', VIRTIO_SET), [
      DISPLAY,
      VIRTIO,
    ]);
    await using _ = phony;

    expect(results).toEqual([
      `done: Add a driver of "virtio" for this computer's SCSI controller PCI\\VEN_1AF4&DEV_1001`,
    ]);
    expect(firstStart.driverFolders).toEqual(['%SystemRoot%\\TotalDeployDrivers\\1']);
    const read = (path: string) => phony.read('SYSTEM', path);
    const service = 'ControlSet001\\Services\\pvblock';
    expect(await read(`${service}!Type`)).toBe(1);
    expect(await read(`${service}!Start`)).toBe(0);
    expect(await read(`${service}!ErrorControl`)).toBe(1);
    expect(await read(`${service}!Group`)).toBe('SCSI miniport');
    expect(await read(`${service}!ImagePath`)).toBe('System32\\drivers\\pvblock.sys');
    expect(await read(`${service}\\Parameters\\PnpInterface!5`)).toBe(1);
    expect(await read(`${service}\\Parameters!BusType`)).toBe(1);

    const database = (await phony.windows.hives.open('SYSTEM')).key('DriverDatabase');
    const [inf = ''] =
      database
        ?.subkey('DriverInfFiles')
        ?.subkeys()
        .map(({ name }) => name)
        .filter((name) => name.startsWith('totaldeploy')) ?? [];
    expect(inf).toMatch(/^totaldeploy-viostor-[0-9a-f]{8}\.inf$/);
    const label = await read(`DriverDatabase\\DriverInfFiles\\${inf}!Active`);
    expect(label).toMatch(new RegExp(`^${inf}_amd64_[0-9a-f]{16}$`));
    expect(await read(`DriverDatabase\\DriverInfFiles\\${inf}!`)).toEqual([label]);
    expect(await read(`DriverDatabase\\DriverInfFiles\\${inf}!Configurations`)).toEqual(['pv_inst']);
    const id = 'PCI\\VEN_1AF4&DEV_1001';
    expect(await hexOf(phony, `DriverDatabase\\DeviceIds\\${id}&SUBSYS_00021AF4&REV_00`, inf)).toBe(
      '01ff0000',
    );
    expect(await hexOf(phony, `DriverDatabase\\DeviceIds\\${id}`, inf)).toBe('02ff0000');
    expect(database?.subkey('DeviceIds\\PCI\\VEN_1AF4&DEV_1042')).toBeUndefined();
    const pack = `DriverDatabase\\DriverPackages\\${label}`;
    expect(await read(`${pack}\\Descriptors\\${id}!Configuration`)).toBe('pv_inst');
    expect(await read(`${pack}\\Configurations\\pv_inst!Service`)).toBe('pvblock');
    expect(await read(`${pack}\\Configurations\\pv_inst!ConfigFlags`)).toBe(0);
    const interrupts = `${pack}\\Configurations\\pv_inst\\Device\\Interrupt Management`;
    expect(await read(`${interrupts}\\MessageSignaledInterruptProperties!MSISupported`)).toBe(1);
    // Architecture 9, the class, 2021-07-14, 100.85.104.20700.
    expect(await hexOf(phony, pack, 'Version')).toBe(
      '00ff0900000000007be9364d25e3ce11bfc108002be10318000059304378d701dc50680055006400'.padEnd(96, '0'),
    );

    const file = (path: string) => readFile(join(phony.dir, 'Windows', path), 'latin1');
    expect(await file('System32/drivers/pvblock.sys')).toContain('for 10');
    expect(await file('TotalDeployDrivers/1/viostor.inf')).toContain('pv_inst');
    expect(await file('TotalDeployDrivers/1/pvblock.cat')).toBe('catalogue');
    expect(await phony.read('SOFTWARE', 'Microsoft\\Windows\\CurrentVersion!DevicePath')).toBe(
      '%SystemRoot%\\inf;%SystemRoot%\\TotalDeployDrivers\\1',
    );
  });

  test('two controllers of one package share it; what no driver fits is said', async () => {
    const { phony, firstStart, results } = await customise('10', offer('virtio', VIRTIO_SET), [
      VIRTIO,
      { ...VIRTIO, address: '0000:00:05.0' },
      VIRTIO_MODERN,
      INTEL_AHCI,
    ]);
    await using _ = phony;
    expect(results.map((line) => line.split(':')[0])).toEqual(['done', 'done', 'skipped']);
    expect(results[2]).toBe(
      `skipped: Add a driver of "virtio" for this computer's SATA controller PCI\\VEN_8086&DEV_2922 ` +
        '(no driver of "virtio" fits it: 2 of 3 .inf files are for disks and for this Windows)',
    );
    expect(firstStart.driverFolders).toHaveLength(2);
    const database = (await phony.windows.hives.open('SYSTEM')).key('DriverDatabase');
    expect(database?.subkey('DriverInfFiles')?.subkeys()).toHaveLength(2);
    expect(database?.subkey('DeviceIds\\PCI\\VEN_1AF4&DEV_1042')?.values()).toHaveLength(1);
  });

  test.each<[string, Record<string, Buffer>, string]>([
    [
      'is for other processors',
      { 'a.inf': sampleInf('viostor-like'), 'pvblock.sys': sampleDriver({ architecture: 'x86' }) },
      'pvblock.sys is for x86 processors',
    ],
    [
      'is not signed',
      {
        'a.inf': sampleInf('viostor-like'),
        'pvblock.sys': sampleDriver({ architecture: 'amd64', isSigned: false }),
      },
      'pvblock.sys is not signed, and a 64-bit Windows would not start with it',
    ],
    ['is missing', { 'a.inf': sampleInf('viostor-like') }, 'pvblock.sys is missing'],
    ['is no driver', { 'a.inf': sampleInf('viostor-like'), 'pvblock.sys': Buffer.from('MZ') }, '2 left'],
    [
      'is cut off',
      {
        'a.inf': sampleInf('viostor-like'),
        'pvblock.sys': sampleDriver({ architecture: 'amd64' }).subarray(0, 0x90),
      },
      'bytes wanted',
    ],
    ['is unreadable', { 'a.inf': Buffer.from('\0\0') }, 'it has no [Version] section'],
  ])('a driver that %s is not added', async (_name, files, reason) => {
    const { phony, firstStart, results } = await customise('10', offer('x', files), [VIRTIO]);
    await using _ = phony;
    expect(results[0]).toMatch(/^skipped: .*a\.inf/);
    expect(results[0]).toContain(reason);
    expect(firstStart.driverFolders).toEqual([]);
    expect((await phony.windows.hives.open('SYSTEM')).isChanged).toBe(false);
    await expect(access(join(phony.dir, 'Windows/TotalDeployDrivers'))).rejects.toThrow('ENOENT');
  });

  test('a newer driver of one that is there starts in its place, on PCI', async () => {
    const inf = sampleInf('storahci-like').toString().replaceAll('exahci', 'storahci');
    const files = {
      'a.inf': Buffer.from(inf),
      'STORAHCI.SYS': sampleDriver({ architecture: 'amd64', content: 'newer' }),
    };
    const { phony, results } = await customise('10', offer('ahci', files), [INTEL_AHCI]);
    await using _ = phony;
    expect(results[0]).toMatch(/^done/);
    const service = 'ControlSet001\\Services\\storahci';
    expect(await phony.read('SYSTEM', `${service}\\StartOverride!0`)).toBe(0);
    expect(await phony.read('SYSTEM', `${service}\\Parameters\\PnpInterface!5`)).toBe(1);
    expect(await phony.windows.root.readText('Windows/System32/drivers/storahci.sys')).toContain('newer');
  });

  test('a package keeps the sections of all its controllers, and a second time changes nothing more', async () => {
    const inf = sampleInf('viostor-like')
      .toString()
      .replace('pv_inst, PCI\\VEN_1AF4&DEV_1042', 'pv_inst2, PCI\\VEN_1AF4&DEV_1042');
    const files = {
      'a.inf': Buffer.from(`${inf}\n[pv_inst2.Services]\nAddService = pvblock, 2, pv_Service\n`),
      'pvblock.sys': sampleDriver({ architecture: 'amd64' }),
    };
    const { set, openFile } = offer('virtio', files);
    await using phony = await openPhonyWindows({ release: '10', openFile });
    const machine = { pciDevices: [VIRTIO, VIRTIO_MODERN] };
    for (let run = 0; run < 2; run += 1) {
      const edits = driverEdits({ drivers: [set] }, machine, { firstStart: { driverFolders: [] } });
      expect((await applyEdits(edits, phony.windows)).map(({ result }) => result)).toEqual(['done', 'done']);
    }
    const infFiles =
      (await phony.windows.hives.open('SYSTEM')).key('DriverDatabase\\DriverInfFiles')?.subkeys() ?? [];
    const ours = infFiles.map(({ name }) => name).filter((name) => name.startsWith('totaldeploy-'));
    expect(ours).toHaveLength(1);
    expect(await phony.read('SYSTEM', `DriverDatabase\\DriverInfFiles\\${ours[0]}!Configurations`)).toEqual([
      'pv_inst',
      'pv_inst2',
    ]);
    expect(await phony.read('SOFTWARE', 'Microsoft\\Windows\\CurrentVersion!DevicePath')).toBe(
      '%SystemRoot%\\inf;%SystemRoot%\\TotalDeployDrivers\\1;%SystemRoot%\\TotalDeployDrivers\\2',
    );
  });

  test('a service of another driver keeps its name, and the registry stays as it was', async () => {
    const inf = sampleInf('viostor-like')
      .toString()
      .replaceAll('pvblock', 'storahci')
      .replace('12%\\storahci', '12%\\other');
    const files = { 'a.inf': Buffer.from(inf), 'other.sys': sampleDriver({ architecture: 'amd64' }) };
    const { phony, results } = await customise('10', offer('x', files), [VIRTIO]);
    await using _ = phony;
    expect(results[0]).toMatch(/^failed: .*has one of that name, for storahci\.sys/);
    expect(await phony.read('SYSTEM', 'ControlSet001\\Services\\storahci!ImagePath')).toMatch(
      /storahci\.sys$/,
    );
    expect(
      (await phony.windows.hives.open('SYSTEM')).key('DriverDatabase\\DeviceIds\\PCI\\VEN_1AF4&DEV_1001'),
    ).toBeUndefined();
  });
});

describe.each<PhonyRelease>(['xp', '7'])('on Windows %s', (release) => {
  test('a driver and its filter are bound by critical devices in every control set', async () => {
    const { phony, results } = await customise(release, offer('intel', INTEL_SET), [INTEL_RAID]);
    await using _ = phony;
    expect(results[0]).toMatch(/^done: .* RAID controller PCI\\VEN_8086&DEV_2822$/);
    const id = release === 'xp' ? 'VEN_8086&DEV_2822' : 'VEN_8086&DEV_2822&CC_0104';
    for (const set of phony.windows.facts.controlSets) {
      const read = (path: string) => phony.read('SYSTEM', `${set}\\${path}`);
      expect(await read(`Control\\CriticalDeviceDatabase\\PCI#${id}!Service`)).toBe('exstor');
      expect(await read(`Control\\CriticalDeviceDatabase\\PCI#${id}!ClassGUID`)).toBe(
        '{4D36E96A-E325-11CE-BFC1-08002BE10318}',
      );
      expect(await read('Services\\exstor!Start')).toBe(0);
      expect(await read('Services\\exfilter!Start')).toBe(3);
      expect(await read('Services\\exstor\\Parameters!queue%Priority')).toBe(0);
    }
    expect((await phony.windows.hives.open('SYSTEM')).key('DriverDatabase')).toBeUndefined();
    await access(
      join(
        phony.dir,
        phony.windows.facts.systemDir,
        'system32'.replace('s', release === 'xp' ? 's' : 'S'),
        'drivers/exfilter.sys',
      ),
    );
  });
});

test('nothing is planned without drivers, and a computer without controllers is told', async () => {
  const firstStart = { driverFolders: [] };
  expect(driverEdits({ drivers: [] }, { pciDevices: [VIRTIO] }, { firstStart })).toEqual([]);
  const { phony, results } = await customise('10', offer('virtio', VIRTIO_SET), [DISPLAY]);
  await using _ = phony;
  expect(results).toEqual([
    'skipped: Add disk drivers of "virtio" (this computer has no disk controller on PCI)',
  ]);
});

test('the first start installs the packages that were added, and nothing when none was', async () => {
  const { set, openFile } = offer('virtio', VIRTIO_SET);
  const customisation: Customisation = {
    membership: { kind: 'keep' },
    network: { kind: 'keep' },
    users: [],
    sid: 'keep',
    files: [],
    applications: [],
    drivers: [set],
  };
  for (const [controller, isAdded] of [
    [VIRTIO, true],
    [INTEL_AHCI, false],
  ] as const) {
    await using phony = await openPhonyWindows({ release: '10', openFile });
    const { windows } = phony;
    await applyEdits(
      windowsEdits(customisation, windows.facts, { macs: [], pciDevices: [controller] }),
      windows,
    );
    const steps = 'Windows/TotalDeploy/settings.json';
    expect(await windows.root.exists(steps)).toBe(isAdded);
    if (isAdded) expect(await windows.root.readText(steps)).toContain('TotalDeployDrivers\\\\1\\\\*.inf');
  }
});
