import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import {
  decodeMbr,
  isGptProtective,
  type MbrEntry,
  readExtendedChain,
  resizeProtectiveMbr,
} from './mbr-table.ts';
import { encodeMbr } from './testdata/made-disks.ts';

const entries = fc.array(
  fc.record({
    status: fc.constantFrom(0, 0x80),
    type: fc.integer({ min: 0, max: 255 }),
    firstSector: fc.nat({ max: 0xffff_ffff }),
    sectorCount: fc.nat({ max: 0xffff_ffff }),
  }),
  { minLength: 4, maxLength: 4 },
);
const extended: MbrEntry = { status: 0, type: 5, firstSector: 1000, sectorCount: 10_000 };

/** A disk of boot records by sector; every other sector is empty. */
function chainOf(records: Record<number, Buffer>) {
  return {
    readSector: async (sector: number) => records[sector] ?? Buffer.alloc(512),
    what: '/dev/test',
  };
}

describe('MBR', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(entries, fc.nat({ max: 0xffff_ffff }), (list, signature) => {
        const table = decodeMbr(encodeMbr(list, signature));
        expect(table).toEqual({ entries: list, signature: signature.toString(16).padStart(8, '0') });
      }),
    );
  });

  it('takes no other bytes for a table, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const table = decodeMbr(Buffer.from(bytes));
        if (table !== undefined) expect(bytes[510]).toBe(0x55);
      }),
    );
    const bootSectorWithText = encodeMbr([]);
    bootSectorWithText.write('Press any key to restart', 440, 'latin1');
    expect(decodeMbr(bootSectorWithText)).toBeUndefined();
  });

  it('follows a chain of extended boot records, empty ones too', async () => {
    const chain = await readExtendedChain(
      extended,
      chainOf({
        1000: encodeMbr([
          { type: 0x83, firstSector: 63, sectorCount: 100 },
          { type: 5, firstSector: 500, sectorCount: 200 },
        ]),
        1500: encodeMbr([
          { type: 0, firstSector: 0, sectorCount: 0 },
          { type: 5, firstSector: 2000, sectorCount: 200 },
        ]),
        3000: encodeMbr([{ type: 7, firstSector: 10, sectorCount: 7990 }]),
      }),
    );
    expect(chain.logicals.map((one) => [one.firstSector, one.entry.sectorCount, one.entry.type])).toEqual([
      [1063, 100, 0x83],
      [3010, 7990, 7],
    ]);
    expect(chain.recordSectors).toEqual([1000, 1500, 3000]);
  });

  it('takes an extended partition without any record for an empty one', async () => {
    expect(await readExtendedChain(extended, chainOf({}))).toEqual({ logicals: [], recordSectors: [] });
  });

  it.each([
    [
      'a loop',
      {
        1000: encodeMbr([{ type: 5, firstSector: 500, sectorCount: 9 }]),
        1500: encodeMbr([{ type: 5, firstSector: 500, sectorCount: 9 }]),
      },
      'comes back to sector 1500',
    ],
    [
      'a loop to its start',
      { 1000: encodeMbr([{ type: 5, firstSector: 0, sectorCount: 9 }]) },
      'comes back to sector 1000',
    ],
    [
      'a chain out of the partition',
      { 1000: encodeMbr([{ type: 5, firstSector: 10_000, sectorCount: 9 }]) },
      'leaves it, to sector 11000',
    ],
    [
      'a chain into nothing',
      { 1000: encodeMbr([{ type: 5, firstSector: 77, sectorCount: 9 }]) },
      'no boot record at sector 1077',
    ],
    [
      'a logical partition too long',
      { 1000: encodeMbr([{ type: 7, firstSector: 63, sectorCount: 9938 }]) },
      'reaches beyond it',
    ],
    [
      'a logical partition on its own record',
      { 1000: encodeMbr([{ type: 7, firstSector: 0, sectorCount: 9 }]) },
      'reaches beyond it',
    ],
  ])('refuses %s', async (_title, records, message) => {
    const read = readExtendedChain(extended, chainOf(records));
    await expect(read).rejects.toThrow(TdError);
    await expect(read).rejects.toThrow(message);
  });

  it('refuses a chain without end', async () => {
    const endless = {
      readSector: async (sector: number) =>
        encodeMbr([
          { type: 0x83, firstSector: 1, sectorCount: 1 },
          { type: 5, firstSector: sector - 1000 + 2, sectorCount: 2 },
        ]),
      what: '/dev/test',
    };
    await expect(readExtendedChain(extended, endless)).rejects.toThrow('more than 252');
  });

  it('answers any chain with partitions inside or a one-line error', async () => {
    const record = fc
      .oneof(
        entries,
        fc.array(
          fc.record({
            type: fc.constantFrom(5, 0x0f, 0x83),
            firstSector: fc.nat({ max: 400 }),
            sectorCount: fc.nat({ max: 300 }),
          }),
          { maxLength: 4 },
        ),
      )
      .map((list) => encodeMbr(list));
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async (records) => {
        const source = { readSector: async (sector: number) => records[sector % records.length]!, what: 'x' };
        try {
          const chain = await readExtendedChain(extended, source);
          for (const { firstSector, entry } of chain.logicals) {
            expect(firstSector).toBeGreaterThan(1000);
            expect(firstSector + entry.sectorCount).toBeLessThanOrEqual(11_000);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
        }
      }),
    );
  });

  it('fits the protective entry to a disk and leaves hybrid tables alone', () => {
    const plain = encodeMbr([{ type: 0xee, firstSector: 1, sectorCount: 99 }]);
    const resized = decodeMbr(resizeProtectiveMbr(plain, { diskSectors: 5000 }));
    expect(resized?.entries[0]?.sectorCount).toBe(4999);
    expect(resized !== undefined && isGptProtective(resized)).toBe(true);
    const huge = decodeMbr(resizeProtectiveMbr(plain, { diskSectors: 2 ** 40 }));
    expect(huge?.entries[0]?.sectorCount).toBe(0xffff_ffff);
    const hybrid = encodeMbr([
      { type: 0xee, firstSector: 1, sectorCount: 99 },
      { type: 7, firstSector: 200, sectorCount: 5 },
    ]);
    expect(resizeProtectiveMbr(hybrid, { diskSectors: 5000 })).toEqual(hybrid);
    const any = encodeMbr([{ type: 0xee, firstSector: 1, sectorCount: 0xffff_ffff }]);
    expect(resizeProtectiveMbr(any, { diskSectors: 5000 })).toEqual(any);
  });
});
