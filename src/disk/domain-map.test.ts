import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { extentsLength, parseDomainMap } from './domain-map.ts';

const range = { startBytes: 1_048_576, sizeBytes: 100_000 };
const head = '# Domain logfile created by partclone\n# current_pos  current_status\n0x00000000     ?\n';
const hex = (n: number) => `0x${n.toString(16).toUpperCase().padStart(8, '0')}`;
const map = (lines: string) => Buffer.from(head + lines);

describe('domain map', () => {
  it('says exactly what a map says, and that the rest is used', () => {
    const piece = fc.record({
      gap: fc.nat({ max: 50 }),
      size: fc.integer({ min: 1, max: 5000 }),
      used: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        // A byte array is the model: 1 is used.
        const model = new Uint8Array(range.sizeBytes).fill(1);
        let at = 0;
        let text = '';
        for (const { gap, size, used } of pieces) {
          at += gap;
          if (at + size > range.sizeBytes) break;
          text += `${hex(range.startBytes + at)}  ${hex(size)}  ${used ? '+' : '?'}\n`;
          if (!used) model.fill(0, at, at + size);
          at += size;
        }
        const extents = parseDomainMap(map(text), range);
        const got = new Uint8Array(range.sizeBytes);
        let last = -1;
        for (const { startBytes, sizeBytes } of extents) {
          expect(sizeBytes).toBeGreaterThan(0);
          expect(startBytes).toBeGreaterThan(last);
          got.fill(1, startBytes - range.startBytes, startBytes - range.startBytes + sizeBytes);
          last = startBytes + sizeBytes;
        }
        expect(Buffer.from(got).equals(Buffer.from(model))).toBe(true);
        expect(extentsLength(extents)).toBe(model.reduce((sum, bit) => sum + bit, 0));
      }),
    );
  });

  it('counts everything as used when no line covers it', () => {
    expect(parseDomainMap(map(''), range)).toEqual([range]);
  });

  it('cuts what reaches beyond the partition', () => {
    const text = `${hex(range.startBytes)} ${hex(50_000)} ?\n${hex(range.startBytes + 50_000)} ${hex(900_000)} +\n`;
    expect(parseDomainMap(map(text), range)).toEqual([
      { startBytes: range.startBytes + 50_000, sizeBytes: 50_000 },
    ]);
  });

  it.each([
    ['no positions', '0x100000 some +\n', 'is no area'],
    ['a status nobody knows', '0x00100000 0x10 !\n', 'is no area'],
    ['areas out of order', '0x00100100 0x10 +\n0x00100000 0x10 +\n', 'out of order'],
    ['overlapping areas', '0x00100000 0x100 ?\n0x00100080 0x10 +\n', 'out of order'],
    ['an area before the partition', '0x00000000 0x10 +\n', 'out of order or outside'],
    ['an area behind the partition', '0x00900000 0x10 +\n', 'out of order or outside'],
    ['numbers beyond all bounds', '0x00100000 0xFFFFFFFFFFFFFFFF +\n', 'out of order or outside'],
  ])('refuses a map with %s', (_title, text, message) => {
    expect(() => parseDomainMap(map(text), range)).toThrow(message);
  });

  it('refuses an empty file, since it could not have said what is free', () => {
    expect(() => parseDomainMap(Buffer.from('# nothing\n'), range)).toThrow('it is empty');
  });

  it('answers any text with extents inside the partition or a one-line error', () => {
    const word = fc.constantFrom(
      '0x100000',
      '0x00100200',
      '0x10',
      '0x8000',
      '?',
      '+',
      '#',
      '\n',
      ' ',
      '  ',
      'x',
      '-',
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
      fc.string({ maxLength: 200 }),
    );
    fc.assert(
      fc.property(text, (body) => {
        try {
          for (const { startBytes, sizeBytes } of parseDomainMap(map(body), range)) {
            expect(startBytes).toBeGreaterThanOrEqual(range.startBytes);
            expect(startBytes + sizeBytes).toBeLessThanOrEqual(range.startBytes + range.sizeBytes);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
    );
  });

  it('makes a map of too many extents coarser instead of losing any', () => {
    const big = { startBytes: 0, sizeBytes: 5000 * 8192 };
    const lines: string[] = [];
    for (let i = 0; i < 5000; i += 1)
      lines.push(`${hex(i * 8192)} 0x1000 +\n${hex(i * 8192 + 4096)} 0x1000 ?`);
    const extents = parseDomainMap(map(lines.join('\n')), big, { extentsMax: 1000 });
    expect(extents.length).toBeLessThanOrEqual(1000);
    expect(extents[0]?.startBytes).toBe(0);
    expect(extents.at(-1)!.startBytes + extents.at(-1)!.sizeBytes).toBe(big.sizeBytes - 4096);
  });
});
