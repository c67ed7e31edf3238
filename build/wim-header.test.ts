import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { TdError } from '../src/lib/errors.ts';
import { decodeWimHeader, fixWimIdentity, withFixedTimes } from './wim-header.ts';

const XML =
  '\ufeff<WIM><IMAGE INDEX="1"><CREATIONTIME><HIGHPART>0x01DD7A6F</HIGHPART><LOWPART>0x6DC2EC74</LOWPART></CREATIONTIME></IMAGE></WIM>';
const dirs: string[] = [];

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true });
});

function wimBytes(options: { xml?: string; integrityBytes?: number; guid?: number } = {}): Buffer {
  const xml = Buffer.from(options.xml ?? XML, 'utf16le');
  const integrity = Buffer.alloc(options.integrityBytes ?? 32, 7);
  const header = Buffer.alloc(208);
  header.write('MSWIM\0\0\0', 'latin1');
  header.fill(options.guid ?? 0, 24, 40);
  header.writeUIntLE(xml.length, 72, 6);
  header.writeBigUInt64LE(208n, 80);
  header.writeUIntLE(integrity.length, 124, 6);
  header.writeBigUInt64LE(BigInt(208 + xml.length), 132);
  return Buffer.concat([header, xml, integrity]);
}

async function written(bytes: Buffer): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'totaldeploy-wim-'));
  dirs.push(dir);
  const path = join(dir, 'a.wim');
  await writeFile(path, bytes);
  return path;
}

describe('withFixedTimes', () => {
  it('writes 2026-01-01 as Windows counts it, at the same length', () => {
    const fixed = withFixedTimes(XML, 1_767_225_600);
    const [, high, low] = /<HIGHPART>0x(.*)<\/HIGHPART><LOWPART>0x(.*)<\/LOWPART>/.exec(fixed)!;
    const filetime = BigInt(`0x${high}${low}`);
    expect(Number(filetime / 10_000_000n) - 11_644_473_600).toBe(1_767_225_600);
    expect(fixed).toHaveLength(XML.length);
  });
});

describe('fixWimIdentity', () => {
  it('makes files equal that differ in GUID and time only', async () => {
    const one = await written(wimBytes({ guid: 1 }));
    const other = await written(wimBytes({ guid: 2, xml: XML.replace('6DC2EC74', '00000001') }));
    await fixWimIdentity(one, 1_767_225_600);
    await fixWimIdentity(other, 1_767_225_600);
    expect(await readFile(one)).toEqual(await readFile(other));
  });

  it('keeps files apart that differ in content', async () => {
    const one = await written(wimBytes());
    const other = await written(wimBytes({ integrityBytes: 33 }));
    await fixWimIdentity(one, 0);
    await fixWimIdentity(other, 0);
    expect((await readFile(one)).subarray(24, 40)).not.toEqual((await readFile(other)).subarray(24, 40));
  });

  it('refuses a file without an integrity table', async () => {
    await expect(fixWimIdentity(await written(wimBytes({ integrityBytes: 0 })), 0)).rejects.toThrow(
      'integrity table',
    );
  });
});

describe('decodeWimHeader', () => {
  it('reads back sizes and offsets', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 }), fc.nat({ max: 2 ** 31 }), (sizeBytes, offset) => {
        const bytes = wimBytes();
        bytes.writeUIntLE(sizeBytes, 48, 6);
        bytes.writeBigUInt64LE(BigInt(offset), 56);
        expect(decodeWimHeader(bytes, 'x').blobTable).toEqual({ sizeBytes, offset });
      }),
    );
  });

  it('answers any bytes with a header or one error line', () => {
    const magic = fc.constant(Buffer.from('MSWIM\0\0\0', 'latin1'));
    const bytes = fc.tuple(fc.oneof(magic, fc.uint8Array()), fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(bytes, ([head, tail]) => {
        try {
          decodeWimHeader(Buffer.concat([head, tail]), 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
    );
  });
});
