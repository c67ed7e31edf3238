import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { ImageIndex } from './chunk-index.ts';
import { decodeChunk, encodeChunk, isZero, unpack } from './codec.ts';
import { decodeFooter, encodeFooter } from './footer.ts';
import { FOOTER_BYTES, RECORD_HEADER_BYTES, SUPERBLOCK_BYTES } from './image-format.ts';
import { openImage } from './image-reader.ts';
import { IndexBuilder } from './index-builder.ts';
import { decodeManifest, encodeManifest } from './manifest-codec.ts';
import { leafHash, merkleRoot, sha256 } from './merkle.ts';
import { decodeRecordHeader, encodeRecordHeader } from './record-header.ts';
import { decodeSuperblock, encodeSuperblock, type Superblock } from './superblock.ts';
import { MemorySink, noise, temporaryFolder, words, writeTo } from './testdata/small-image.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const size = fc.integer({ min: 0, max: 2 ** 52 });
const bytesOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));

/** Runs a decoder on anything; only a one-line TdError may come of it. */
function onlyTdError(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(TdError);
    expect((error as Error).message).toMatch(/^[^\n]{10,300}$/);
  }
}

const superblocks = fc.record({
  major: fc.constant(1),
  minor: fc.integer({ min: 0, max: 65_535 }),
  imageId: bytesOf(16),
  epoch: u32,
  features: fc.constant(0),
  chunkBytes: fc.integer({ min: 65_536, max: 2 ** 24 }),
  part: fc.constant(1),
  partCount: fc.integer({ min: 0, max: 1 }),
});

const footers = fc.record({
  imageId: bytesOf(16),
  epoch: u32,
  part: u32,
  partCount: u32,
  chunkCount: u32,
  placementCount: u32,
  checkpointCount: u32,
  manifestOffset: size,
  manifestStoredBytes: size,
  manifestRawBytes: size,
  indexOffset: size,
  indexBytes: size,
  fileBytes: size,
  lastCheckpointOffset: size,
  root: bytesOf(32),
});

const headers = fc.record({
  kind: fc.constantFrom('chunk' as const, 'checkpoint' as const, 'manifest' as const, 'index' as const),
  epoch: u32,
  ordinal: u32,
  flags: fc.integer({ min: 0, max: 1 }),
  rawBytes: size,
  storedBytes: size,
  place: size,
  disk: u32,
  sha256: bytesOf(32),
});

describe('fixed structures', () => {
  it('read back what was written', () => {
    fc.assert(
      fc.property(superblocks, (value) => {
        expect(decodeSuperblock(encodeSuperblock(value), 'superblock')).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(footers, (value) => {
        expect(decodeFooter(encodeFooter(value), 'footer')).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(headers, (value) => {
        expect(decodeRecordHeader(encodeRecordHeader(value), 'header')).toEqual(value);
      }),
    );
  });

  it('notice any flipped bit', () => {
    const cases: [Buffer, (bytes: Buffer) => unknown][] = [
      [encodeSuperblock(fc.sample(superblocks, 1)[0]!), (bytes) => decodeSuperblock(bytes, 'superblock')],
      [encodeFooter(fc.sample(footers, 1)[0]!), (bytes) => decodeFooter(bytes, 'footer')],
      [encodeRecordHeader(fc.sample(headers, 1)[0]!), (bytes) => decodeRecordHeader(bytes, 'header')],
    ];
    for (const [whole, decode] of cases) {
      for (let byte = 0; byte < whole.length; byte += 1) {
        whole[byte]! ^= 1 << (byte % 8);
        expect(() => decode(whole), `byte ${byte}`).toThrow(TdError);
        whole[byte]! ^= 1 << (byte % 8);
      }
      expect(() => decode(whole)).not.toThrow();
    }
  });

  it('answer anything with a one-line error, even behind a right checksum', () => {
    const resealed = (magic: Buffer, length: number) =>
      fc.uint8Array({ minLength: 0, maxLength: 200 }).map((bytes) => {
        const whole = Buffer.alloc(length);
        magic.copy(whole);
        whole.set(bytes, magic.length);
        sha256(whole.subarray(0, length - 32)).copy(whole, length - 32);
        return whole;
      });
    const superblockMagic = encodeSuperblock(fc.sample(superblocks, 1)[0]!).subarray(0, 10);
    const footerMagic = encodeFooter(fc.sample(footers, 1)[0]!).subarray(0, 10);
    const sealed = (bytes: Uint8Array) => {
      const header = Buffer.alloc(RECORD_HEADER_BYTES);
      header.set(bytes.subarray(0, 92));
      header.writeUInt32LE(crc32(header.subarray(0, 92)), 92);
      return header;
    };
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        resealed(superblockMagic, SUPERBLOCK_BYTES),
        resealed(footerMagic, FOOTER_BYTES),
        fc.constantFrom('SCOC', 'SCOK', 'XXXX'),
        (bytes, superblock, footer, magic) => {
          for (const one of [bytes, superblock]) onlyTdError(() => decodeSuperblock(one, 'superblock'));
          for (const one of [bytes, footer]) onlyTdError(() => decodeFooter(one, 'footer'));
          const header = sealed(Buffer.concat([Buffer.from(magic), bytes]));
          for (const one of [bytes, header]) onlyTdError(() => decodeRecordHeader(one, 'record'));
          onlyTdError(() => decodeCheckpoint(bytes, 'checkpoint'));
          onlyTdError(() => decodeManifest(bytes, 'manifest'));
          onlyTdError(() => ImageIndex.decode(bytes, 'index'));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('tell an encrypted, a split and a newer image from a damaged one', () => {
    const base: Superblock = fc.sample(superblocks, 1)[0]!;
    const says = (change: Partial<Superblock>) => () =>
      decodeSuperblock(encodeSuperblock({ ...base, ...change }), '"a.sco"');
    expect(says({ features: 1 })).toThrow('this version cannot open encrypted images');
    expect(says({ features: 2, part: 2, partCount: 3 })).toThrow(
      'this version cannot open images of several parts',
    );
    expect(says({ features: 64 })).toThrow('feature bits 64; use a newer TotalDeploy');
    expect(says({ major: 2 })).toThrow('this version cannot read format 2.');
    expect(says({ chunkBytes: 2 ** 30 })).toThrow('a chunk size of 1073741824 is not allowed');
  });
});

describe('the index', () => {
  const cells = fc.array(
    fc.record({
      disk: fc.integer({ min: 0, max: 2 }),
      gap: fc.integer({ min: 0, max: 5 }),
      sectors: fc.integer({ min: 1, max: 4 }),
      kind: fc.constantFrom('zero', 'new', 'again'),
    }),
    { maxLength: 60 },
  );

  function build(plan: typeof cells extends fc.Arbitrary<infer T> ? T : never, shuffle = false): ImageIndex {
    const builder = new IndexBuilder();
    const ends = [0, 0, 0];
    let fileOffset = 8192;
    const placements = plan.map(({ disk, gap, sectors, kind }) => {
      const rawBytes = sectors * 512;
      const offsetBytes = ends[disk]! + gap * 512;
      ends[disk] = offsetBytes + rawBytes;
      if (kind === 'zero') return { disk, offsetBytes, rawBytes, chunk: null };
      const hash =
        kind === 'new' ? sha256(Buffer.of(fileOffset % 251, fileOffset >> 8)) : sha256(Buffer.of(sectors));
      const found = builder.find({ sha256: hash, flags: 0, rawBytes });
      if (found !== undefined) return { disk, offsetBytes, rawBytes, chunk: found };
      const entry = { part: 1, flags: 0, rawBytes, storedBytes: rawBytes, sha256: hash };
      const chunk = builder.addChunk({ ...entry, fileOffset: fileOffset + RECORD_HEADER_BYTES });
      fileOffset += RECORD_HEADER_BYTES + rawBytes;
      return { disk, offsetBytes, rawBytes, chunk };
    });
    for (const placement of shuffle ? placements.reverse() : placements) builder.addPlacement(placement);
    return builder.build();
  }

  it('is the same in whatever order blocks came, and reads back', () => {
    fc.assert(
      fc.property(cells, (plan) => {
        const index = build(plan);
        expect(build(plan, true).encode().equals(index.encode())).toBe(true);
        const again = ImageIndex.decode(Buffer.from(index.encode()), 'index');
        expect([...again.placements()]).toEqual([...index.placements()]);
        const grouped = Array.from({ length: again.chunkCount }, (_, i) => again.placementsOf(i)).flat();
        const zeros = [...again.zeroPlacements()];
        expect(grouped.length + zeros.length).toBe(plan.length);
        for (let i = 0; i < again.chunkCount; i += 1) {
          expect(again.placementsOf(i).length).toBeGreaterThan(0);
          expect(again.placementsOf(i).every((placement) => placement.chunk === i)).toBe(true);
        }
      }),
    );
  });

  it('keeps its promises or is refused, whatever byte is changed', () => {
    const change = fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(cells, fc.array(change, { minLength: 1, maxLength: 3 }), (plan, changes) => {
        const bytes = Buffer.from(build(plan).encode());
        for (const [place, bits] of changes) bytes[Math.floor(place * bytes.length)]! ^= bits;
        onlyTdError(() => {
          const index = ImageIndex.decode(bytes, 'index');
          let end = { disk: 0, bytes: 0 };
          for (const { disk, offsetBytes, rawBytes, chunk } of index.placements()) {
            if (disk === end.disk) expect(offsetBytes).toBeGreaterThanOrEqual(end.bytes);
            end = { disk, bytes: offsetBytes + rawBytes };
            if (chunk !== null) expect(index.chunk(chunk).rawBytes).toBe(rawBytes);
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  it('finds a hundred thousand chunks again', () => {
    const builder = new IndexBuilder();
    const hashes = Array.from({ length: 100_000 }, () => randomBytes(32));
    hashes.forEach((hash, i) => {
      const entry = { part: 1, flags: 0, rawBytes: 512, storedBytes: 512, sha256: hash };
      builder.addChunk({ ...entry, fileOffset: 8192 + 96 + i * 608 });
    });
    hashes.forEach((hash, i) => {
      if (builder.find({ sha256: hash, flags: 0, rawBytes: 512 }) !== i) throw new Error(`chunk ${i}`);
    });
    expect(builder.find({ sha256: randomBytes(32), flags: 0, rawBytes: 512 })).toBeUndefined();
    expect(builder.find({ sha256: hashes[0]!, flags: 0, rawBytes: 1024 })).toBeUndefined();
    expect(builder.find({ sha256: hashes[0]!, flags: 1, rawBytes: 512 })).toBeUndefined();
  });

  it('refuses hostile counts before it allocates anything', () => {
    const header = Buffer.from(build([]).encode());
    header.writeUInt32LE(0xffff_ffff, 12);
    expect(() => ImageIndex.decode(header, 'index')).toThrow('beyond the limit');
    header.writeUInt32LE(16_000_000, 12);
    expect(() => ImageIndex.decode(header, 'index')).toThrow('32 bytes in place of 1024000032');
  });
});

describe('checkpoints and manifests', () => {
  it('read back what was written', () => {
    const counts = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }));
    fc.assert(
      fc.property(u32, u32, counts, (firstChunk, firstPlacement, [chunkCount, placementCount]) => {
        const checkpoint = {
          firstChunk,
          chunkCount,
          firstPlacement,
          placementCount,
          chunkBytes: Buffer.alloc(64 * chunkCount, 7),
          placementBytes: Buffer.alloc(24 * placementCount, 9),
        };
        const bytes = encodeCheckpoint(checkpoint);
        expect(decodeCheckpoint(bytes, 'checkpoint')).toEqual(checkpoint);
        expect(() => decodeCheckpoint(Buffer.concat([bytes, Buffer.alloc(1)]), 'checkpoint')).toThrow(
          TdError,
        );
      }),
    );
  });

  it('name the field of a manifest that is wrong', async () => {
    const { manifest } = await writeTo(new MemorySink());
    expect(decodeManifest(encodeManifest(manifest), 'manifest')).toEqual(manifest);
    const wrong = Buffer.from(JSON.stringify({ ...manifest, chunkBytes: 'many' }));
    expect(() => decodeManifest(wrong, 'manifest')).toThrow(/chunkBytes/);
    expect(() => decodeManifest(Buffer.from('{"a"'), 'manifest')).toThrow('it is no JSON');
    expect(() => decodeManifest(Buffer.of(0x22, 0xff, 0x22), 'manifest')).toThrow('it is no JSON');
  });
});

describe('the chunk codec', () => {
  it('gives back any bytes at any level', async () => {
    const contents = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 5000 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 1, max: 100_000 }).map((length) => words(length, 3)),
    );
    await fc.assert(
      fc.asyncProperty(contents, fc.constantFrom(0, 1, 3, 9), async (raw, level) => {
        const encoded = await encodeChunk(raw, { level });
        const entry = { ...encoded, rawBytes: raw.length, storedBytes: encoded.stored.length };
        expect((await decodeChunk(entry, encoded.stored)).equals(raw)).toBe(true);
        expect(encoded.stored.length).toBeLessThanOrEqual(raw.length);
        if (level === 0) expect(encoded.flags).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('stores raw what compression makes hardly smaller', async () => {
    const raw = Buffer.concat([noise(100_000 - 2000, 1), Buffer.alloc(2000)]);
    expect((await encodeChunk(raw, { level: 3 })).flags).toBe(0);
    const better = Buffer.concat([noise(100_000 - 4000, 1), Buffer.alloc(4000)]);
    expect((await encodeChunk(better, { level: 3 })).flags).toBe(1);
  });

  it('checks the hash before it decompresses, and the length after', async () => {
    const raw = words(10_000, 1);
    const encoded = await encodeChunk(raw, { level: 3 });
    const entry = { ...encoded, rawBytes: raw.length, storedBytes: encoded.stored.length };
    await expect(decodeChunk({ ...entry, sha256: sha256(raw) }, encoded.stored)).rejects.toMatchObject({
      code: 'damaged',
    });
    await expect(decodeChunk(entry, encoded.stored.subarray(1))).rejects.toMatchObject({ code: 'damaged' });
    for (const rawBytes of [9_999, 10_001]) {
      await expect(decodeChunk({ ...entry, rawBytes }, encoded.stored)).rejects.toMatchObject({
        code: 'invalid',
      });
    }
  });

  it('is not filled up by a decompression bomb', async () => {
    const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    const before = process.memoryUsage().rss;
    await expect(unpack(bomb, 1024 * 1024, 'the chunk')).rejects.toMatchObject({ code: 'invalid' });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('answers anything that is no frame with a one-line error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(2000), async (bytes, rawBytes) => {
        const frame = zstdCompressSync(Buffer.alloc(500, 'abc'));
        frame.set(bytes.subarray(0, frame.length - 5), 5);
        for (const one of [Buffer.from(bytes), frame]) {
          const result = await unpack(one, rawBytes, 'the chunk').catch((error: unknown) => error);
          if (Buffer.isBuffer(result)) expect(result.length).toBe(rawBytes);
          else
            onlyTdError(() => {
              throw result;
            });
        }
      }),
      { numRuns: 200 },
    );
  });

  it('tells zeros from everything else', () => {
    for (const length of [1, 7, 512, 65_536, 1024 * 1024]) {
      const bytes = Buffer.alloc(length);
      expect(isZero(bytes)).toBe(true);
      for (const at of [0, length >> 1, length - 1]) {
        bytes[at] = 1;
        expect(isZero(bytes), `${at} of ${length}`).toBe(false);
        bytes[at] = 0;
      }
    }
  });
});

describe('the Merkle tree', () => {
  /** RFC 6962, section 2.1, as the recursion it is defined by. */
  function recursive(leaves: Buffer[]): Buffer {
    if (leaves.length === 0) return sha256(Buffer.alloc(0));
    if (leaves.length === 1) return leaves[0]!;
    let split = 1;
    while (split * 2 < leaves.length) split *= 2;
    const sides = [recursive(leaves.slice(0, split)), recursive(leaves.slice(split))];
    return sha256(Buffer.concat([Buffer.of(1), ...sides]));
  }

  it('has the shape of RFC 6962 for any number of leaves', () => {
    for (let count = 0; count < 70; count += 1) {
      const leaves = Array.from({ length: count }, (_, i) => sha256(Buffer.of(i)));
      expect(merkleRoot(count, (i) => leaves[i]!).equals(recursive(leaves))).toBe(true);
    }
  });

  it('changes with everything that decides how a chunk is decoded', () => {
    const leaf = { sha256: sha256(Buffer.of(1)), rawBytes: 512, storedBytes: 100, flags: 1 };
    const hashes = [
      leaf,
      { ...leaf, rawBytes: 1024 },
      { ...leaf, storedBytes: 101 },
      { ...leaf, flags: 0 },
      { ...leaf, sha256: sha256(Buffer.of(2)) },
    ].map((one) => leafHash(one).toString('hex'));
    expect(new Set(hashes).size).toBe(5);
  });
});

describe('opening', () => {
  it('answers any file with a one-line error', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'any.sco');
    const sink = new MemorySink();
    await writeTo(sink);
    const image = sink.bytes();
    const foreign = fc.uint8Array({ maxLength: 20_000 });
    const spliced = fc
      .tuple(fc.nat(image.length), fc.uint8Array({ minLength: 1, maxLength: 5000 }), fc.boolean())
      .map(([at, bytes, insert]) =>
        Buffer.concat([image.subarray(0, at), bytes, image.subarray(insert ? at : at + bytes.length)]),
      );
    await fc.assert(
      fc.asyncProperty(fc.oneof(foreign, spliced), async (bytes) => {
        await writeFile(path, bytes);
        try {
          await using reader = await openImage(path);
          expect(reader.fileBytes).toBe(bytes.length);
        } catch (error) {
          onlyTdError(() => {
            throw error;
          });
        }
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'incomplete', 'the file is empty'],
    ['another kind of file', Buffer.from('PK\x03\x04'.repeat(5000)), 'invalid', 'it is no TotalDeploy image'],
    ['a file of zeros', Buffer.alloc(50_000), 'invalid', 'it is no TotalDeploy image'],
  ])('names %s', async (_name, bytes, code, message) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'x.sco');
    await writeFile(path, bytes);
    const opening = openImage(path);
    await expect(opening).rejects.toMatchObject({ code });
    await expect(opening).rejects.toThrow(message);
  });
});
