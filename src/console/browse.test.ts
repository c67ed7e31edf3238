import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { browseFolder } from './browse.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-browse-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('browseFolder', () => {
  it('lists folders first, then the files that end as wanted, in the order of people', async () => {
    for (const name of ['b2', 'b10', 'A']) await mkdir(join(dir, name));
    for (const name of ['z.SCO', 'a.sco', 'note.txt']) await writeFile(join(dir, name), 'four');
    await symlink('nowhere', join(dir, 'broken.sco'));
    await symlink(join(dir, 'A'), join(dir, 'link'));
    const folder = await browseFolder(`${dir}//`, { suffix: '.sco' });
    expect(folder.entries.map((one) => `${one.kind} ${one.name}`)).toEqual([
      'folder A',
      'folder b2',
      'folder b10',
      'folder link',
      'file a.sco',
      'file z.SCO',
    ]);
    expect(folder).toMatchObject({ path: dir, parent: tmpdir(), writable: true });
    expect(folder.freeBytes).toBeGreaterThan(0);
    expect(folder.entries[4]).toMatchObject({ sizeBytes: 4 });
    expect((await browseFolder('/')).parent).toBeUndefined();
  });

  it('says in one line why a folder cannot be shown', async () => {
    await writeFile(join(dir, 'file'), '');
    await expect(browseFolder(join(dir, 'gone'))).rejects.toThrow(/there is no such folder/);
    await expect(browseFolder(join(dir, 'file'))).rejects.toThrow(/it is not a folder/);
    await expect(browseFolder('here')).rejects.toThrow(/begins with \//);
    await expect(browseFolder('/a\0b')).rejects.toThrow(/begins with \//);
  });

  it('shows so many entries of a folder with more', async () => {
    for (let n = 0; n < 12; n += 1) await mkdir(join(dir, `f${n}`));
    expect((await browseFolder(dir, { entriesMax: 10 })).entries).toHaveLength(10);
  });
});
