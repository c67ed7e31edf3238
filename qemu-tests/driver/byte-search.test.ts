import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { filesBelow, textsInFile } from './byte-search.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-search-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const MIB = 1024 * 1024;

it('finds a text in both encodings, also across the pieces it reads', async () => {
  const path = join(dir, 'disk');
  const texts = ['secret', 'sécret'];
  for (const at of [0, 4 * MIB - 3, 8 * MIB - 1, 9 * MIB]) {
    for (const bytes of [Buffer.from('sécret', 'utf8'), Buffer.from('sécret', 'utf16le')]) {
      await writeFile(path, Buffer.concat([Buffer.alloc(at), bytes, Buffer.alloc(5)]));
      expect(await textsInFile(path, texts)).toEqual(['sécret']);
    }
  }
  await writeFile(path, Buffer.concat([Buffer.alloc(5 * MIB), Buffer.from('secre'), Buffer.alloc(5 * MIB)]));
  expect(await textsInFile(path, texts)).toEqual([]);
});

it('looks into all folders, and through no link', async () => {
  await mkdir(join(dir, 'a/b'), { recursive: true });
  await writeFile(join(dir, 'a/b/file'), '');
  await symlink('/etc', join(dir, 'a/link'));
  expect(await filesBelow(dir)).toEqual([join(dir, 'a/b/file')]);
});
