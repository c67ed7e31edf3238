import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MachineSid, machineSidBytes, machineSidOf, machineSidText, newMachineSid } from './sid.ts';
import { holdsSid, replaceSid, replaceSidText, sidPatterns } from './sid-patterns.ts';

const subAuthority = fc.integer({ min: 10_000, max: 0xffff_ffff });
const machineSid = fc.tuple(subAuthority, subAuthority, subAuthority);
const FROM: MachineSid = [1_111_111_111, 2_222_222_222, 3_333_333_333];
const TO: MachineSid = [1_234_567_890, 2_345_678_901, 3_456_789_012];
const PATTERNS = sidPatterns({ from: FROM, to: TO });

describe('newMachineSid', () => {
  it('draws other numbers with as many digits, for every SID and every draw', () => {
    const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(machineSid, share, (old, at) => {
        const made = newMachineSid(old, (min, max) => min + Math.floor(at * (max - min)));
        for (const [i, part] of made.entries()) {
          expect(part).not.toBe(old[i]);
          expect(String(part)).toHaveLength(String(old[i]).length);
          expect(part).toBeLessThanOrEqual(0xffff_ffff);
        }
        expect(machineSidOf(machineSidBytes(made))).toEqual(made);
      }),
    );
  });

  it('reaches the first and the last number of a length', () => {
    expect(newMachineSid([2_000_000_000, 12_345, 99_999], (min) => min)).toEqual([
      1_000_000_000, 10_000, 10_000,
    ]);
    expect(newMachineSid([2_000_000_000, 12_345, 99_999], (_, max) => max - 1)).toEqual([
      4_294_967_295, 99_999, 99_998,
    ]);
  });

  it('refuses one so short that it could be met by chance', () => {
    expect(() => newMachineSid([1, 2, 3])).toThrow(/S-1-5-21-1-2-3: it is too short/);
  });
});

describe('replaceSid', () => {
  it.each([
    ['bytes', machineSidBytes(FROM), machineSidBytes(TO)],
    [
      'UTF-16',
      Buffer.from(`${machineSidText(FROM)}-1001`, 'utf16le'),
      Buffer.from(`${machineSidText(TO)}-1001`, 'utf16le'),
    ],
    ['ASCII', Buffer.from(machineSidText(FROM)), Buffer.from(machineSidText(TO))],
  ])('replaces it as %s, several times and wherever it begins', (_, from, to) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { minLength: 1, maxLength: 5 }), (gaps) => {
        // Not a digit, so that no number goes on before or after the text.
        const parts = gaps.map((gap) =>
          Buffer.from(gap).map((byte) => (byte >= 0x30 && byte <= 0x39 ? 0xff : byte)),
        );
        const join = (sid: Buffer) => Buffer.concat(parts.flatMap((part) => [Buffer.from(part), sid]));
        const bytes = join(from);
        expect(replaceSid(bytes, PATTERNS)).toBe(gaps.length);
        expect(bytes.equals(join(to))).toBe(true);
        expect(holdsSid(bytes, PATTERNS)).toBe(false);
      }),
    );
  });

  it('leaves bytes alone that hold another SID, or a longer number', () => {
    const others = [
      machineSidText([1_111_111_111, 2_222_222_222, 3_333_333_334]),
      'S-1-5-21-1111111111-2222222222-33333333330',
      'S-1-5-21-11111111111-2222222222-3333333333',
      'S-1-5-21-1111111111-2222222222',
    ];
    for (const text of others) {
      expect(replaceSidText(text, PATTERNS)).toBe(text);
      expect(replaceSid(Buffer.from(text), PATTERNS)).toBe(0);
    }
    expect(replaceSid(machineSidBytes(FROM).subarray(0, 11), PATTERNS)).toBe(0);
  });

  it('undoes what the opposite change did, in any bytes', () => {
    const back = sidPatterns({ from: TO, to: FROM });
    const piece = fc.oneof(
      fc.constant(machineSidBytes(FROM)),
      fc.constant(Buffer.from(machineSidText(FROM), 'utf16le')),
      fc.uint8Array({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const before = Buffer.concat(pieces);
        const bytes = Buffer.from(before);
        replaceSid(bytes, PATTERNS);
        replaceSid(bytes, back);
        expect(bytes.equals(before)).toBe(true);
      }),
    );
  });
});
