import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import {
  decodeGptEntries,
  decodeGptHeader,
  encodeGptHeader,
  type GptEntry,
  type GptHeader,
  guidBytes,
  guidText,
} from './gpt-table.ts';
import { encodeGptEntries } from './testdata/made-disks.ts';

const what = 'the primary GPT of "test"';
const guid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(guidText);
const usedGuid = guid.filter((text) => !/^[0-]+$/.test(text));
const sectorNumber = fc.integer({ min: 0, max: 2 ** 48 });

const headers: fc.Arbitrary<GptHeader> = fc.record({
  headerBytes: fc.constantFrom(92, 96, 512),
  mySector: sectorNumber,
  alternateSector: sectorNumber,
  firstUsableSector: fc.integer({ min: 0, max: 1000 }),
  lastUsableSector: fc.integer({ min: 1000, max: 2 ** 48 }),
  diskGuid: guid,
  entriesSector: sectorNumber,
  entryCount: fc.integer({ min: 1, max: 256 }),
  entryBytes: fc.constantFrom(128, 136, 256, 512),
  entriesCrc: fc.nat(),
});

function entriesOf(header: GptHeader): fc.Arbitrary<GptEntry[]> {
  const entry = fc
    .record({
      number: fc.integer({ min: 1, max: Math.min(256, header.entryCount) }),
      typeGuid: usedGuid,
      uniqueGuid: guid,
      at: fc.integer({ min: header.firstUsableSector, max: header.lastUsableSector }),
      length: fc.integer({ min: 1, max: 1000 }),
      attributes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      name: fc.string({ maxLength: 36 }).map((text) => text.replaceAll('\0', '').slice(0, 36)),
    })
    .map(({ at, length, ...rest }) => ({
      ...rest,
      firstSector: at,
      lastSector: Math.min(at + length - 1, header.lastUsableSector),
    }));
  return fc
    .uniqueArray(entry, { selector: (one) => one.number, maxLength: 20 })
    .map((list) => list.sort((a, b) => a.number - b.number));
}

describe('GPT', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(headers, fc.constantFrom(512, 4096), (header, sectorBytes) => {
        const sector = encodeGptHeader(header, sectorBytes);
        expect(sector.length).toBe(sectorBytes);
        expect(decodeGptHeader(sector, { atSector: header.mySector, what })).toEqual(header);
      }),
    );
  });

  it('decodes the entries it encodes', () => {
    const cases = headers.chain((header) => entriesOf(header).map((entries) => ({ header, entries })));
    fc.assert(
      fc.property(cases, ({ header, entries }) => {
        const table = encodeGptEntries(entries, header);
        const whole = { ...header, entriesCrc: crc32(table) };
        expect(decodeGptEntries(table, whole, { what })).toEqual(entries);
      }),
    );
  });

  it('notices any changed byte of a header', () => {
    fc.assert(
      fc.property(headers, fc.nat({ max: 91 }), fc.integer({ min: 1, max: 255 }), (header, at, change) => {
        const sector = encodeGptHeader(header, 512);
        sector[at] = sector[at]! ^ change;
        // Bytes 20 to 23 are reserved, but the checksum covers them too.
        expect(() => decodeGptHeader(sector, { atSector: header.mySector, what })).toThrow(TdError);
      }),
    );
  });

  it('answers any bytes with a one-line error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 600 }), fc.boolean(), (bytes, hasSignature) => {
        const sector = Buffer.from(bytes);
        if (hasSignature) sector.write('EFI PART\0\0\x01\0', 'latin1');
        try {
          decodeGptHeader(sector, { atSector: 1, what });
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
    );
  });

  it.each([
    ['entries of 64 bytes', { entryBytes: 64 }, 'entries of 64 bytes'],
    ['four thousand million entries', { entryCount: 0xffff_ffff }, '4294967295 entries'],
    ['an array of 16 MiB', { entryCount: 4096, entryBytes: 4096 }, '4096 entries'],
    ['a place that is not its own', { mySector: 2 }, 'it says it is at sector 2'],
    ['an end before its begin', { firstUsableSector: 90, lastUsableSector: 5 }, 'ends before it begins'],
    ['a length of a megabyte', { headerBytes: 1_000_000 }, 'its length of 1000000'],
  ])('refuses a header with %s although its checksum is right', (_title, change, message) => {
    const header: GptHeader = {
      headerBytes: 92,
      mySector: 1,
      alternateSector: 100,
      firstUsableSector: 34,
      lastUsableSector: 60,
      diskGuid: guidText(Buffer.alloc(16, 7)),
      entriesSector: 2,
      entryCount: 128,
      entryBytes: 128,
      entriesCrc: 0,
      ...change,
    };
    const sector = encodeGptHeader(header, 512);
    expect(() => decodeGptHeader(sector, { atSector: 1, what })).toThrow(message);
  });

  it.each([
    [34, 33, 'partition 1 (sectors 34 to 33)'],
    [33, 40, 'lies outside the usable'],
    [34, 61, 'lies outside the usable'],
  ])('refuses a partition from sector %i to %i of 34 to 60', (firstSector, lastSector, message) => {
    const header = {
      headerBytes: 92,
      mySector: 1,
      alternateSector: 100,
      firstUsableSector: 34,
      lastUsableSector: 60,
      diskGuid: guidText(Buffer.alloc(16, 7)),
      entriesSector: 2,
      entryCount: 4,
      entryBytes: 128,
      entriesCrc: 0,
    };
    const guidOfEntry = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
    const entry = { number: 1, typeGuid: guidOfEntry, uniqueGuid: guidOfEntry, attributes: 0n, name: '' };
    const table = encodeGptEntries([{ ...entry, firstSector, lastSector }], header);
    expect(() => decodeGptEntries(table, { ...header, entriesCrc: crc32(table) }, { what })).toThrow(message);
  });

  it('writes GUIDs as other tools do', () => {
    const esp = Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex');
    expect(guidText(esp)).toBe('C12A7328-F81F-11D2-BA4B-00A0C93EC93B');
    expect(guidBytes('C12A7328-F81F-11D2-BA4B-00A0C93EC93B')).toEqual(esp);
  });
});
