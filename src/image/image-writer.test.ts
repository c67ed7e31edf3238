import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { checkImage } from './check.ts';
import { decodeVerified } from './codec.ts';
import { openFileSink } from './file-sink.ts';
import { openImage } from './image-reader.ts';
import { createImageWriter, type ImageSink } from './image-writer.ts';
import {
  type Block,
  MemorySink,
  manifestDraft,
  noise,
  smallBlocks,
  temporaryFolder,
  words,
  writeImage,
  writeTo,
} from './testdata/small-image.ts';

async function mustHold(path: string, blocks: readonly Block[]): Promise<void> {
  await using reader = await openImage(path);
  expect(reader.index.placementCount).toBe(blocks.length);
  for (const placement of reader.index.placements()) {
    const block = blocks.find(
      ({ offsetBytes, disk = 0 }) => offsetBytes === placement.offsetBytes && disk === placement.disk,
    );
    if (placement.chunk === null) {
      expect(block?.raw.every((byte) => byte === 0)).toBe(true);
      continue;
    }
    const raw = await decodeVerified(
      reader.index.chunk(placement.chunk),
      await reader.readStored(placement.chunk),
    );
    expect(raw.equals(block!.raw)).toBe(true);
  }
}

describe('image writer', () => {
  it('writes an image that reads back byte for byte', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const written = await writeImage(path);
    await mustHold(path, smallBlocks());
    await using reader = await openImage(path);
    expect(reader.root).toEqual(written.root);
    expect(reader.manifest).toEqual(written.manifest);
    expect(reader.warnings).toEqual([]);
    expect((await stat(path)).size).toBe(written.fileBytes);
  });

  it('stores the same block once and zeros not at all', async () => {
    const sink = new MemorySink();
    const written = await writeTo(sink);
    expect(written.chunkCount).toBe(3);
    expect(written.placementCount).toBe(5);
  });

  it('makes the same bytes from the same blocks, whatever finishes first', async () => {
    const blocks = Array.from({ length: 60 }, (_, i) => ({
      offsetBytes: i * 65_536,
      raw: i % 3 === 0 ? noise(65_536, i) : words(65_536 - (i % 5) * 512, i),
    }));
    const images = [];
    for (const encodesInFlightMax of [1, 4]) {
      const sink = new MemorySink();
      await writeTo(sink, { blocks, sizeBytes: 1e8 - (1e8 % 512), options: { encodesInFlightMax } });
      images.push(sink.bytes());
    }
    expect(images[0]!.equals(images[1]!)).toBe(true);
  });

  it('writes checkpoints by time through zeros and repeated blocks, so that no receiver waits in vain', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'zeros.sco');
    const clock = { now: 0, nowMs: () => clock.now };
    const sink = await openFileSink(path);
    const longest = { atMs: 0, ms: 0 };
    const write = sink.write.bind(sink);
    sink.write = async (bytes) => {
      longest.ms = Math.max(longest.ms, clock.now - longest.atMs);
      longest.atMs = clock.now;
      await write(bytes);
    };
    await using writer = createImageWriter(sink, { chunkBytes: 65_536, clock });
    for (let i = 0; i < 600; i += 1) {
      clock.now += 1000;
      await writer.add({ disk: 0, offsetBytes: i * 512 }, i < 300 ? Buffer.alloc(512) : words(512, 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.finish(manifestDraft(600 * 512));
    expect(longest.ms).toBeLessThan(60_000);
    expect(await checkImage(path)).toMatchObject({ ok: true, problems: [] });
    await using reader = await openImage(path);
    expect(reader.index.placementCount).toBe(600);
  });

  it('writes checkpoints that hold the index so far', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'many.sco');
    const blocks = Array.from({ length: 2100 }, (_, i) => ({ offsetBytes: i * 512, raw: noise(512, i + 1) }));
    await writeImage(path, { blocks, sizeBytes: 2 ** 24 });
    await using reader = await openImage(path);
    expect(reader.footer.checkpointCount).toBe(2);
    const header = await reader.readHeader(reader.footer.lastCheckpointOffset, 'checkpoint');
    expect(header).toMatchObject({ kind: 'checkpoint', ordinal: 1 });
    await mustHold(path, blocks);
  });

  it('holds an image without a single block', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'empty.sco');
    await writeImage(path, { blocks: [] });
    await mustHold(path, []);
  });

  it('waits when the sink is slow instead of taking everything into memory', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const sink: ImageSink = {
      write: () => gate,
      sync: async () => {},
      close: async () => {},
    };
    const writer = createImageWriter(sink, { encodesInFlightMax: 2 });
    let accepted = 0;
    const adding = (async () => {
      for (let i = 0; i < 20; i += 1) {
        await writer.add({ disk: 0, offsetBytes: i * 65_536 }, noise(65_536, i));
        accepted += 1;
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(accepted).toBe(4);
    release();
    await adding;
    expect((await writer.finish(manifestDraft(1024 * 1024 * 2))).chunkCount).toBe(20);
  });
});

describe('image writer on failures', () => {
  it('tells the first failure of the sink at the next call and aborts', async () => {
    const sink = new MemorySink();
    let left = 3;
    sink.write = async () => {
      left -= 1;
      if (left < 0) throw new TdError('no-space', 'Cannot write "x": the disk is full');
    };
    const writer = createImageWriter(sink);
    const adding = (async () => {
      for (let i = 0; i < 100; i += 1) await writer.add({ disk: 0, offsetBytes: i * 512 }, noise(512, i + 1));
      await writer.finish(manifestDraft(1024 * 1024));
    })();
    await expect(adding).rejects.toMatchObject({ code: 'no-space' });
    await writer.abort();
    expect(sink).toMatchObject({ aborted: true, closed: false });
  });

  it.each([
    ['off the sectors', 100, 512, 'does not keep to 512-byte sectors'],
    ['longer than a chunk', 0, 2 * 1024 * 1024, 'has 2097152 bytes'],
    ['empty', 0, 0, 'has 0 bytes'],
    ['at a negative place', -512, 512, 'starts at -512'],
  ])('refuses a block that is %s', async (_name, offsetBytes, length, message) => {
    await using writer = createImageWriter(new MemorySink());
    await expect(writer.add({ disk: 0, offsetBytes }, Buffer.alloc(length, 1))).rejects.toThrow(message);
  });

  it('refuses blocks that overlap, lie behind the disk or come after the end', async () => {
    const overlapping = [
      { offsetBytes: 0, raw: noise(1024, 1) },
      { offsetBytes: 512, raw: noise(1024, 2) },
    ];
    await expect(writeTo(new MemorySink(), { blocks: overlapping })).rejects.toThrow('overlaps');
    const outside = [{ offsetBytes: 1024, raw: noise(1024, 1) }];
    await expect(writeTo(new MemorySink(), { blocks: outside, sizeBytes: 1536 })).rejects.toThrow('at 1024');
    const sink = new MemorySink();
    const writer = createImageWriter(sink);
    await writer.finish(manifestDraft(4096));
    await expect(writer.add({ disk: 0, offsetBytes: 0 }, noise(512, 1))).rejects.toThrow('is finished');
    expect(sink.closed).toBe(true);
  });

  it('leaves no image when it is disposed of before its end', async () => {
    const sink = new MemorySink();
    {
      await using writer = createImageWriter(sink);
      await writer.add({ disk: 0, offsetBytes: 0 }, noise(512, 1));
    }
    expect(sink).toMatchObject({ aborted: true, closed: false });
  });
});
