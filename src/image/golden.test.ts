import { readFile, rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { checkImage } from './check.ts';
import { decodeVerified } from './codec.ts';
import { openImage } from './image-reader.ts';
import { MemorySink, smallBlocks, writeImage, writeTo } from './testdata/small-image.ts';

/** An image of version 1.0 that every later version must read; a change of its root is a change of the format. */
const GOLDEN = new URL('./testdata/version-1.0.sco', import.meta.url).pathname;
const GOLDEN_ROOT = 'a4d3b4885643304b5f12463a43e07623b951da53b0eca118277feb8dc049222c';
const UNCOMPRESSED_ROOT = '7529a228e18cfa013a5ac940461d6c9ffe2abf633cb986746c672d8103d57e5a';

describe('images of earlier versions', () => {
  it('are read for ever', async () => {
    if (process.env.UPDATE_GOLDENS === '1') {
      await rm(GOLDEN, { force: true });
      const { root } = await writeImage(GOLDEN);
      throw new Error(`the golden image was written anew, its root is ${root.toString('hex')}`);
    }
    expect(await checkImage(GOLDEN)).toMatchObject({ ok: true, chunkCount: 3 });
    await using reader = await openImage(GOLDEN);
    expect(reader.root.toString('hex')).toBe(GOLDEN_ROOT);
    for (const { offsetBytes, raw } of smallBlocks()) {
      const placement = [...reader.index.placements()].find((one) => one.offsetBytes === offsetBytes)!;
      if (placement.chunk === null) continue;
      const stored = await reader.readStored(placement.chunk);
      expect((await decodeVerified(reader.index.chunk(placement.chunk), stored)).equals(raw)).toBe(true);
    }
  });

  it('are still written the same way', async () => {
    // Without compression: another release of zstd may make other frames.
    const sink = new MemorySink();
    const { root, manifest } = await writeTo(sink, { options: { level: 0 } });
    expect(root.toString('hex')).toBe(UNCOMPRESSED_ROOT);
    expect(manifest.compression).toBe('none');
    const golden = await readFile(GOLDEN);
    expect(sink.bytes().subarray(0, 8192).equals(golden.subarray(0, 8192))).toBe(true);
  });
});
