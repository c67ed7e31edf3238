import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../src/lib/errors.ts';
import { decodeBlobTable, decodeWimHeader, encodeBlobAt } from './wim-header.ts';

function headerBytes(): Buffer {
  const header = Buffer.alloc(208);
  header.write('MSWIM\0\0\0', 'latin1');
  return header;
}

function anErrorLine(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(TdError);
    expect((error as Error).message).not.toContain('\n');
  }
}

describe('decodeWimHeader', () => {
  it('reads back sizes and offsets', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 }), fc.nat({ max: 2 ** 31 }), (sizeBytes, offset) => {
        const bytes = headerBytes();
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
      fc.property(bytes, ([head, tail]) =>
        anErrorLine(() => decodeWimHeader(Buffer.concat([head, tail]), 'x')),
      ),
    );
  });
});

describe('decodeBlobTable', () => {
  it('reads back an entry that was moved', () => {
    const place = fc.tuple(fc.nat(), fc.uint8Array({ minLength: 50, maxLength: 50 }));
    fc.assert(
      fc.property(place, ([offset, entry]) => {
        entry.fill(0, 8, 16);
        const [blob] = decodeBlobTable(entry, 'x');
        const [moved] = decodeBlobTable(encodeBlobAt(blob!, offset), 'x');
        expect({ ...moved, entry: 0 }).toEqual({ ...blob, offset, entry: 0 });
      }),
    );
  });

  it('answers any bytes with a table or one error line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        anErrorLine(() => decodeBlobTable(bytes, 'x')),
      ),
    );
  });
});
