import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { checkImage } from './check.ts';
import { RECORD_HEADER_BYTES } from './image-format.ts';
import { openImage } from './image-reader.ts';
import { noise, smallBlocks, temporaryFolder, writeImage } from './testdata/small-image.ts';

/** An image with checkpoints, so that every kind of byte is in it: 1,100 tiny chunks. */
const MANY = Array.from({ length: 1100 }, (_, i) => ({ offsetBytes: i * 512, raw: noise(512, i + 1) }));
let small: Buffer;
let many: Buffer;

beforeAll(async () => {
  await using folder = await temporaryFolder();
  await writeImage(join(folder.path, 'small.sco'));
  await writeImage(join(folder.path, 'many.sco'), { blocks: MANY });
  small = await readFile(join(folder.path, 'small.sco'));
  many = await readFile(join(folder.path, 'many.sco'));
});

/** What opening and checking say of these bytes: `ok`, `damage` or the error's code. */
async function verdict(path: string): Promise<string> {
  try {
    return (await checkImage(path)).ok ? 'ok' : 'damage';
  } catch (error) {
    if (error instanceof TdError) {
      expect(error.message).not.toContain('\n');
      return error.code;
    }
    throw error;
  }
}

describe('image check', () => {
  it('finds nothing in a whole image, quickly or wholly', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeFile(path, many);
    const progress: number[] = [];
    const whole = await checkImage(path, { onProgress: (doneBytes) => progress.push(doneBytes) });
    expect(whole).toEqual({ ok: true, chunkCount: 1100, checkedChunks: 1100, damaged: [], problems: [] });
    expect(progress).toHaveLength(1100);
    expect(progress.at(-1)).toBe(1100 * 512);
    expect(await checkImage(path, { quick: true })).toMatchObject({ ok: true, checkedChunks: 256 });
  });

  it('names every damaged chunk and all its places', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeFile(path, small);
    const { fileOffset } = await (async () => {
      await using reader = await openImage(path);
      return reader.index.chunk(0);
    })();
    const bytes = Buffer.from(small);
    bytes[fileOffset + 7]! ^= 0x10;
    await writeFile(path, bytes);
    const { damaged, ok, problems } = await checkImage(path);
    expect(ok).toBe(false);
    expect(problems).toEqual([]);
    expect(damaged).toHaveLength(1);
    expect(damaged[0]!.chunk).toBe(0);
    expect(damaged[0]!.reason).toContain('SHA-256');
    expect(damaged[0]!.placements.map((placement) => placement.offsetBytes)).toEqual([0, 4096 * 5]);
    await using reader = await openImage(path);
    await expect(reader.readStored(0)).rejects.toMatchObject({ code: 'damaged' });
    await expect(reader.readStored(1)).resolves.toBeInstanceOf(Buffer);
  });

  it('reports any flipped bit of an image', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'flipped.sco');
    await writeFile(path, many);
    const handle = await open(path, 'r+');
    try {
      const flipped = async (offset: number, bit: number) => {
        await handle.write(Buffer.of(many[offset]! ^ (1 << bit)), 0, 1, offset);
        const found = await verdict(path);
        await handle.write(many, offset, 1, offset);
        expect(found, `bit ${bit} of byte ${offset}`).not.toBe('ok');
      };
      const anywhere = fc.tuple(fc.nat(many.length - 1), fc.nat(7));
      await fc.assert(
        fc.asyncProperty(anywhere, ([offset, bit]) => flipped(offset, bit)),
        { numRuns: 25 },
      );
      // Headers, checkpoint, manifest, index and padding are a small part of the bytes: seek them out.
      const { manifestOffset, lastCheckpointOffset } = await (async () => {
        await using reader = await openImage(path);
        return reader.footer;
      })();
      const structures = fc.oneof(
        fc.nat(8192 - 1),
        fc.integer({ min: 8192, max: 8192 + RECORD_HEADER_BYTES - 1 }),
        fc.integer({ min: lastCheckpointOffset, max: lastCheckpointOffset + 200 }),
        fc.integer({ min: manifestOffset, max: many.length - 1 }),
      );
      await fc.assert(fc.asyncProperty(structures, fc.nat(7), flipped), { numRuns: 60 });
    } finally {
      await handle.close();
    }
  }, 60_000);

  it('reads on with one superblock but says so', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    for (const [offset, name] of [
      [100, 'first superblock'],
      [4096 + 100, "superblock's copy"],
    ] as const) {
      const bytes = Buffer.from(small);
      bytes[offset]! ^= 1;
      await writeFile(path, bytes);
      const result = await checkImage(path);
      expect(result.damaged).toEqual([]);
      expect(result.problems).toEqual([`the ${name} is damaged, the other one was used`]);
      expect(result.ok).toBe(false);
    }
  });

  it('tells a file that was cut anywhere from a whole one', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'cut.sco');
    await writeFile(path, small);
    const { footer, chunk } = await (async () => {
      await using reader = await openImage(path);
      return { footer: reader.footer, chunk: reader.index.chunk(1) };
    })();
    const ends = [
      ...[0, 1, 7, 8, 4095, 4096, 8191, 8192, 8193, 8192 + 4096],
      ...[
        chunk.fileOffset - RECORD_HEADER_BYTES,
        chunk.fileOffset - 1,
        chunk.fileOffset,
        chunk.fileOffset + 1,
      ],
      ...[footer.manifestOffset, footer.manifestOffset + 10, footer.indexOffset, footer.indexOffset + 96],
      ...[footer.fileBytes - 4097, footer.fileBytes - 4096, footer.fileBytes - 4095, footer.fileBytes - 1],
    ];
    for (const end of ends) {
      await writeFile(path, small);
      await truncate(path, end);
      const code = await verdict(path);
      if (end >= 1 && end < 8) expect(code, `cut at ${end}`).toBe('invalid');
      else expect(['incomplete', 'damaged'], `cut at ${end}: ${code}`).toContain(code);
    }
  });

  it('refuses bytes behind the end', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'long.sco');
    await writeFile(path, Buffer.concat([small, Buffer.alloc(512)]));
    expect(['incomplete', 'damaged']).toContain(await verdict(path));
    // Even when what is behind is a footer itself.
    await writeFile(path, Buffer.concat([small, small.subarray(-4096)]));
    expect(await verdict(path)).toBe('damaged');
  });

  it('can be cancelled', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeFile(path, many);
    const cancel = new AbortController();
    const checking = checkImage(path, {
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    await expect(checking).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('reports that other blocks than the image has were meant', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const other = join(folder.path, 'b.sco');
    await writeFile(path, small);
    await writeImage(other, {
      blocks: smallBlocks().map((b) => ({ ...b, offsetBytes: b.offsetBytes + 512 })),
    });
    const bytes = await readFile(other);
    // The end of one image on the chunks of another: the records tell.
    expect(bytes.length).toBe(small.length);
    const { manifestOffset } = await (async () => {
      await using reader = await openImage(other);
      return reader.footer;
    })();
    await writeFile(path, Buffer.concat([small.subarray(0, manifestOffset), bytes.subarray(manifestOffset)]));
    const { damaged } = await checkImage(path);
    expect(damaged[0]?.reason).toContain('disagree');
  });
});
