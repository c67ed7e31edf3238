import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Hive } from '../registry-hive/hive.ts';
import { text } from '../registry-hive/value-data.ts';
import { HiveSet } from './hive-set.ts';
import { openPhonyWindows, readValue } from './testdata/phony-windows.ts';

const SYSTEM = 'Windows/System32/config/SYSTEM';
const BACKUP = `${SYSTEM}.td-bak`;

async function edited() {
  const phony = await openPhonyWindows({ release: '7' });
  const { dir, windows } = phony;
  const before = await readFile(join(dir, SYSTEM));
  (await windows.hives.open('system')).root.ensure('Setup').set('Made', text('by a test'));
  return { phony, dir, hives: windows.hives, root: windows.root, before };
}

describe('HiveSet', () => {
  it('keeps the old hive until commit, in the file that was there', async () => {
    const { phony, dir, hives, before } = await edited();
    await using _ = phony;
    const { ino } = await stat(join(dir, SYSTEM));
    expect(await readFile(join(dir, SYSTEM))).toEqual(before);
    await hives.save();
    expect(readValue(Hive.parse(await readFile(join(dir, SYSTEM))), 'Setup!Made')).toBe('by a test');
    expect(await readFile(join(dir, BACKUP))).toEqual(before);
    expect((await stat(join(dir, SYSTEM))).ino).toBe(ino);
    await hives.commit();
    await expect(stat(join(dir, BACKUP))).rejects.toThrow('ENOENT');
  });

  it('writes only what was changed', async () => {
    const { phony, dir, hives } = await edited();
    await using _ = phony;
    const software = await readFile(join(dir, 'Windows/System32/config/SOFTWARE'));
    await hives.open('SOFTWARE');
    await hives.save();
    expect(await readFile(join(dir, 'Windows/System32/config/SOFTWARE'))).toEqual(software);
    await expect(stat(join(dir, 'Windows/System32/config/SOFTWARE.td-bak'))).rejects.toThrow('ENOENT');
  });

  it('brings the old hive back when all is discarded', async () => {
    const { phony, dir, hives, before } = await edited();
    await using _ = phony;
    await hives.save();
    await hives.discard();
    expect(await readFile(join(dir, SYSTEM))).toEqual(before);
    await expect(stat(join(dir, BACKUP))).rejects.toThrow('ENOENT');
    expect(readValue(await hives.open('SYSTEM'), 'Setup!Made')).toBeUndefined();
  });

  it('begins with the old hive again after a run that was cut off while it wrote', async () => {
    const { phony, dir, hives, root, before } = await edited();
    await using _ = phony;
    await hives.save();
    await writeFile(join(dir, SYSTEM), before.subarray(0, 5000));
    const next = new HiveSet(root, { systemDir: 'Windows' });
    expect(readValue(await next.open('SYSTEM'), 'Setup!Made')).toBeUndefined();
    expect(await readFile(join(dir, SYSTEM))).toEqual(before);
  });

  it('returns to a snapshot, and forgets what was opened since', async () => {
    const { phony, hives } = await edited();
    await using _ = phony;
    const snapshot = hives.snapshot();
    (await hives.open('SYSTEM')).root.ensure('Setup').set('Made', text('later'));
    (await hives.open('Users/eve/NTUSER.DAT')).root.ensure('Later');
    hives.restore(snapshot);
    expect(readValue(await hives.open('SYSTEM'), 'Setup!Made')).toBe('by a test');
    expect((await hives.open('users\\EVE\\ntuser.dat')).key('Later')).toBeUndefined();
  });

  it('names the hive that is no hive', async () => {
    const { phony, dir, hives } = await edited();
    await using _ = phony;
    await writeFile(join(dir, 'Users/eve/NTUSER.DAT'), 'no hive');
    await expect(hives.open('Users/eve/NTUSER.DAT')).rejects.toThrow(
      /^Cannot use the registry hive "Users\/eve\/NTUSER\.DAT": /,
    );
    await expect(hives.open('NOTHING')).rejects.toMatchObject({ code: 'not-found' });
  });
});
