import { mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import type { FilesystemKind, Partition } from '../schema/disk-layout.ts';
import { openBlockDevice } from './block-device.ts';
import { findConsistencyProblems } from './consistency.ts';
import { MemoryDevice } from './testdata/memory-device.ts';

const MIB = 1024 * 1024;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-consistency-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function partition(kind: FilesystemKind, sizeBytes: number): Partition {
  const filesystem = { kind, label: '', uuid: '' };
  return { number: 2, startBytes: 0, sizeBytes, typeId: '', id: '', name: '', attributes: '', filesystem };
}

async function problemsOf(path: string, kind: FilesystemKind): Promise<string[]> {
  await using device = await openBlockDevice(path);
  const problems = await findConsistencyProblems(device, [partition(kind, device.sizeBytes)]);
  return problems.map(({ problem, cure }) => `${problem}; ${cure}`);
}

async function volume(program: string, args: readonly string[]): Promise<string> {
  const path = join(folder, 'volume');
  await (await open(path, 'w')).close();
  await truncate(path, 16 * MIB);
  await run(program, [...args, path]);
  return path;
}

describe('findConsistencyProblems', () => {
  it('finds nothing on clean filesystems', async () => {
    expect(await problemsOf(await volume('mke2fs', ['-q', '-t', 'ext4']), 'ext4')).toEqual([]);
    expect(await problemsOf(await volume('mkntfs', ['-q', '-F', '-f']), 'ntfs')).toEqual([]);
    expect(await problemsOf(await volume('mkswap', []), 'swap')).toEqual([]);
  });

  it.each([
    ['an open journal', ['feature needs_recovery'], 'was not unmounted cleanly; start the master'],
    ['a state that is not clean', ['set_super_value state 0'], 'was not unmounted cleanly'],
    ['recorded errors', ['set_super_value state 3'], 'has recorded errors; run "e2fsck -f"'],
  ])('finds %s on ext4', async (_title, commands, message) => {
    const path = await volume('mke2fs', ['-q', '-t', 'ext4']);
    for (const command of commands) await run('debugfs', ['-w', '-R', command, path]);
    const [problem] = await problemsOf(path, 'ext4');
    expect(problem).toMatch(/^Partition 2 \(ext4\) /);
    expect(problem).toContain(message);
  });

  it('finds a damaged NTFS', async () => {
    const path = await volume('mkntfs', ['-q', '-F', '-f', '-c', '4096']);
    const handle = await open(path, 'r+');
    await handle.write(Buffer.alloc(64 * 1024), 0, 64 * 1024, 4 * 4096);
    await handle.close();
    expect(await problemsOf(path, 'ntfs')).toEqual([expect.stringContaining('damaged master file table')]);
  });

  it('finds a hibernated system in a swap area', async () => {
    const disk = new MemoryDevice(Buffer.alloc(MIB));
    disk.bytes.write('S1SUSPEND\0', 4086, 'latin1');
    const problems = await findConsistencyProblems(disk, [partition('swap', MIB)]);
    expect(problems[0]?.problem).toBe('Partition 2 (swap) holds a hibernated system');
  });
});
