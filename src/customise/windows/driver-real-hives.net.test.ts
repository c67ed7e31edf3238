import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { applyEdits } from '../edit.ts';
import type { PciDevice } from '../machine-facts.ts';
import { Hive } from '../registry-hive/hive.ts';
import { versionData } from './driver-database.ts';
import { driverEdits } from './driver-edits.ts';
import { offer, sampleDriver, sampleInf } from './testdata/drivers/driver-samples.ts';
import { makePhonyWindows } from './testdata/phony-windows.ts';
import { openWindows, saveWindows } from './windows-root.ts';

const HIVES = join(import.meta.dirname, '../../../../shared/fixtures/hives');
const CONFIG = 'Windows/System32/config';
const VIRTIO: PciDevice = {
  address: '0000:00:04.0',
  vendor: 0x1af4,
  device: 0x1042,
  subsystemVendor: 0x1af4,
  subsystem: 0x1100,
  revision: 1,
  classCode: 0x010000,
};
const INTEL: PciDevice = { ...VIRTIO, vendor: 0x8086, device: 0x2922, classCode: 0x010601 };

/** A real SYSTEM in a Windows of our own, with drivers for its platform added and saved. */
async function withDrivers(release: '7' | '10', offered: ReturnType<typeof offer>, controller: PciDevice) {
  const dir = await mkdtemp(join(tmpdir(), 'td-real-'));
  const dispose = () => rm(dir, { recursive: true, force: true });
  const system = join(dir, CONFIG, 'SYSTEM');
  await makePhonyWindows(dir, { release });
  for (const suffix of ['', '.LOG1', '.LOG2']) {
    const from = join(HIVES, `win${release}-SYSTEM${suffix}`);
    if (existsSync(from)) await writeFile(system + suffix, await readFile(from));
  }
  const windows = (await openWindows(dir, { openFile: offered.openFile }))!;
  const edits = driverEdits(
    { drivers: [offered.set] },
    { pciDevices: [controller] },
    { firstStart: { driverFolders: [] } },
  );
  const results = await applyEdits(edits, windows);
  await saveWindows(windows);
  await windows.hives.commit();
  return { system, results, controlSets: windows.facts.controlSets, [Symbol.asyncDispose]: dispose };
}

/** A key and what is below it as hivex reads it, without carriage returns. */
async function byHivex(file: string, key: string): Promise<string> {
  return (await run('hivexregedit', ['--export', '--unsafe-printable-strings', file, key])).stdout;
}

async function byReged(file: string, key: string): Promise<string> {
  await run('reged', ['-x', file, 'H', key, `${file}.reg`], { okCodes: [0, 1, 2] });
  return (await readFile(`${file}.reg`, 'utf8')).replaceAll('\r', '');
}

describe.skipIf(!existsSync(HIVES))(`real hives (skipped without ${HIVES})`, () => {
  test('of Windows 10 have a driver in their database as two other readers see it', async () => {
    const files = {
      'amd64/viostor.inf': sampleInf('viostor-like'),
      'amd64/pvblock.sys': sampleDriver({ architecture: 'amd64', builtFor: [10, 0] }),
    };
    await using real = await withDrivers('10', offer('virtio', files), VIRTIO);
    expect(real.results).toMatchObject([{ result: 'done' }]);
    const ids = await byHivex(real.system, '\\DriverDatabase\\DeviceIds\\PCI\\VEN_1AF4&DEV_1042');
    const inf = /"(totaldeploy-viostor-[0-9a-f]{8}\.inf)"=hex\(3\):02,ff,00,00/.exec(ids)?.[1];
    expect(inf).toBeDefined();
    const [read, again] = [byHivex, byReged];
    const infFile = await read(real.system, `\\DriverDatabase\\DriverInfFiles\\${inf}`);
    const label = /"Active"=str\(1\):"(.+)"/.exec(infFile)?.[1];
    expect(await again(real.system, `DriverDatabase\\DriverInfFiles\\${inf}`)).toContain(
      `"Active"="${label}"`,
    );
    const configuration = `DriverDatabase\\DriverPackages\\${label}\\Configurations\\pv_inst`;
    expect(await read(real.system, `\\${configuration}`)).toContain('"Service"=str(1):"pvblock"');
    expect(await again(real.system, configuration)).toContain('"Service"="pvblock"');
    for (const set of real.controlSets) {
      const service = await read(real.system, `\\${set}\\Services\\pvblock`);
      expect(service).toContain('"Start"=dword:00000000');
      expect(service).toContain('"ImagePath"=str(2):"System32\\drivers\\pvblock.sys"');
      expect(await again(real.system, `${set}\\Services\\pvblock`)).toContain('"Group"="SCSI miniport"');
    }
  });

  test('of Windows 7 have it in their critical devices', async () => {
    const files = {
      'exstor.inf': sampleInf('iastorv-like'),
      'exstor.sys': sampleDriver({ architecture: 'x86' }),
      'exfilter.sys': sampleDriver({ architecture: 'x86' }),
    };
    await using real = await withDrivers('7', offer('intel', files), INTEL);
    expect(real.results).toMatchObject([{ result: 'done' }]);
    for (const set of real.controlSets) {
      const key = `${set}\\Control\\CriticalDeviceDatabase\\PCI#VEN_8086&DEV_2922&CC_0106`;
      expect(await byHivex(real.system, `\\${key}`)).toContain('"Service"=str(1):"exstor"');
      expect(await byReged(real.system, key)).toContain(
        '"ClassGUID"="{4D36E96A-E325-11CE-BFC1-08002BE10318}"',
      );
      expect(await byReged(real.system, `${set}\\services\\exstor`)).toContain('"Type"=dword:00000001');
    }
  });

  test('of Windows 10 hold dates and versions of packages as they are written here', async () => {
    const bytes = await readFile(join(HIVES, 'win10-SYSTEM'));
    const logs = [
      await readFile(join(HIVES, 'win10-SYSTEM.LOG1')),
      await readFile(join(HIVES, 'win10-SYSTEM.LOG2')),
    ];
    const packages = Hive.parse(bytes, { logs }).key('DriverDatabase\\DriverPackages')?.subkeys() ?? [];
    const stornvme = packages.find(({ name }) => name.startsWith('stornvme.inf_amd64_'));
    const written = versionData(
      {
        classGuid: '{4D36E97B-E325-11CE-BFC1-08002BE10318}',
        dateMs: Date.UTC(2006, 5, 21),
        version: [10, 0, 16299, 251],
      },
      'amd64',
    );
    expect(stornvme?.value('Version')?.data.subarray(1).toString('hex')).toBe(
      written.subarray(1).toString('hex'),
    );
  });
});
