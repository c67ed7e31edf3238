import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Customisation, OfferedFile } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import type { OpenFile } from '../file-source.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { text } from '../registry-hive/value-data.ts';
import { PHONY_MAC } from './testdata/phony-registry.ts';
import { openPhonyWindows, type PhonyRelease } from './testdata/phony-windows.ts';
import { windowsEdits } from './windows-edits.ts';
import { openWindows, saveWindows } from './windows-root.ts';

const FILES: Record<string, string> = { 'setup.exe': 'program', 'data/a b.txt': 'text' };
const openFile: OpenFile = async function* ({ path }) {
  const content = FILES[path];
  if (content === undefined) throw new Error('the console has no such file');
  yield Buffer.from(content);
};
const offered = (path: string): OfferedFile => ({
  path,
  bytes: FILES[path]?.length ?? 1,
  sha256: createHash('sha256')
    .update(FILES[path] ?? '')
    .digest('hex'),
});

const SECRETS = ['user-secret', 'domain-secret', 'serial-secret'];
const CUSTOMISATION: Customisation = {
  computerName: 'LAB-07',
  membership: { kind: 'domain', name: 'corp.example', user: 'joiner', password: 'domain-secret', ou: '' },
  network: {
    kind: 'static',
    address: '10.1.2.3',
    prefixLength: 24,
    gateway: '10.1.2.1',
    dnsServers: ['10.1.2.2'],
    dnsSuffix: 'corp.example',
  },
  users: [{ name: 'eve', fullName: 'Eve', password: 'user-secret', group: 'administrators' }],
  sid: 'keep',
  files: [
    {
      name: 'setup.exe',
      isFolder: false,
      entries: [offered('setup.exe')],
      destination: '',
      execute: true,
      arguments: '/key=serial-secret',
    },
    {
      name: 'docs',
      isFolder: true,
      entries: [offered('data/a b.txt')],
      destination: 'c:\\Lab\\',
      execute: false,
      arguments: '',
    },
  ],
  applications: [{ path: '%ProgramFiles%\\App\\app.exe', arguments: '/quiet' }],
  drivers: [],
};
const MACHINE: MachineFacts = {
  macs: [PHONY_MAC],
  pciDevices: [
    {
      address: '0000:00:1f.2',
      vendor: 0x8086,
      device: 0x2922,
      classCode: 0x010601,
      subsystemVendor: 0,
      subsystem: 0,
      revision: 2,
    },
  ],
};

async function customised(release: PhonyRelease, change: Partial<Customisation> = {}) {
  const phony = await openPhonyWindows({ release, openFile });
  const { windows } = phony;
  const edits = windowsEdits({ ...CUSTOMISATION, ...change }, windows.facts, MACHINE);
  return { phony, windows, edits, results: await applyEdits(edits, windows) };
}

describe.each(['7', '10'] as const)('a customisation of Windows %s', (release) => {
  it('does all that a template asks for, and what is written says so', async () => {
    const { phony, windows, results } = await customised(release);
    await using _ = phony;
    expect(results.filter(({ result }) => result !== 'done')).toEqual([]);
    await saveWindows(windows);
    await windows.hives.commit();
    const again = (await openWindows(phony.dir, { openFile }))!;
    expect((await again.hives.open('SYSTEM')).wasDirty).toBe(false);
    const first = again.facts.controlSets[0];
    expect(await phony.read('SYSTEM', `${first}\\Services\\Tcpip\\Parameters!Hostname`)).toBe('LAB-07');
    const read = (path: string) => readFile(join(phony.dir, path), 'utf8');
    expect(await read('ProgramData/TotalDeploy/files/setup.exe')).toBe('program');
    expect(await read('Lab/docs/data/a b.txt')).toBe('text');
    const settings = await read('Windows/TotalDeploy/settings.json');
    for (const secret of SECRETS) expect(settings).toContain(secret);
    expect(settings).toContain('C:\\\\ProgramData\\\\TotalDeploy\\\\files\\\\setup.exe');
  });

  it('tells no secret in its plan or its results', async () => {
    const { phony, edits, results } = await customised(release);
    await using _ = phony;
    const told = JSON.stringify([edits.map(({ text }) => text), results]);
    for (const secret of SECRETS) expect(told).not.toContain(secret);
  });
});

describe('a customisation of a generalised Windows', () => {
  const PANTHER = 'Windows/Panther/unattend.xml';
  const FIRST = 'Windows/Panther/Unattend/unattend.xml';
  const OWN =
    '<unattend xmlns="urn:schemas-microsoft-com:unattend"><settings pass="oobeSystem">' +
    '<component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64"><TimeZone>UTC</TimeZone>' +
    '</component></settings></unattend>';

  async function generalised() {
    const phony = await openPhonyWindows({ release: '10', sysprepped: true, openFile });
    const { windows } = phony;
    await windows.root.write(PANTHER, '<unattend xmlns="urn:schemas-microsoft-com:unattend"/>');
    await windows.root.write(FIRST, OWN);
    const edits = windowsEdits({ ...CUSTOMISATION, sid: 'new' }, windows.facts, MACHINE);
    const results = await applyEdits(edits, windows);
    return { phony, windows, edits, results };
  }

  it('gives the answers to its Setup, beside what its answer file already says', async () => {
    const { phony, windows, results } = await generalised();
    await using _ = phony;
    expect(results.filter(({ result }) => result !== 'done')).toMatchObject([
      { result: 'skipped', reason: expect.stringContaining('sysprep') },
    ]);
    const xml = await windows.root.readText(PANTHER);
    for (const part of ['UTC', 'LAB-07', 'corp.example', '10.1.2.3/24', 'firststart.cmd']) {
      expect(xml).toContain(part);
    }
    expect(await windows.root.exists(FIRST)).toBe(false);
    expect(await phony.read('SYSTEM', 'Setup!CmdLine')).toBe('oobe\\windeploy.exe');
    const settings = await windows.root.readText('Windows/TotalDeploy/settings.json');
    expect(settings).toContain('serial-secret');
    expect(settings).not.toContain('domain-secret');
  });

  it('gives the answers to Mini-Setup of XP, and leaves the users to the first-start script', async () => {
    await using phony = await openPhonyWindows({ release: 'xp', sysprepped: true, openFile });
    const { windows } = phony;
    await windows.root.write('sysprep/SYSPREP.INF', '[GuiUnattended]\r\nTimeZone = 85\r\n');
    const results = await applyEdits(windowsEdits(CUSTOMISATION, windows.facts, MACHINE), windows);
    const setup = results.find(({ text }) => text.startsWith('Let Windows Setup'));
    expect(setup).toMatchObject({ result: 'done', text: expect.stringContaining('make the user "eve"') });
    const answers = await windows.root.readText('Sysprep/sysprep.inf');
    for (const part of ['TimeZone = 85', 'LAB-07', 'corp.example', '10.1.2.3'])
      expect(answers).toContain(part);
    expect(await windows.root.readText('Sysprep/i386/$oem$/cmdlines.txt')).toContain(
      'C:\\WINDOWS\\TotalDeploy\\firststart.cmd',
    );
    expect(await windows.root.readText('WINDOWS/TotalDeploy/settings.json')).toContain('user-secret');
  });

  it('is not done with an answer file on another drive', async () => {
    await using phony = await openPhonyWindows({ release: '10', sysprepped: true, openFile });
    const { windows } = phony;
    (await windows.hives.open('SYSTEM')).root.ensure('Setup').set('UnattendFile', text('D:\\a.xml'));
    const results = await applyEdits(windowsEdits(CUSTOMISATION, windows.facts, MACHINE), windows);
    const setup = results.find(({ text }) => text.startsWith('Let Windows Setup'));
    expect(setup).toMatchObject({ result: 'failed', reason: expect.stringContaining('"D:\\a.xml"') });
    expect(await windows.root.list('Windows/TotalDeploy')).toEqual([]);
  });

  it('tells no secret, and takes all back when the registry cannot be written', async () => {
    const { phony, windows, edits, results } = await generalised();
    await using _ = phony;
    const told = JSON.stringify([edits.map(({ text }) => text), results]);
    for (const secret of SECRETS) expect(told).not.toContain(secret);
    await mkdir(join(phony.dir, 'Windows/System32/config/SYSTEM.td-bak'));
    await expect(saveWindows(windows)).rejects.toThrow('SYSTEM.td-bak');
    expect(await windows.root.readText(FIRST)).toBe(OWN);
    expect(await windows.root.readText(PANTHER)).not.toContain('LAB-07');
    expect(await windows.root.exists('Windows/TotalDeploy/settings.json')).toBe(false);
  });
});

describe('a customisation', () => {
  it('leaves the registry as it was when an edit fails half-way, and goes on with the next', async () => {
    await using phony = await openPhonyWindows({ release: '7', openFile });
    const { windows } = phony;
    // The name is written into SYSTEM before SECURITY is found to be missing.
    await windows.root.move('Windows/System32/config/SECURITY', 'gone');
    windows.hives.restore(new Map());
    const edits = windowsEdits({ ...CUSTOMISATION, files: [] }, windows.facts, MACHINE);
    const results = await applyEdits(edits, windows);
    expect(results.find(({ text }) => text.startsWith('Name the computer'))).toMatchObject({
      result: 'failed',
      reason: expect.stringContaining('SECURITY'),
    });
    const tcpip = 'ControlSet001\\Services\\Tcpip\\Parameters';
    expect(await phony.read('SYSTEM', `${tcpip}!Hostname`)).toBe('MASTER-PC');
    expect(await phony.read('SYSTEM', `${tcpip}!NV Domain`)).toBe('corp.example');
  });

  it('takes the first-start script away when the registry cannot be written', async () => {
    const { phony, windows } = await customised('10');
    await using _ = phony;
    const system = await readFile(join(phony.dir, 'Windows/System32/config/SYSTEM'));
    await mkdir(join(phony.dir, 'Windows/System32/config/SECURITY.td-bak'));
    await expect(saveWindows(windows)).rejects.toThrow('SECURITY.td-bak');
    expect(await windows.root.exists('Windows/TotalDeploy/settings.json')).toBe(false);
    expect(await readFile(join(phony.dir, 'Windows/System32/config/SYSTEM'))).toEqual(system);
  });

  it.each([
    [{ destination: 'D:\\Lab' }, 'use a folder of drive C:'],
    [{ entries: [offered('a:b.txt')] }, 'Windows allows no file named "a:b.txt"'],
    [{ entries: [offered('aux.txt')] }, 'Windows allows no file named "aux.txt"'],
    [{ isFolder: true }, 'it is a folder'],
    [{ entries: [offered('setup.exe'), offered('missing')] }, 'the console has no such file'],
  ])('transfers nothing where it cannot be done: %j', async (change, reason) => {
    const files = [{ ...CUSTOMISATION.files[0]!, ...change }];
    const { phony, windows, results } = await customised('10', { files });
    await using _ = phony;
    expect(results.find(({ text }) => text.startsWith('Transfer'))).toMatchObject({
      result: 'failed',
      reason: expect.stringContaining(reason),
    });
    expect(await windows.root.exists('ProgramData/TotalDeploy/files/setup.exe')).toBe(false);
  });

  it('has nothing to do when a template keeps everything', async () => {
    const { phony, edits } = await customised('10', {
      membership: { kind: 'keep' },
      network: { kind: 'keep' },
      users: [],
      files: [],
      applications: [],
    });
    await using _ = phony;
    expect(edits.map(({ text }) => text)).toEqual([
      "Switch on Windows' own driver for the disk controller PCI\\VEN_8086&DEV_2922",
      'Name the computer LAB-07',
    ]);
  });
});
