import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBlockDevice } from '../disk/block-device.ts';
import { encodeMbr, makeGptDisk } from '../disk/testdata/made-disks.ts';
import { MemoryDevice } from '../disk/testdata/memory-device.ts';
import type { ManifestDraft, WrittenImage } from '../image/image-writer.ts';
import { TdError } from '../lib/errors.ts';
import type { ProgressState } from '../lib/progress.ts';
import { run } from '../lib/spawn.ts';
import { captureDisk } from './capture.ts';
import { planCapture } from './capture-plan.ts';

const MIB = 1024 * 1024;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-capture-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Remembers what it was given, slowly when asked to. */
class FakeWriter {
  readonly chunkBytes = MIB;
  readonly blocks: { offsetBytes: number; raw: Buffer }[] = [];
  draft: ManifestDraft | undefined;
  onAdd: () => Promise<void> | void = () => {};

  async add(place: { disk: number; offsetBytes: number }, raw: Buffer): Promise<void> {
    await this.onAdd();
    this.blocks.push({ offsetBytes: place.offsetBytes, raw });
  }

  async finish(draft: ManifestDraft): Promise<WrittenImage> {
    this.draft = draft;
    return {} as WrittenImage;
  }
}

/** An MBR disk: swap, something unknown with data in two places, and a gap with boot code. */
function madeDisk(): MemoryDevice {
  const disk = new MemoryDevice(Buffer.alloc(12 * MIB));
  disk.bytes.fill(0xc0, 512, 4096);
  encodeMbr([
    { type: 0x82, firstSector: 2048, sectorCount: (4 * MIB) / 512 },
    { type: 0x83, firstSector: (5 * MIB) / 512 + 63, sectorCount: 5000 },
  ]).copy(disk.bytes);
  disk.bytes.write('SWAPSPACE2', MIB + 4086);
  disk.bytes.fill(0x77, 2 * MIB, 3 * MIB); // what was swapped out
  disk.bytes.fill(0x11, 5 * MIB + 63 * 512, 6 * MIB);
  return disk;
}

function optionsFor(writer: FakeWriter, plan: Awaited<ReturnType<typeof planCapture>>) {
  let nowMs = 0;
  return {
    plan,
    writer,
    name: 'test',
    comment: '',
    createdAt: '2026-01-01T00:00:00.000Z',
    source: { hostname: 'master', model: '', serial: '', firmware: 'bios' as const },
    clock: {
      nowMs: () => {
        nowMs += 10;
        return nowMs;
      },
    },
  };
}

describe('captureDisk', () => {
  it('takes boot areas and used blocks in order, each in its place, free ones as zeros', async () => {
    const disk = madeDisk();
    const plan = await planCapture(disk);
    const writer = new FakeWriter();
    const progress: ProgressState[] = [];
    await captureDisk(disk, { ...optionsFor(writer, plan), onProgress: (state) => progress.push(state) });
    expect(writer.blocks.map(({ offsetBytes, raw }) => [offsetBytes, raw.length])).toEqual([
      [0, MIB],
      [MIB, MIB],
      [5 * MIB + 63 * 512, MIB],
      [6 * MIB + 63 * 512, MIB],
      [7 * MIB + 63 * 512, 5000 * 512 - 2 * MIB],
    ]);
    const restored = Buffer.alloc(12 * MIB);
    for (const { offsetBytes, raw } of writer.blocks) raw.copy(restored, offsetBytes);
    const expected = Buffer.from(disk.bytes);
    expected.fill(0, MIB + 4096, 5 * MIB);
    expect(restored.equals(expected)).toBe(true);
    expect(plan.usedBytes).toBe(MIB + 4096 + 5000 * 512);
    expect(plan.lastUsedBytes).toBe(5 * MIB + 63 * 512 + 5000 * 512);
    expect(progress.at(-1)).toMatchObject({ doneBytes: plan.usedBytes, totalBytes: plan.usedBytes });
    expect(writer.draft).toMatchObject({
      name: 'test',
      usedBytes: plan.usedBytes,
      flaws: [],
      parts: [
        { partition: null, startBytes: 0, method: 'raw' },
        { partition: 1, method: 'swap-header', usedBytes: 4096, blockBytes: 4096 },
        {
          partition: 2,
          method: 'raw',
          warnings: ['Partition 2 is captured whole: its filesystem is not known'],
        },
      ],
    });
  });

  it('takes the chosen partitions only, and always the boot areas', async () => {
    const disk = madeDisk();
    const writer = new FakeWriter();
    const plan = await planCapture(disk, { partitions: [1] });
    await captureDisk(disk, optionsFor(writer, plan));
    expect(writer.blocks.map((block) => block.offsetBytes)).toEqual([0, MIB]);
    expect(writer.draft?.disks[0]?.partitions).toHaveLength(2);
    await expect(planCapture(disk, { partitions: [1, 3] })).rejects.toThrow(
      'Cannot capture partition 3 of "memory": it has 1, 2',
    );
  });

  it('reads a few cells ahead of a slow writer and no more', async () => {
    const disk = new MemoryDevice(Buffer.alloc(64 * MIB, 1));
    disk.bytes.fill(0, 0, 512);
    const plan = await planCapture(disk);
    let started = 0;
    const read = disk.read.bind(disk);
    disk.read = async (offset, length) => {
      started += 1;
      return await read(offset, length);
    };
    const writer = new FakeWriter();
    let mostAhead = 0;
    writer.onAdd = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      mostAhead = Math.max(mostAhead, started - writer.blocks.length);
    };
    await captureDisk(disk, optionsFor(writer, plan));
    expect(writer.blocks).toHaveLength(64);
    expect(mostAhead).toBeGreaterThan(2);
    expect(mostAhead).toBeLessThanOrEqual(7);
  });

  it('names the disk and the place of a read error', async () => {
    const disk = madeDisk();
    const plan = await planCapture(disk);
    const read = disk.read.bind(disk);
    disk.read = async (offset, length) => {
      if (offset === 6 * MIB + 63 * 512)
        throw new TdError('io', `Cannot read "/dev/sda" at ${offset}: read error`);
      return await read(offset, length);
    };
    const writer = new FakeWriter();
    const capture = captureDisk(disk, optionsFor(writer, plan));
    await expect(capture).rejects.toMatchObject({
      code: 'io',
      message: 'Cannot read "/dev/sda" at 6323712: read error',
    });
    expect(writer.draft).toBeUndefined();
  });

  it('stops at once when it is cancelled, with the reason it was given', async () => {
    const disk = madeDisk();
    const plan = await planCapture(disk);
    const stop = new AbortController();
    const writer = new FakeWriter();
    writer.onAdd = () => stop.abort(new TdError('network', 'the console is gone'));
    const capture = captureDisk(disk, { ...optionsFor(writer, plan), signal: stop.signal });
    await expect(capture).rejects.toThrow('the console is gone');
    expect(writer.blocks).toHaveLength(1);
    expect(writer.draft).toBeUndefined();
  });
});

describe('planCapture', () => {
  async function ext4File(): Promise<string> {
    const tree = join(folder, 'tree');
    await mkdir(tree);
    await writeFile(join(tree, 'file'), Buffer.alloc(3 * MIB, 'content'));
    const path = join(folder, 'volume');
    await (await open(path, 'w')).close();
    await truncate(path, 64 * MIB);
    await run('mke2fs', ['-q', '-t', 'ext4', '-b', '4096', '-d', tree, path]);
    return path;
  }

  it('maps a filesystem on a disk without a table', async () => {
    await using device = await openBlockDevice(await ext4File());
    const plan = await planCapture(device);
    expect(plan.parts).toHaveLength(1);
    expect(plan.parts[0]?.part).toMatchObject({ partition: 1, method: 'partclone', blockBytes: 4096 });
    expect(plan.usedBytes).toBeGreaterThan(3 * MIB);
    expect(plan.usedBytes).toBeLessThan(32 * MIB);
    expect(plan.warnings).toEqual([]);
  });

  it('refuses a filesystem that was not unmounted cleanly, says what to do, and takes it by force', async () => {
    const path = await ext4File();
    await run('debugfs', ['-w', '-R', 'feature needs_recovery', path]);
    await using device = await openBlockDevice(path);
    const refused = planCapture(device);
    await expect(refused).rejects.toMatchObject({ code: 'refused' });
    await expect(refused).rejects.toThrow(
      `Cannot capture "${path}": Partition 1 (ext4) was not unmounted cleanly; start the master and shut it down, or run "e2fsck" on it, or capture it as it is with --force`,
    );
    const plan = await planCapture(device, { force: true });
    expect(plan.flaws).toEqual(['Partition 1 (ext4) was not unmounted cleanly; captured by force']);
    expect(plan.parts[0]?.part.method).toBe('partclone');
  });

  it('says so in the image when only the backup of the table could be used', async () => {
    const disk = makeGptDisk({ sizeBytes: 4 * MIB, entries: [] });
    disk.bytes.fill(0, 512, 1024);
    const plan = await planCapture(disk);
    expect(plan.parts[0]?.part.warnings[0]).toContain('its backup copy was used');
    expect(plan.warnings).toHaveLength(1);
  });
});
