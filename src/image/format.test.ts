import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { openImage } from './image-reader.ts';
import {
  type Block,
  noise,
  smallBlocks,
  temporaryFolder,
  words,
  writeImage,
} from './testdata/small-image.ts';

const READER = new URL('./testdata/sco_reader.py', import.meta.url).pathname;

/** Every structure the format has: zeros, equal blocks, two disks, raw and zstd chunks, a checkpoint. */
const BLOCKS: Block[] = [
  ...smallBlocks(65_536),
  ...Array.from({ length: 1100 }, (_, i) => ({ offsetBytes: 2 ** 20 + i * 512, raw: noise(512, i + 20) })),
  { disk: 1, offsetBytes: 0, raw: words(65_536, 2) },
  { disk: 1, offsetBytes: 512 * 4096, raw: words(1024, 5) },
];

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('the format, read by a program that was written from FORMAT.md alone', () => {
  it('gives the same root, placements and bytes', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const written = await writeImage(path, { blocks: BLOCKS, sizeBytes: 2 ** 23 });
    const { stdout } = await run('python3', [READER, path]);
    const lines = stdout.trimEnd().split('\n');
    const values = (key: string) =>
      lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
    expect(values('root')).toEqual([written.root.toString('hex')]);
    expect(values('imageId')).toEqual([written.imageId]);
    expect(values('checkpoints')).toEqual(['1']);
    expect(JSON.parse(values('manifest')[0]!)).toEqual(written.manifest);
    const chunkHashes = values('chunk');
    const contents = values('place').map((place) => {
      const [disk, offsetBytes, rawBytes, chunk] = place.split(' ');
      const hash = chunk === 'zeros' ? hashOf(Buffer.alloc(Number(rawBytes))) : chunkHashes[Number(chunk)];
      return `${disk} ${offsetBytes} ${hash}`;
    });
    const meant = BLOCKS.map(({ disk = 0, offsetBytes, raw }) => `${disk} ${offsetBytes} ${hashOf(raw)}`);
    expect(contents.sort()).toEqual(meant.sort());
  });

  it('is refused by that program too when a bit is flipped', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    const bytes = await readFile(path);
    const offset = await (async () => {
      await using reader = await openImage(path);
      return reader.index.chunk(1).fileOffset;
    })();
    bytes[offset + 3]! ^= 4;
    await writeFile(path, bytes);
    await expect(run('python3', [READER, path])).rejects.toThrow('payload hash');
  });
});
