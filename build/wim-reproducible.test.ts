import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeBlobTable, decodeWimHeader, withFixedTimes } from './wim-header.ts';
import { makeWimReproducible } from './wim-reproducible.ts';

const XML =
  '\ufeff<WIM><IMAGE INDEX="1"><CREATIONTIME><HIGHPART>0x01DD7A6F</HIGHPART><LOWPART>0x6DC2EC74</LOWPART></CREATIONTIME></IMAGE></WIM>';
const dirs: string[] = [];

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

function blobEntry(content: Buffer, offset: number): Buffer {
  const entry = Buffer.alloc(50);
  entry.writeUIntLE(content.length, 0, 6);
  entry.writeBigUInt64LE(BigInt(offset), 8);
  entry.writeBigUInt64LE(BigInt(content.length), 16);
  createHash('sha1').update(content).digest().copy(entry, 30);
  return entry;
}

/** Header, blobs, their table, XML, integrity table: as wimlib lays a file out. */
function wimBytes(
  options: { blobs?: readonly string[]; xml?: string; guid?: number; integrity?: boolean } = {},
): Buffer {
  const blobs = (options.blobs ?? ['one', 'two', 'three']).map((text) => Buffer.from(text));
  const xml = Buffer.from(options.xml ?? XML, 'utf16le');
  const header = Buffer.alloc(208);
  let offset = 208;
  const entries = blobs.map((blob) => {
    const entry = blobEntry(blob, offset);
    offset += blob.length;
    return entry;
  });
  const integrity = Buffer.alloc(options.integrity === false ? 0 : 32, 0);
  if (integrity.length > 0) integrity.writeUInt32LE(10 * 1024 * 1024, 8);
  header.write('MSWIM\0\0\0', 'latin1');
  header.fill(options.guid ?? 0, 24, 40);
  const part = (at: number, bytes: number) => {
    header.writeUIntLE(bytes, at, 6);
    header.writeBigUInt64LE(BigInt(offset), at + 8);
    offset += bytes;
  };
  part(48, entries.length * 50);
  part(72, xml.length);
  part(124, integrity.length);
  return Buffer.concat([header, ...blobs, ...entries, xml, integrity]);
}

async function written(bytes: Buffer): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'totaldeploy-wim-'));
  dirs.push(dir);
  const path = join(dir, 'a.wim');
  await writeFile(path, bytes);
  return path;
}

async function reproducible(bytes: Buffer): Promise<Buffer> {
  const path = await written(bytes);
  await makeWimReproducible(path, 1_767_225_600);
  return readFile(path);
}

describe('makeWimReproducible', () => {
  it('makes files equal that differ in GUID, times and the order of links only', async () => {
    const one = await reproducible(wimBytes({ guid: 1, blobs: ['one', 'two', 'three'] }));
    const xml = XML.replace('6DC2EC74', '00000001');
    expect(await reproducible(wimBytes({ guid: 2, blobs: ['three', 'one', 'two'], xml }))).toEqual(one);
  });

  it('keeps files apart that differ in content', async () => {
    const one = await reproducible(wimBytes({ blobs: ['one', 'two'] }));
    const other = await reproducible(wimBytes({ blobs: ['one', 'six'] }));
    expect(one.subarray(24, 40)).not.toEqual(other.subarray(24, 40));
  });

  it('leaves every blob where its table entry says it is', async () => {
    const texts = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(texts, async (blobs) => {
        const bytes = await reproducible(wimBytes({ blobs }));
        const { blobTable } = decodeWimHeader(bytes, 'x');
        const table = bytes.subarray(blobTable.offset, blobTable.offset + blobTable.sizeBytes);
        for (const blob of decodeBlobTable(table, 'x')) {
          const content = bytes.subarray(blob.offset, blob.offset + blob.sizeBytes);
          expect(createHash('sha1').update(content).digest('hex')).toBe(blob.sha1);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('writes the integrity table of what it wrote', async () => {
    const bytes = await reproducible(wimBytes());
    const { blobTable, integrity } = decodeWimHeader(bytes, 'x');
    const covered = bytes.subarray(208, blobTable.offset + blobTable.sizeBytes);
    const hash = bytes.subarray(integrity.offset + 12, integrity.offset + 32);
    expect(hash).toEqual(createHash('sha1').update(covered).digest());
  });

  it('refuses a file without an integrity table, and one cut short', async () => {
    await expect(reproducible(wimBytes({ integrity: false }))).rejects.toThrow('integrity table');
    await expect(reproducible(wimBytes().subarray(0, 220))).rejects.toThrow('cut short');
  });
});

describe('withFixedTimes', () => {
  it('writes 2026-01-01 as Windows counts it, at the same length', () => {
    const fixed = withFixedTimes(XML, 1_767_225_600);
    const [, high, low] = /<HIGHPART>0x(.*)<\/HIGHPART><LOWPART>0x(.*)<\/LOWPART>/.exec(fixed)!;
    const filetime = BigInt(`0x${high}${low}`);
    expect(Number(filetime / 10_000_000n) - 11_644_473_600).toBe(1_767_225_600);
    expect(fixed).toHaveLength(XML.length);
  });
});
