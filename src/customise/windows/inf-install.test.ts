import { describe, expect, test } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { Hive } from '../registry-hive/hive.ts';
import { dword, text, texts } from '../registry-hive/value-data.ts';
import { type Inf, parseInf } from './inf-file.ts';
import { readInstallation } from './inf-install.ts';
import { findPackageFile, offeredFiles, packageFiles } from './inf-package.ts';
import { applyAddReg, readAddReg } from './inf-registry.ts';
import { sampleInf, WINDOWS_10 } from './testdata/drivers/driver-samples.ts';
import { readValue } from './testdata/phony-windows.ts';

function sample(name: string): Inf {
  return parseInf(sampleInf(name), `${name}.inf`);
}

function inf(text: string): Inf {
  return parseInf(Buffer.from(`[Version]\n${text}`), 'test.inf');
}

describe('services', () => {
  test('the driver of a device with its file and group', () => {
    const { section, services } = readInstallation(sample('viostor-like'), 'pv_inst', WINDOWS_10);
    expect(section).toBe('pv_inst');
    expect(services).toMatchObject([
      {
        name: 'pvblock',
        displayName: 'Example paravirtual disk',
        isFunctionDriver: true,
        type: 1,
        start: 0,
        errorControl: 1,
        group: 'SCSI miniport',
        fileName: 'pvblock.sys',
        sourceName: 'pvblock.sys',
      },
    ]);
  });

  test('a filter beside it, and a file that has another name in its package', () => {
    const { services } = readInstallation(sample('iastorv-like'), 'exstor_inst', {
      ...WINDOWS_10,
      architecture: 'x86',
    });
    expect(services.map(({ name, isFunctionDriver }) => [name, isFunctionDriver])).toEqual([
      ['exstor', true],
      ['exfilter', false],
    ]);
    const [renamed] = readInstallation(sample('megasas-like'), 'raid_new', WINDOWS_10).services;
    expect(renamed).toMatchObject({ fileName: 'exraid.sys', sourceName: 'exraid10.sys', errorControl: 3 });
  });

  test('sections that are needed are followed in the same file only', () => {
    const needing = inf(
      '[a.Services]\nInclude = mshdc.inf\nNeeds = mshdc_Inst.Services, b.Services\n' +
        '[b.Services]\nAddService = exb, 2, b_service\n[b_service]\nServiceBinary = %12%\\exb.sys\n',
    );
    expect(readInstallation(needing, 'a', WINDOWS_10).services.map(({ name }) => name)).toEqual(['exb']);
  });

  test.each([
    ['a name with a backslash', 'AddService = a\\b, 2, s\n[s]\nServiceBinary = %12%\\a.sys\n'],
    ['a file without a name', 'AddService = a, 2, s\n[s]\nServiceBinary = %12%\\\n'],
    ['no file', 'AddService = a, 2, s\n'],
    ['the folder above', 'AddService = a, 2, s\n[s]\nServiceBinary = %12%\\..\n'],
    ['a stream', 'AddService = a, 2, s\n[s]\nServiceBinary = %12%\\a.sys:b\n'],
    ['too many', 'AddService = a, 2, s\n'.repeat(33)],
  ])('%s is refused', (_name, text) => {
    expect(() => readInstallation(inf(`[i.Services]\n${text}`), 'i', WINDOWS_10)).toThrow(TdError);
  });
});

describe('registry', () => {
  test('is written below the service, from either root', () => {
    const hive = Hive.create();
    const [service] = readInstallation(sample('megasas-like'), 'raid_new', WINDOWS_10).services;
    applyAddReg(hive.root, service?.registry ?? []);
    const read = (path: string) => readValue(hive, path);
    expect(read('Parameters\\PnpInterface!5')).toBe(1);
    expect(read('Parameters!BusType')).toBe(8);
    expect(read('Parameters\\Device!DriverParameter')).toBe('nobusywait=1; quiet');
    expect(read('Parameters\\Device!Queues')).toEqual(['one', 'two, and more', 'three']);
    expect(hive.key('Parameters\\Device')?.value('mask')).toMatchObject({
      type: 3,
      data: Buffer.from('deadbeef', 'hex'),
    });
    expect(read('Parameters\\Device!NumberOfRequests')).toBe(255);
    expect(hive.root.subkeys().map(({ name }) => name.toLowerCase())).toEqual(['parameters']);
    expect(hive.key('Parameters\\Device')?.values()).toHaveLength(4);
  });

  test('keys alone, what must stay, lists that grow, numbers by bytes, other types', () => {
    const lines = readAddReg(
      inf(
        '[s]\nAddReg = a, b\n[a]\nHKR,Empty,,0x10\nHKR,,Kept,0x00010003,9\nHKR,,List,0x00010008,old,new\n' +
          'HKR,,Bytes,0x00010001,78,0,0,0\nHKR,,Big,0x000b0001,1,0,0,0,0,0,0,0\nHKR,,Expand,0x00020000,%%x%%\n' +
          '[b]\nHKR,,Odd,0x00010001,abc\nHKR,,Hex,1,zz\nHKCU,,User,0,x\nHKR,,Flags,what,x\nHKR,,Plain,,text\n',
      ),
      's',
    );
    const hive = Hive.create();
    hive.root.set('Kept', dword(1));
    hive.root.set('List', texts(['old']));
    hive.root.set('Plain', text('before'));
    applyAddReg(hive.root, lines);
    expect(hive.key('Empty')?.values()).toEqual([]);
    expect(readValue(hive, '!Kept')).toBe(1);
    expect(readValue(hive, '!List')).toEqual(['old', 'new']);
    expect(readValue(hive, '!Bytes')).toBe(0x78);
    expect(hive.root.value('Big')).toMatchObject({ type: 11, data: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]) });
    expect(hive.root.value('Expand')).toMatchObject({ type: 2 });
    expect(readValue(hive, '!Plain')).toBe('text');
    for (const name of ['Odd', 'Hex', 'User', 'Flags']) expect(hive.root.value(name)).toBeUndefined();
  });
});

describe('files of a package', () => {
  const offered = offeredFiles(
    [
      'RAID/mega.inf',
      'RAID/Raid.cat',
      'RAID/raid64.cat',
      'RAID/x64/ExRaid.sys',
      'RAID/x64/win10/exraid10.sys',
      'RAID/x86/exraid.sys',
      'RAID/notes.txt',
    ].map((path, i) => ({ path, bytes: i, sha256: `${i}`.repeat(64) })),
  );
  const mega = sample('megasas-like');

  test('are those it names, by platform, in any case', () => {
    const files = packageFiles(mega, 'RAID/mega.inf', { offered, system: WINDOWS_10 });
    expect(files.map(({ file }) => file.path)).toEqual([
      'RAID/mega.inf',
      'RAID/Raid.cat',
      'RAID/raid64.cat',
      'RAID/x64/ExRaid.sys',
      'RAID/x64/win10/exraid10.sys',
    ]);
    expect(files[3]?.path).toBe('x64/exraid.sys');
  });

  test('are found where they are named, or beside', () => {
    const context = { infPath: 'RAID/mega.inf', system: WINDOWS_10 };
    expect(findPackageFile(mega, 'exraid10.sys', { ...context, offered }).file.path).toBe(
      'RAID/x64/win10/exraid10.sys',
    );
    const flat = offeredFiles([{ path: 'RAID/exraid10.sys', bytes: 1, sha256: '0'.repeat(64) }]);
    expect(findPackageFile(mega, 'exraid10.sys', { ...context, offered: flat }).file.path).toBe(
      'RAID/exraid10.sys',
    );
    expect(() => findPackageFile(mega, 'exraid.sys', { ...context, offered: flat })).toThrow(
      'exraid.sys is missing',
    );
    const packed = offeredFiles([{ path: 'RAID/exraid.sy_', bytes: 1, sha256: '0'.repeat(64) }]);
    expect(() => findPackageFile(mega, 'exraid.sys', { ...context, offered: packed })).toThrow(
      'unpack it with "expand"',
    );
  });

  test('never lie above its folder', () => {
    const climbing = inf(
      '[SourceDisksNames]\n1=x,,,..\\..\n[SourceDisksFiles]\na.sys = 1\nb.sys = 1, ..\\secret\n',
    );
    const above = offeredFiles([{ path: 'a.sys', bytes: 1, sha256: '0'.repeat(64) }]);
    const context = { infPath: 'x/y/t.inf', offered: above, system: WINDOWS_10 };
    expect(packageFiles(climbing, 'x/y/t.inf', context)).toEqual([]);
    expect(() => findPackageFile(climbing, 'a.sys', context)).toThrow('a.sys is missing');
  });
});
