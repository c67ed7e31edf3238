import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Hive } from '../../customise/registry-hive/hive.ts';
import { interrupted, newLog, sampleHive } from '../../customise/registry-hive/testdata/made-hives.ts';
import { textOf, textsOf } from '../../customise/registry-hive/value-data.ts';
import { runHiveCheck, runHiveGet, runHiveSet, runHiveShow } from './hive-command.ts';

/** A folder with one hive; `run` gives what was printed. */
async function folderWithHive() {
  const dir = await mkdtemp(join(tmpdir(), 'td-hive-'));
  const path = join(dir, 'SYSTEM');
  await writeFile(path, sampleHive().toBuffer(), { mode: 0o640 });
  const printed: string[] = [];
  const output = { json: false, out: (text: string) => void printed.push(text) };
  return {
    path,
    output,
    asJson: { ...output, json: true },
    printed: () => printed.splice(0).join(''),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

describe('hive', () => {
  it('shows a key, gets a value, as text and as JSON', async () => {
    await using folder = await folderWithHive();
    await runHiveShow(folder.path, { ...folder.output, key: 'kinds' });
    const shown = folder.printed();
    expect(shown).toContain('[Kinds]  2024-05-06T07:08:09.000Z\n  (default) = REG_SZ default\n');
    expect(shown).toContain('number = REG_DWORD 4275878552 (0xfedcba98)');
    expect(shown).toContain('… (50000 bytes)');
    await runHiveShow(folder.path, { ...folder.asJson, key: '' });
    expect(JSON.parse(folder.printed())).toMatchObject({ subkeys: ['Deep', 'Kinds', 'Many', 'Names'] });
    await runHiveGet(folder.path, { ...folder.output, key: 'KINDS', value: 'List' });
    expect(folder.printed()).toBe('one\ntwo\ndrei\n');
    await runHiveGet(folder.path, { ...folder.asJson, key: 'KINDS', value: 'three bytes' });
    expect(JSON.parse(folder.printed())).toEqual({ name: 'three bytes', type: 'REG_BINARY', hex: '616263' });
    await expect(runHiveGet(folder.path, { ...folder.output, key: 'x', value: '' })).rejects.toThrow(
      /find the key/,
    );
    await expect(runHiveGet(folder.path, { ...folder.output, key: '', value: 'x' })).rejects.toThrow(
      /no such value/,
    );
  });

  it('sets values of every type, keeps the old file, its mode, and leaves nothing else behind', async () => {
    await using folder = await folderWithHive();
    const before = await readFile(folder.path);
    const set = (type: Parameters<typeof runHiveSet>[1]['type'], ...data: string[]) =>
      runHiveSet(folder.path, { ...folder.output, key: 'New\\Key', value: type, data, type });
    await set('sz', 'pc-07');
    expect((await readFile(`${folder.path}.bak`)).equals(before)).toBe(true);
    expect((await stat(folder.path)).mode & 0o777).toBe(0o640);
    await set('multi', 'a', 'b');
    await set('dword', '0x10');
    await set('qword', '18446744073709551615');
    await set('binary', '00ff');
    const key = Hive.parse(await readFile(folder.path)).key('new\\key')!;
    expect(textOf(key.value('sz')!)).toBe('pc-07');
    expect(textsOf(key.value('multi')!)).toEqual(['a', 'b']);
    expect(
      key
        .values()
        .map(({ type, data }) => [type, data.toString('hex')])
        .slice(2),
    ).toEqual([
      [4, '10000000'],
      [11, 'ffffffffffffffff'],
      [3, '00ff'],
    ]);
    folder.printed();
    await set('sz', 'pc-07');
    expect(folder.printed()).toBe('It is so already\n');
    await expect(set('dword', '4294967296')).rejects.toThrow(/32 bits/);
    await expect(set('binary', '0')).rejects.toThrow(/hex digits/);
    await expect(set('sz', 'a', 'b')).rejects.toThrow(/quote it/);
    await expect(stat(`${folder.path}.new`)).rejects.toThrow(/ENOENT/);
  });

  it('finds the logs beside a hive, and does not edit one whose logs are missing', async () => {
    await using folder = await folderWithHive();
    const before = await readFile(folder.path);
    const hive = Hive.parse(before);
    hive.root.ensure('after');
    const after = hive.toBuffer();
    const dirty = interrupted(before, after);
    await writeFile(folder.path, dirty);
    const set = () =>
      runHiveSet(folder.path, { ...folder.output, key: 'x', value: '', data: ['1'], type: 'dword' });
    await expect(set()).rejects.toThrow(/pending changes/);
    await expect(runHiveCheck(folder.path, folder.output)).rejects.toThrow(/damaged or incomplete/);
    expect((await readFile(folder.path)).equals(dirty)).toBe(true);
    await writeFile(`${folder.path}.log1`, newLog([before, after], after.readUInt32LE(4)));
    folder.printed();
    await runHiveCheck(folder.path, folder.output);
    expect(folder.printed()).toMatch(/pending changes are in SYSTEM\.log1\n.*is good/);
    await set();
    expect(Hive.parse(await readFile(folder.path))).toMatchObject({ wasDirty: false });
    await runHiveCheck(folder.path, folder.asJson);
    expect(JSON.parse(folder.printed().replace(/^".*\n/, ''))).toMatchObject({ ok: true, lostCells: 0 });
  });

  it('says in one line what is no hive', async () => {
    await using folder = await folderWithHive();
    await writeFile(folder.path, 'no hive');
    await expect(runHiveCheck(folder.path, folder.output)).rejects.toThrow(/^"[^\n]*only 7 bytes$/);
    await expect(runHiveCheck(`${folder.path}x`, folder.output)).rejects.toThrow(/ENOENT/);
  });
});
