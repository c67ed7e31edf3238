import { describe, expect, test } from 'vitest';
import type { Customisation } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import { offer, WINDOWS_10 } from './testdata/drivers/driver-samples.ts';
import { openPhonyWindows } from './testdata/phony-windows.ts';
import { transferEdit, transferredPrograms } from './transferred-files.ts';
import { destinationFolder } from './transferred-files-destination.ts';
import type { WindowsFacts } from './windows-system.ts';

const XP: WindowsFacts = {
  ...WINDOWS_10,
  systemDir: 'WINDOWS',
  architecture: 'x86',
  release: { major: 5, minor: 1, build: 2600 },
};

function transfer(change: Partial<Customisation['files'][number]>): Customisation['files'][number] {
  return {
    name: 'setup.exe',
    isFolder: false,
    entries: [],
    destination: '',
    execute: true,
    arguments: '',
    ...change,
  };
}

describe('a destination', () => {
  test.each([
    ['', 'C:\\ProgramData\\TotalDeploy\\files'],
    ['C:\\Install', 'C:\\Install'],
    ['c:/Install//x/', 'C:\\Install\\x'],
    ['\\Install', 'C:\\Install'],
    ['%SystemDrive%', 'C:'],
    ['%systemroot%\\Temp', 'C:\\Windows\\Temp'],
    ['%WINDIR%', 'C:\\Windows'],
    ['%Public%\\Desktop', 'C:\\Users\\Public\\Desktop'],
    ['%ProgramData%\\x', 'C:\\ProgramData\\x'],
    ['%ProgramFiles(x86)%\\x', 'C:\\Program Files (x86)\\x'],
  ])('"%s" is %s', (destination, folder) => {
    expect(destinationFolder(transfer({ destination }), WINDOWS_10)).toBe(folder);
  });

  test.each([
    ['D:\\Install', WINDOWS_10, 'use a folder of drive C:, such as C:\\Install'],
    ['\\\\server\\share', WINDOWS_10, 'use a folder of drive C:'],
    ['//server/share', WINDOWS_10, 'use a folder of drive C:'],
    ['%UserProfile%\\Desktop', WINDOWS_10, 'this Windows knows only %systemdrive%'],
    ['C:\\%ProgramData%', WINDOWS_10, 'this Windows knows only'],
    ['%Public%', XP, 'this Windows knows only %systemdrive%, %systemroot%, %windir%, at the start'],
    ['C:\\a\\..\\b', WINDOWS_10, 'Windows allows no file named ".."'],
    ['C:\\a:b', WINDOWS_10, 'Windows allows no file named "a:b"'],
    ['C:\\con.d', WINDOWS_10, 'Windows allows no file named "con.d"'],
    ['C:\\windows\\SYSTEM32\\config', WINDOWS_10, 'there Windows keeps its registry'],
    ['%SystemRoot%\\System32\\config\\x', WINDOWS_10, 'there Windows keeps its registry'],
  ])('"%s" is refused', (destination, facts, reason) => {
    expect(() => destinationFolder(transfer({ destination }), facts)).toThrow(reason);
    expect(transferredPrograms([transfer({ destination })], facts)).toEqual([]);
  });

  test('XP and another drive letter have their own', () => {
    expect(destinationFolder(transfer({}), XP)).toBe('C:\\TotalDeploy\\files');
    expect(
      destinationFolder(transfer({ destination: '%windir%' }), { ...WINDOWS_10, systemDrive: 'E:' }),
    ).toBe('E:\\Windows');
  });
});

test('a folder goes there whole, in names that are there in another case', async () => {
  const { set, openFile } = offer('Tools', { 'a/b/one.txt': Buffer.from('1'), 'TWO.txt': Buffer.alloc(0) });
  await using phony = await openPhonyWindows({ release: '10', openFile });
  const { facts, root } = phony.windows;
  const edits = [
    transferEdit(transfer({ ...set, destination: 'c:\\PROGRAM FILES', execute: false }), facts),
    transferEdit(transfer({ ...set, destination: '%Public%', execute: true }), facts),
  ];
  expect(edits.map(({ text }) => text)).toEqual([
    'Transfer the folder "Tools" (2 files) to c:\\PROGRAM FILES',
    'Transfer the folder "Tools" (2 files) to %Public% and run it at first start',
  ]);
  const results = await applyEdits(edits, phony.windows);
  expect(results.map(({ result, reason }) => [result, reason])).toEqual([
    ['done', ''],
    ['failed', 'Cannot run "Tools": it is a folder'],
  ]);
  expect(await root.readText('Program Files/Tools/a/b/one.txt')).toBe('1');
  expect(await root.readText('Program Files/Tools/TWO.txt')).toBe('');
  expect(await root.list('/')).not.toContain('PROGRAM FILES');
});

test('nothing is written when the volume has no room', async () => {
  const { set, openFile } = offer('big.iso', { 'big.iso': Buffer.from('x') });
  const entries = set.entries.map((entry) => ({ ...entry, bytes: 2 ** 52 }));
  await using phony = await openPhonyWindows({ release: '10', openFile });
  const edit = transferEdit(
    transfer({ name: 'big.iso', entries, destination: 'C:\\x' }),
    phony.windows.facts,
  );
  const [result] = await applyEdits([edit], phony.windows);
  expect(result?.reason).toMatch(
    /^Cannot transfer "big\.iso": the system's volume has .* free, .* are needed; deploy/,
  );
  expect(await phony.windows.root.exists('x')).toBe(false);
});

test('programs run in the order of the template, with their arguments', () => {
  const transfers = [
    transfer({ destination: '%Public%', arguments: '/quiet' }),
    transfer({ name: 'readme.txt', execute: false }),
    transfer({ name: 'b.msi' }),
  ];
  expect(transferredPrograms(transfers, WINDOWS_10)).toEqual([
    { path: 'C:\\Users\\Public\\setup.exe', arguments: '/quiet' },
    { path: 'C:\\ProgramData\\TotalDeploy\\files\\b.msi', arguments: '' },
  ]);
});
