import { mkdir, mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../lib/clock.ts';
import { run } from '../lib/spawn.ts';
import { openBlockDevice } from './block-device.ts';
import { disksBehindMount, listMounts, mountOf } from './mounts.ts';

const MIB = 1024 * 1024;
let folder = '';
let file = '';
let loop = '';
const loops: string[] = [];

async function attach(args: readonly string[]): Promise<string> {
  const path = (await run('losetup', ['--find', '--show', ...args])).stdout.trim();
  loops.push(path);
  return path;
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-loop-'));
  file = join(folder, 'disk');
  await (await open(file, 'w')).close();
  await truncate(file, 16 * MIB + 3 * 512);
  loop = await attach([file]);
});
afterEach(async () => {
  for (const path of loops.splice(0).reverse()) await run('losetup', ['--detach', path]);
  await rm(folder, { recursive: true, force: true });
});

describe('openBlockDevice on a disk', () => {
  it('knows size, sectors and name', async () => {
    const big = await attach(['--sector-size', '4096', file]);
    await using device = await openBlockDevice(loop);
    await using other = await openBlockDevice(big);
    expect(device).toMatchObject({
      sizeBytes: 16 * MIB + 3 * 512,
      logicalSectorBytes: 512,
      kernelName: basename(loop),
      readOnly: false,
    });
    expect(other.logicalSectorBytes).toBe(4096);
  });

  it('writes what it is given at any place, past the page cache and through it, side by side', async () => {
    const random = seededRandom(7);
    const expected = Buffer.alloc(16 * MIB + 3 * 512);
    {
      await using device = await openBlockDevice(loop, { write: true });
      const writes: Promise<void>[] = [];
      // Neighbours that share pages: 63 sectors, as the partitions of old disks lie.
      for (let at = 0; at < expected.length; ) {
        const length = Math.min(expected.length - at, (1 + Math.floor(random() * 3000)) * 512);
        const bytes = Buffer.alloc(length, Math.floor(random() * 256));
        bytes.copy(expected, at);
        writes.push(device.write(at, bytes));
        at += length;
      }
      await Promise.all(writes);
      await device.flush();
      expect((await device.read(0, expected.length)).equals(expected)).toBe(true);
    }
    await run('blockdev', ['--flushbufs', loop]);
    expect((await readFile(file)).equals(expected)).toBe(true);
  });

  it('refuses to write to a mounted disk and says where it is mounted', async () => {
    await run('mke2fs', ['-q', '-t', 'ext4', loop]);
    const mountPoint = join(folder, 'mounted here');
    await mkdir(mountPoint);
    await run('mount', [loop, mountPoint]);
    try {
      const opening = openBlockDevice(loop, { write: true });
      await expect(opening).rejects.toMatchObject({ code: 'refused' });
      await expect(opening).rejects.toThrow(
        `Cannot write to "${loop}": it is in use (mounted at ${mountPoint}); release it first`,
      );
      await using reading = await openBlockDevice(loop);
      expect(reading.sizeBytes).toBeGreaterThan(0);
      const mount = mountOf(join(mountPoint, 'x.sco'), await listMounts());
      expect(await disksBehindMount(mount!)).toContain(basename(loop));
    } finally {
      await run('umount', [mountPoint]);
    }
  });

  it('refuses a second writer', async () => {
    await using first = await openBlockDevice(loop, { write: true });
    await expect(openBlockDevice(loop, { write: true })).rejects.toThrow(`"${first.path}": it is in use`);
  });

  it('refuses to write to a read-only disk', async () => {
    const locked = await attach(['--read-only', file]);
    const opening = openBlockDevice(locked, { write: true });
    await expect(opening).rejects.toThrow(`Cannot write to "${locked}": it is read-only`);
    await using reading = await openBlockDevice(locked);
    expect(reading.readOnly).toBe(true);
  });

  it('finds the real disks behind a loop device on a loop device', async () => {
    const inner = await attach(['--offset', String(MIB), loop]);
    await run('mke2fs', ['-q', '-t', 'ext4', inner]);
    const mountPoint = join(folder, 'inner');
    await mkdir(mountPoint);
    await run('mount', [inner, mountPoint]);
    try {
      const behind = await disksBehindMount(mountOf(mountPoint, await listMounts())!);
      expect(behind).toEqual(expect.arrayContaining([basename(inner), basename(loop)]));
    } finally {
      await run('umount', [mountPoint]);
    }
  });
});
