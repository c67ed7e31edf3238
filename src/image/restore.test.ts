import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openImage } from './image-reader.ts';
import { type DiskTarget, restoreImage, usedExtent } from './restore.ts';
import {
  type Block,
  noise,
  smallBlocks,
  temporaryFolder,
  words,
  writeImage,
} from './testdata/small-image.ts';

class MemoryTarget implements DiskTarget {
  readonly path = '/dev/test';
  readonly sizeBytes: number;
  readonly bytes: Buffer;
  readonly writes: { offsetBytes: number; length: number }[] = [];
  flushed = 0;

  constructor(sizeBytes: number, fill = 0xee) {
    this.sizeBytes = sizeBytes;
    this.bytes = Buffer.alloc(sizeBytes, fill);
  }
  async write(offsetBytes: number, bytes: Buffer): Promise<void> {
    expect(offsetBytes + bytes.length).toBeLessThanOrEqual(this.sizeBytes);
    this.writes.push({ offsetBytes, length: bytes.length });
    bytes.copy(this.bytes, offsetBytes);
  }
  async read(offsetBytes: number, length: number): Promise<Buffer> {
    return Buffer.from(this.bytes.subarray(offsetBytes, offsetBytes + length));
  }
  async flush(): Promise<void> {
    this.flushed += 1;
  }
}

function expectedBytes(sizeBytes: number, blocks: readonly Block[], disk = 0): Buffer {
  const bytes = Buffer.alloc(sizeBytes, 0xee);
  const own = blocks.filter((block) => (block.disk ?? 0) === disk);
  if (own.some((block) => block.offsetBytes === 0)) bytes.fill(0, 0, 8192).fill(0, sizeBytes - 4096);
  for (const block of blocks) if ((block.disk ?? 0) === disk) block.raw.copy(bytes, block.offsetBytes);
  return bytes;
}

describe('image restore', () => {
  it('writes every block and zeros, and leaves the rest alone', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    await using reader = await openImage(path);
    const target = new MemoryTarget(1024 * 1024);
    const summary = await restoreImage(reader, target, { verify: true });
    expect(target.bytes.equals(expectedBytes(1024 * 1024, smallBlocks()))).toBe(true);
    expect(summary).toEqual({ disk: 0, writtenBytes: 4096 * 4 + 512, zeroBytes: 4096, verified: true });
  });

  it('restores any blocks of any disk', async () => {
    await using folder = await temporaryFolder();
    const kinds = fc.constantFrom('noise', 'words', 'zero', 'absent');
    const disks = fc.array(fc.array(fc.tuple(kinds, fc.integer({ min: 1, max: 8 })), { maxLength: 20 }), {
      minLength: 1,
      maxLength: 3,
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(disks, async (plan) => {
        const blocks: Block[] = [];
        plan.forEach((cells, disk) => {
          let offsetBytes = 0;
          for (const [kind, sectors] of cells) {
            const length = sectors * 512;
            const raw =
              kind === 'noise'
                ? noise(length, sectors)
                : kind === 'words'
                  ? words(length, 7)
                  : Buffer.alloc(length);
            if (kind !== 'absent') blocks.push({ disk, offsetBytes, raw });
            offsetBytes += length;
          }
        });
        run += 1;
        const path = join(folder.path, `${run}.sco`);
        await writeImage(path, { blocks, sizeBytes: 128 * 1024 });
        await using reader = await openImage(path);
        for (const disk of reader.manifest.disks.keys()) {
          const target = new MemoryTarget(128 * 1024);
          await restoreImage(reader, target, { disk });
          expect(target.bytes.equals(expectedBytes(128 * 1024, blocks, disk))).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('gathers neighbours into writes of 4 MiB in ascending order', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const blocks = Array.from({ length: 10 }, (_, i) => ({
      offsetBytes: i * 1024 * 1024,
      raw: i % 2 === 0 ? words(1024 * 1024, i) : Buffer.alloc(1024 * 1024),
    }));
    await writeImage(path, { blocks, sizeBytes: 2 ** 24 });
    await using reader = await openImage(path);
    const target = new MemoryTarget(2 ** 24);
    await restoreImage(reader, target);
    const mebibytes = target.writes.map(({ offsetBytes, length }) => [
      offsetBytes / 2 ** 20,
      length / 2 ** 20,
    ]);
    // The old tables go first, the first MiB comes last.
    expect(mebibytes.slice(0, 2).map(([offset]) => offset)).toEqual([16 - 4096 / 2 ** 20, 0]);
    expect(mebibytes.slice(2)).toEqual([
      [1, 4],
      [5, 4],
      [9, 1],
      [0, 1],
    ]);
  });

  it('writes nothing to a disk that is too small', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    await using reader = await openImage(path);
    const { endBytes } = usedExtent(reader, 0);
    const target = new MemoryTarget(endBytes - 512);
    await expect(restoreImage(reader, target)).rejects.toMatchObject({ code: 'refused' });
    expect(target.writes).toEqual([]);
    await restoreImage(reader, new MemoryTarget(endBytes));
  });

  it('leaves a backup GPT behind the end of a smaller disk out', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const area = { kind: 'gpt-backup' as const, startBytes: 1024 * 1024 - 512 * 33, sizeBytes: 512 * 33 };
    const tail = { offsetBytes: area.startBytes, raw: noise(area.sizeBytes, 9) };
    await writeImage(path, { blocks: [...smallBlocks(), tail] });
    await using opened = await openImage(path);
    opened.manifest.disks[0]!.bootAreas.push(area);
    const smaller = new MemoryTarget(512 * 1024);
    await restoreImage(opened, smaller);
    expect(smaller.bytes.equals(expectedBytes(512 * 1024, smallBlocks()))).toBe(true);
    const same = new MemoryTarget(1024 * 1024);
    await restoreImage(opened, same);
    expect(same.bytes.equals(expectedBytes(1024 * 1024, [...smallBlocks(), tail]))).toBe(true);
  });

  it('stops before it writes a damaged block', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    const bytes = await readFile(path);
    const offset = await (async () => {
      await using reader = await openImage(path);
      return reader.index.chunk(1).fileOffset;
    })();
    bytes[offset]! ^= 1;
    await writeFile(path, bytes);
    await using reader = await openImage(path);
    const target = new MemoryTarget(1024 * 1024);
    await expect(restoreImage(reader, target)).rejects.toThrow(
      /Cannot read chunk 1 of ".*" *: it is damaged/,
    );
    expect(
      target.bytes.equals(expectedBytes(1024 * 1024, [{ offsetBytes: 0, raw: Buffer.alloc(512) }])),
    ).toBe(true);
  });

  it('finds a disk that keeps other bytes than it was given', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    await using reader = await openImage(path);
    const target = new MemoryTarget(1024 * 1024);
    target.flush = async () => {
      target.flushed += 1;
      if (target.flushed === 3) target.bytes[4096 * 2 + 5]! ^= 1;
    };
    await expect(restoreImage(reader, target, { verify: true })).rejects.toThrow(
      '1 blocks read back differently, the first at byte 8192',
    );
  });

  it('can be cancelled, names a missing disk, and passes the disk errors on', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    await using reader = await openImage(path);
    const cancel = new AbortController();
    const target = new MemoryTarget(1024 * 1024);
    const cancelled = restoreImage(reader, target, {
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    await expect(restoreImage(reader, target, { disk: 1 })).rejects.toMatchObject({ code: 'usage' });
    target.write = async () => {
      throw new Error('device is gone');
    };
    await expect(restoreImage(reader, target)).rejects.toThrow('device is gone');
  });
});
