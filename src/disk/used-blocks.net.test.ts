import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import type { FilesystemKind, Partition } from '../schema/disk-layout.ts';
import { openBlockDevice } from './block-device.ts';
import { usedBlocks } from './used-blocks.ts';

const MIB = 1024 * 1024;
/** Not a multiple of a mebibyte, as on old disks. */
const START_BYTES = 63 * 512;

/** Programs that read a whole filesystem and fail when anything is wrong with it. */
const CHECKERS: Partial<Record<FilesystemKind, string[]>> = {
  ext2: ['e2fsck', '-fn'],
  ext3: ['e2fsck', '-fn'],
  ext4: ['e2fsck', '-fn'],
  ntfs: ['ntfsresize', '--info', '--force', '--no-progress-bar'],
  fat12: ['fsck.vfat', '-n'],
  fat16: ['fsck.vfat', '-n'],
  fat32: ['fsck.vfat', '-n'],
  exfat: ['fsck.exfat', '-n'],
  xfs: ['xfs_repair', '-n', '-f'],
  btrfs: ['btrfs', 'check', '--readonly'],
  f2fs: ['fsck.f2fs', '--dry-run'],
};

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-used-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function emptyFile(name: string, sizeBytes: number): Promise<string> {
  const path = join(folder, name);
  await (await open(path, 'w')).close();
  await truncate(path, sizeBytes);
  return path;
}

/** A disk file with one volume behind 63 sectors. */
async function diskWith(volume: string): Promise<{ disk: string; sizeBytes: number }> {
  const sizeBytes = (await readFile(volume)).length;
  const disk = await emptyFile('disk', START_BYTES + sizeBytes + MIB);
  const handle = await open(disk, 'r+');
  await handle.write(await readFile(volume), 0, sizeBytes, START_BYTES);
  await handle.close();
  return { disk, sizeBytes };
}

function partition(kind: FilesystemKind, sizeBytes: number, startBytes = START_BYTES): Partition {
  const filesystem = { kind, label: '', uuid: '' };
  return { number: 1, startBytes, sizeBytes, typeId: '', id: '', name: '', attributes: '', filesystem };
}

async function loopsOn(path: string): Promise<string> {
  return (await run('losetup', ['--associated', path])).stdout;
}

describe('usedBlocks', () => {
  it.each<[FilesystemKind, number, string, string[], number]>([
    ['ext2', 24, 'mke2fs', ['-q', '-t', 'ext2'], 1024],
    ['ext3', 24, 'mke2fs', ['-q', '-t', 'ext3'], 1024],
    ['ext4', 24, 'mke2fs', ['-q', '-t', 'ext4', '-b', '4096'], 4096],
    ['ntfs', 24, 'mkntfs', ['-q', '-F', '-f'], 4096],
    ['fat12', 4, 'mkfs.vfat', ['-F', '12'], 512],
    ['fat16', 24, 'mkfs.vfat', ['-F', '16'], 512],
    ['fat32', 64, 'mkfs.vfat', ['-F', '32', '-s', '1'], 512],
    ['exfat', 24, 'mkfs.exfat', [], 4096],
    ['xfs', 320, 'mkfs.xfs', ['-q'], 4096],
    ['btrfs', 128, 'mkfs.btrfs', ['-q'], 4096],
    ['f2fs', 128, 'mkfs.f2fs', ['-q'], 4096],
  ])(
    'maps %s: used and free blocks of the partition, and no loop device stays',
    async (kind, mebibytes, program, args, blockBytes) => {
      const volume = await emptyFile('volume', mebibytes * MIB);
      await run(program, [...args, volume]);
      const { disk, sizeBytes } = await diskWith(volume);
      await using device = await openBlockDevice(disk);
      const used = await usedBlocks(device, partition(kind, sizeBytes));
      expect(used.warnings).toEqual([]);
      expect(used.method).toBe('partclone');
      expect(used.blockBytes % 512).toBe(0);
      expect(used.blockBytes).toBeGreaterThanOrEqual(Math.min(blockBytes, 512));
      expect(used.usedBytes).toBeGreaterThan(0);
      expect(used.usedBytes).toBeLessThan(sizeBytes * 0.95);
      let last = START_BYTES - 1;
      for (const extent of used.extents) {
        expect(extent.startBytes).toBeGreaterThan(last);
        last = extent.startBytes + extent.sizeBytes;
      }
      expect(last).toBeLessThanOrEqual(START_BYTES + sizeBytes);
      // What a target gets: used bytes as they are, and something else where nothing was restored.
      const restored = Buffer.alloc(sizeBytes, 0xa5);
      for (const extent of used.extents) {
        const bytes = await device.read(extent.startBytes, extent.sizeBytes);
        bytes.copy(restored, extent.startBytes - START_BYTES);
      }
      await writeFile(volume, restored);
      const [checker, ...checkArgs] = CHECKERS[kind] ?? [];
      await run(checker!, [...checkArgs, volume]);
      expect(await loopsOn(disk)).toBe('');
    },
  );

  it('finds the data of files, and not what was deleted', async () => {
    const tree = join(folder, 'tree');
    await mkdir(tree);
    const data = Buffer.alloc(4 * MIB, 'keep this');
    await writeFile(join(tree, 'kept'), data);
    await writeFile(join(tree, 'gone'), Buffer.alloc(4 * MIB, 'forget this'));
    const volume = await emptyFile('volume', 32 * MIB);
    await run('mke2fs', ['-q', '-t', 'ext4', '-d', tree, volume]);
    await run('debugfs', ['-w', '-R', 'rm /gone', volume]);
    const { disk, sizeBytes } = await diskWith(volume);
    await using device = await openBlockDevice(disk);
    const used = await usedBlocks(device, partition('ext4', sizeBytes));
    const bytes: Buffer[] = [];
    for (const extent of used.extents) bytes.push(await device.read(extent.startBytes, extent.sizeBytes));
    const all = Buffer.concat(bytes);
    expect(all.includes(data.subarray(0, 4096))).toBe(true);
    expect(all.includes('forget this')).toBe(false);
  });

  it('takes the header of a swap area only', async () => {
    const volume = await emptyFile('volume', 8 * MIB);
    await run('mkswap', [volume]);
    const { disk, sizeBytes } = await diskWith(volume);
    await using device = await openBlockDevice(disk);
    expect(await usedBlocks(device, partition('swap', sizeBytes))).toEqual({
      extents: [{ startBytes: START_BYTES, sizeBytes: 4096 }],
      method: 'swap-header',
      blockBytes: 4096,
      usedBytes: 4096,
      warnings: [],
    });
  });

  it.each<[FilesystemKind, RegExp]>([
    ['unknown', /captured whole: its filesystem is not known$/],
    ['luks', /captured whole: it is encrypted \(LUKS\)/],
    ['bitlocker', /captured whole: it is encrypted \(BitLocker\)/],
    ['lvm2', /captured whole: it holds LVM volumes$/],
    ['ldm', /captured whole: it belongs to a Windows dynamic disk$/],
    [
      'ext4',
      /captured whole: its ext4 blocks could not be mapped \(partclone.ext4: .*valid filesystem superblock/,
    ],
  ])('takes all of what is %s and cannot be mapped, and says why', async (kind, warning) => {
    const disk = await emptyFile('disk', START_BYTES + 4 * MIB);
    await using device = await openBlockDevice(disk);
    const used = await usedBlocks(device, partition(kind, 4 * MIB));
    expect(used).toMatchObject({ method: 'raw', blockBytes: 0, usedBytes: 4 * MIB });
    expect(used.extents).toEqual([{ startBytes: START_BYTES, sizeBytes: 4 * MIB }]);
    expect(used.warnings).toHaveLength(1);
    expect(used.warnings[0]).toMatch(warning);
    expect(await loopsOn(disk)).toBe('');
  });

  it('warns of nothing where no filesystem is to be expected', async () => {
    const disk = await emptyFile('disk', START_BYTES + MIB);
    await using device = await openBlockDevice(disk);
    const bios = { ...partition('unknown', MIB), typeId: '21686148-6449-6E6F-744E-656564454649' };
    expect(await usedBlocks(device, bios)).toMatchObject({ method: 'raw', usedBytes: MIB, warnings: [] });
  });

  it('counts as used what lies behind a filesystem smaller than its partition', async () => {
    const volume = await emptyFile('volume', 16 * MIB);
    await run('mke2fs', ['-q', '-t', 'ext4', '-b', '4096', volume, '2048']);
    const { disk, sizeBytes } = await diskWith(volume);
    await using device = await openBlockDevice(disk);
    const used = await usedBlocks(device, partition('ext4', sizeBytes));
    const last = used.extents.at(-1)!;
    expect(last.startBytes).toBeLessThanOrEqual(START_BYTES + 8 * MIB);
    expect(last.startBytes + last.sizeBytes).toBe(START_BYTES + sizeBytes);
  });

  it('stops when it is cancelled, and leaves no loop device', async () => {
    const volume = await emptyFile('volume', 320 * MIB);
    await run('mkfs.xfs', ['-q', volume]);
    const { disk, sizeBytes } = await diskWith(volume);
    await using device = await openBlockDevice(disk);
    const mapping = usedBlocks(device, partition('xfs', sizeBytes), { signal: AbortSignal.timeout(150) });
    await expect(mapping).rejects.toMatchObject({ code: 'cancelled' });
    expect(await loopsOn(disk)).toBe('');
  });
});
