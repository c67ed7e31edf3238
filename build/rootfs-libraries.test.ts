import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { listTree, parseNeeded } from './rootfs-libraries.ts';

const dirs: string[] = [];

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

describe('parseNeeded', () => {
  it('reads the libraries of each file', () => {
    const text = `
File: usr/bin/a

Dynamic section at offset 0x1 contains 2 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
 0x000000000000000e (SONAME)             Library soname: [a.so]

File: usr/bin/static

There is no dynamic section in this file.
`;
    expect([...parseNeeded(text)]).toEqual([
      ['usr/bin/a', ['libc.so.6', 'libm.so.6']],
      ['usr/bin/static', []],
    ]);
  });
});

describe('listTree', () => {
  it('lists in a fixed order and does not follow links to folders', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'totaldeploy-tree-'));
    dirs.push(dir);
    await mkdir(join(dir, 'b/c'), { recursive: true });
    await writeFile(join(dir, 'b/c/file'), '');
    await symlink('b', join(dir, 'a'));
    expect(await listTree(dir)).toEqual(['a', 'b/c/file']);
    expect(await listTree(dir, { directories: true })).toEqual(['a', 'b', 'b/c', 'b/c/file']);
  });
});
