import { describe, expect, test } from 'vitest';
import { type InfModel, type InfSystem, platformSection, readInfDriver } from './inf-driver.ts';
import { parseInf } from './inf-file.ts';
import { sampleInf, WINDOWS_10 } from './testdata/drivers/driver-samples.ts';

const WINDOWS_7_32: InfSystem = {
  architecture: 'x86',
  release: { major: 6, minor: 1, build: 7601 },
  productName: 'Windows 7 Professional',
};
const XP: InfSystem = { ...WINDOWS_7_32, release: { major: 5, minor: 1, build: 2600 } };

function modelsOf(name: string, system: InfSystem): InfModel[] {
  return readInfDriver(parseInf(sampleInf(name), name), system).models;
}

test('reads class, version and the models of the platform', () => {
  const driver = readInfDriver(parseInf(sampleInf('viostor-like'), 'viostor-like.inf'), WINDOWS_10);
  expect(driver).toMatchObject({
    className: 'SCSIAdapter',
    classGuid: '{4D36E97B-E325-11CE-BFC1-08002BE10318}',
    provider: 'Example Virtual Hardware',
    dateMs: Date.UTC(2021, 6, 14),
    version: [100, 85, 104, 20700],
  });
  expect(driver.models[1]).toEqual({
    description: 'Example paravirtual disk controller',
    manufacturer: 'Example Virtual Hardware',
    installSection: 'pv_inst',
    ids: ['PCI\\VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01', 'PCI\\VEN_1AF4&DEV_1042'],
  });
});

describe('models are those closest to the system', () => {
  test.each<[string, InfSystem, string, string[]]>([
    [
      '7 takes what is for 7',
      { ...WINDOWS_7_32, architecture: 'amd64' },
      'megasas-like',
      ['raid_old', 'raid_old'],
    ],
    ['10 takes what is for a build up to its own', WINDOWS_10, 'megasas-like', ['raid_new']],
    [
      'an early 10 is not of that build',
      { ...WINDOWS_10, release: { major: 10, minor: 0, build: 10240 } },
      'megasas-like',
      ['raid_old', 'raid_old'],
    ],
    [
      'a server takes what is for servers, when the version is no closer',
      {
        ...WINDOWS_10,
        productName: 'Windows Server 2016 Standard',
        release: { major: 10, minor: 0, build: 14000 },
      },
      'megasas-like',
      ['raid_new'],
    ],
    [
      '8.1 takes the latest before it',
      { ...WINDOWS_10, release: { major: 6, minor: 3, build: 9600 } },
      'megasas-like',
      ['raid_old', 'raid_old'],
    ],
    ['another platform has none', { ...WINDOWS_10, architecture: 'arm64' }, 'megasas-like', []],
    ['XP has none of later ones', XP, 'megasas-like', []],
    ['XP takes its own', XP, 'iastorv-like', ['exstor_inst', 'exstor_inst']],
    [
      'Windows 2000 takes the undecorated ones',
      { ...XP, release: { major: 5, minor: 0, build: 2195 } },
      'iastorv-like',
      ['exstor_2000'],
    ],
    ['64-bit takes no undecorated ones', WINDOWS_10, 'iastorv-like', []],
  ])('%s', (_name, system, file, sections) => {
    expect(modelsOf(file, system).map(({ installSection }) => installSection)).toEqual(sections);
  });

  test.each([
    ['NT', []],
    ['NT.10.0', []],
    ['NTamd64', ['a']],
    ['NTamd64.6', ['a']],
    ['NTamd64.10.0.1', ['a']],
    ['NTamd64.10.0.0x0000003', []],
    ['NTamd64.10.0.0x0000001.0x80', []],
    ['NTamd64.10.0.1..19045', ['a']],
    ['NTamd64.10.0.1..19046', []],
    ['NTamd64.10.1', []],
    ['NTamd64.x', []],
    ['NTamd64.10.0.0.0.0.0', []],
    ['NTia64', []],
  ])('64-bit Windows 10 and %s', (target, sections) => {
    const text = `[Version]\n[Manufacturer]\nx = m, ${target}\n[m]\nd = plain, PCI\\A\n[m.${target}]\nd = a, PCI\\A\n`;
    const { models } = readInfDriver(parseInf(Buffer.from(text), 'test.inf'), WINDOWS_10);
    expect(models.map(({ installSection }) => installSection)).toEqual(sections);
  });

  test('strings of other languages stand in where there are no neutral ones', () => {
    const [raid, ahci] = modelsOf('iastorv-like', WINDOWS_7_32);
    expect([raid?.description, ahci?.description]).toEqual(['Example "Matrix" RAID', 'Example AHCI; mobile']);
    expect(raid?.ids).toEqual(['PCI\\VEN_8086&DEV_2822&CC_0104']);
  });
});

test('a section for the platform comes before the plain one', () => {
  const inf = parseInf(sampleInf('megasas-like'), 'megasas-like.inf');
  expect(platformSection(inf, 'raid_old', WINDOWS_10)).toBe('raid_old.ntamd64');
  expect(platformSection(inf, 'raid_old', WINDOWS_7_32)).toBe('raid_old');
});

test('what is no date, version or class is none', () => {
  const inf = parseInf(
    Buffer.from('[Version]\nClassGuid = {x}\nDriverVer = 2020/99, a.b.70000.4\n'),
    'odd.inf',
  );
  expect(readInfDriver(inf, WINDOWS_10)).toEqual({
    className: '',
    classGuid: '',
    provider: '',
    dateMs: 0,
    version: [0, 0, 4464, 4],
    models: [],
  });
});
