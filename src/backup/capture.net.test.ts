import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { openBlockDevice } from '../disk/block-device.ts';
import { readDiskLayout, relocateGptBackup } from '../disk/partition-table.ts';
import { checkImage } from '../image/check.ts';
import { openImage } from '../image/image-reader.ts';
import { restoreImage } from '../image/restore.ts';
import { silentLog } from '../lib/log.ts';
import { silentScreen } from '../lib/screen.ts';
import { run } from '../lib/spawn.ts';
import { runBackup } from './backup-role.ts';

const MIB = 1024 * 1024;
let folder = '';
const cleanups: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-capture-'));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(folder, { recursive: true, force: true });
});

async function emptyFile(name: string, sizeBytes: number): Promise<string> {
  const path = join(folder, name);
  await (await open(path, 'w')).close();
  await truncate(path, sizeBytes);
  return path;
}

async function attach(path: string): Promise<string> {
  const loop = (await run('losetup', ['--find', '--show', path])).stdout.trim();
  cleanups.push(() => run('losetup', ['--detach', loop]));
  return loop;
}

const common = { machine: testMachine(3), disks: [], screen: silentScreen, logger: silentLog };
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

interface Volume {
  path: string;
  startSector: number;
  typeCode: string;
  /** partclone's program for an independent look at what is in use; undefined compares everything. */
  program: string | undefined;
  checker: string[];
}

/** Files with holes between them, in folders, of every small and some large size. */
async function makeTree(): Promise<string> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'dir'), { recursive: true });
  for (let i = 0; i < 40; i += 1) await writeFile(join(tree, 'dir', `file-${i}`), randomBytes(1 + i * 4001));
  await writeFile(join(tree, 'big'), randomBytes(9 * MIB + 17));
  await writeFile(join(tree, 'gone'), Buffer.alloc(5 * MIB, 'this was deleted'));
  return tree;
}

async function makeVolumes(tree: string): Promise<Volume[]> {
  const fat = await emptyFile('fat', 48 * MIB);
  await run('mkfs.vfat', ['-F', '32', '-s', '1', '-n', 'ESP', fat]);
  await run('mcopy', ['-i', fat, '-s', join(tree, 'dir'), join(tree, 'big'), '::']);
  const ext4 = await emptyFile('ext4', 96 * MIB);
  await run('mke2fs', ['-q', '-t', 'ext4', '-L', 'root', '-d', tree, ext4]);
  await run('debugfs', ['-w', '-R', 'rm /gone', ext4]);
  const ntfs = await emptyFile('ntfs', 64 * MIB);
  await run('mkntfs', ['-q', '-F', '-f', '-L', 'Windows', ntfs]);
  await run('ntfscp', ['-q', ntfs, join(tree, 'big'), 'big']);
  const swap = await emptyFile('swap', 16 * MIB);
  await run('mkswap', ['-L', 'swap', swap]);
  const unknown = join(folder, 'unknown');
  await writeFile(unknown, randomBytes(5 * MIB + 512));
  return [
    {
      path: fat,
      startSector: 2048,
      typeCode: 'EF00',
      program: 'partclone.fat32',
      checker: ['fsck.vfat', '-n'],
    },
    {
      path: ext4,
      startSector: 102_400,
      typeCode: '8300',
      program: 'partclone.ext4',
      checker: ['e2fsck', '-fn'],
    },
    // On no boundary at all, as partitions of old disks are.
    {
      path: ntfs,
      startSector: 300_001,
      typeCode: '0700',
      program: 'partclone.ntfs',
      checker: ['ntfsresize', '--info', '-f', '-P'],
    },
    { path: swap, startSector: 440_000, typeCode: '8200', program: undefined, checker: ['swaplabel'] },
    { path: unknown, startSector: 480_003, typeCode: '3900', program: undefined, checker: [] },
  ];
}

const DISK_BYTES = 256 * MIB;

async function makeDisk(volumes: readonly Volume[]): Promise<string> {
  const disk = await emptyFile('disk', DISK_BYTES);
  const args: string[] = ['-a', '1'];
  for (const [i, volume] of volumes.entries()) {
    const sectors = (await readFile(volume.path)).length / 512;
    args.push(
      '-n',
      `${i + 1}:${volume.startSector}:${volume.startSector + sectors - 1}`,
      '-t',
      `${i + 1}:${volume.typeCode}`,
    );
  }
  await run('sgdisk', [...args, disk]);
  const handle = await open(disk, 'r+');
  for (const volume of volumes) {
    const bytes = await readFile(volume.path);
    await handle.write(bytes, 0, bytes.length, volume.startSector * 512);
  }
  await handle.write(Buffer.alloc(300_000, 'boot loader'), 0, 300_000, 40 * 512);
  await handle.close();
  return disk;
}

/** Used areas by partclone itself, of the volume's own file: none of the project's code has a part in it. */
async function usedAreas(volume: Volume, sizeBytes: number): Promise<[number, number][]> {
  if (volume.typeCode === '8200') return [[0, 4096]];
  if (volume.program === undefined) return [[0, sizeBytes]];
  const map = join(folder, 'independent.map');
  await run(volume.program, ['-D', '-s', volume.path, '-O', map, '-L', join(folder, 'log')]);
  const lines = (await readFile(map, 'utf8')).split('\n').filter((line) => line.trim().endsWith('+'));
  return lines.map((line) => {
    const [start, size] = line.trim().split(/\s+/);
    return [Number(start), Number(size)];
  });
}

describe('capture and restore', () => {
  it('brings every used byte of a GPT disk to a bigger one, and nothing that was deleted', async () => {
    const tree = await makeTree();
    const volumes = await makeVolumes(tree);
    const loop = await attach(await makeDisk(volumes));
    const image = join(folder, 'disk.sco');
    const result = await runBackup({ ...common, disk: loop, to: image });
    expect(result.warnings).toEqual(['Partition 5 is captured whole: its filesystem is not known']);
    expect(await checkImage(image)).toMatchObject({ ok: true });

    const target = join(folder, 'target');
    await writeFile(target, Buffer.alloc(DISK_BYTES + 64 * MIB, 0xa5));
    {
      await using reader = await openImage(image);
      await using device = await openBlockDevice(await attach(target), { write: true });
      await restoreImage(reader, device);
      await relocateGptBackup(device, reader.manifest.disks[0]!);
    }
    const restored = await readFile(target);
    const source = await readFile(join(folder, 'disk'));
    expect(source.includes('this was deleted')).toBe(true);
    expect(restored.includes('this was deleted')).toBe(false);
    for (const volume of volumes) {
      const at = volume.startSector * 512;
      const bytes = await readFile(volume.path);
      for (const [start, size] of await usedAreas(volume, bytes.length)) {
        const expected = bytes.subarray(start, start + size);
        const found = restored.subarray(at + start, at + start + size);
        expect(found.equals(expected), `${volume.path} at ${start}`).toBe(true);
      }
      const copy = join(folder, 'copy');
      await writeFile(copy, restored.subarray(at, at + bytes.length));
      const [checker, ...args] = volume.checker;
      if (checker !== undefined) await run(checker, [...args, copy]);
      await writeFile(`${volume.path}.restored`, await readFile(copy));
    }
    expect(restored.subarray(40 * 512, 2048 * 512).equals(source.subarray(40 * 512, 2048 * 512))).toBe(true);
    expect((await run('sgdisk', ['-v', target])).stdout).toMatch(/No problems found/);

    const big = sha256(await readFile(join(tree, 'big')));
    await run('debugfs', ['-R', `dump /big ${join(folder, 'from-ext4')}`, join(folder, 'ext4.restored')]);
    expect(sha256(await readFile(join(folder, 'from-ext4')))).toBe(big);
    await run('mcopy', ['-n', '-i', join(folder, 'fat.restored'), '::big', join(folder, 'from-fat')]);
    expect(sha256(await readFile(join(folder, 'from-fat')))).toBe(big);
    await run('ntfsls', ['-F', join(folder, 'ntfs.restored')]);
  });

  it('keeps layout, labels and identities', async () => {
    const volumes = await makeVolumes(await makeTree());
    const disk = await makeDisk(volumes);
    const loop = await attach(disk);
    const image = join(folder, 'disk.sco');
    await runBackup({ ...common, disk: loop, to: image, partitions: [1, 4] });
    await using reader = await openImage(image);
    const [layout] = reader.manifest.disks;
    const blkid = await run('blkid', ['-p', '-s', 'UUID', '-o', 'value', join(folder, 'ext4')]);
    expect(layout?.partitions.map((one) => [one.number, one.filesystem.kind, one.filesystem.label])).toEqual([
      [1, 'fat32', 'ESP'],
      [2, 'ext4', 'root'],
      [3, 'ntfs', 'Windows'],
      [4, 'swap', 'swap'],
      [5, 'unknown', ''],
    ]);
    expect(layout?.partitions[1]?.filesystem.uuid).toBe(blkid.stdout.trim());
    expect(reader.manifest.parts.map((part) => [part.partition, part.method])).toEqual([
      [null, 'raw'],
      [1, 'partclone'],
      [4, 'swap-header'],
      [null, 'raw'],
    ]);
    await using device = await openBlockDevice(disk);
    const again = await readDiskLayout(device);
    expect({ ...layout, model: '', serial: '' }).toEqual(again);
  });
});

describe('where an image may go', () => {
  it('is never the disk that is captured', async () => {
    const loop = await attach(await emptyFile('disk', 32 * MIB));
    await run('mke2fs', ['-q', '-t', 'ext4', loop]);
    const mountPoint = join(folder, 'mounted');
    await mkdir(mountPoint);
    await run('mount', [loop, mountPoint]);
    cleanups.push(() => run('umount', [mountPoint]));
    const backup = runBackup({ ...common, disk: loop, to: join(mountPoint, 'a.sco') });
    await expect(backup).rejects.toThrow(
      `it lies on "${loop}", the disk to capture; choose another disk or the console`,
    );
    const elsewhere = runBackup({ ...common, disk: loop, to: join(folder, 'a.sco') });
    await expect(elsewhere).rejects.toThrow(
      `Cannot capture "${loop}": "${loop}" is in use (mounted at ${mountPoint}); start this computer from the boot medium instead`,
    );
    expect(await readdir(mountPoint)).toEqual(['lost+found']);
  });

  it('says that a disk is full, before or in the middle, and leaves nothing there', async () => {
    const disk = join(folder, 'disk');
    await writeFile(disk, Buffer.concat([Buffer.alloc(512), randomBytes(40 * MIB)]));
    const small = join(folder, 'small');
    await mkdir(small);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'td-small', small]);
    cleanups.push(() => run('umount', [small]));
    const middle = runBackup({ ...common, disk, to: join(small, 'a.sco') });
    await expect(middle).rejects.toMatchObject({ code: 'no-space' });
    await expect(middle).rejects.toThrow(
      /the disk is full after .*; free space there or choose another destination/,
    );
    expect(await readdir(small)).toEqual([]);
    await writeFile(join(small, 'other'), Buffer.alloc(9 * MIB));
    const before = runBackup({ ...common, disk, to: join(small, 'a.sco') });
    await expect(before).rejects.toThrow(/3\.\d MB are free there and 41.9 MB are in use on the disk/);
    expect(await readdir(small)).toEqual(['other']);
  });
});
