import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derInteger, derOctetString, derOid, derSequence, derTime } from './der.ts';

describe('DER', () => {
  it('writes the values known from the standards', () => {
    expect(derOid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
    expect(derInteger(Buffer.of(0)).toString('hex')).toBe('020100');
    expect(derInteger(Buffer.of(0, 0, 0x80)).toString('hex')).toBe('02020080');
    expect(
      derTime(new Date(Date.UTC(2049, 11, 31, 23, 59, 59)))
        .toString('latin1')
        .slice(2),
    ).toBe('491231235959Z');
    expect(
      derTime(new Date(Date.UTC(2050, 0, 1)))
        .toString('latin1')
        .slice(2),
    ).toBe('20500101000000Z');
  });

  it('writes lengths that lead exactly to the end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), (length) => {
        const bytes = derSequence(derOctetString(Buffer.alloc(length)));
        const first = bytes[1]!;
        const octets = first < 0x80 ? 0 : first & 0x7f;
        const inner = octets === 0 ? first : bytes.readUIntBE(2, octets);
        expect(bytes.length).toBe(2 + octets + inner);
        expect(octets === 0 || inner >= 0x80).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('writes integers that read back as the same number', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n }), (value) => {
        const digits = value.toString(16);
        const encoded = derInteger(
          Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex'),
        );
        const content = encoded.subarray(2);
        expect(content[0]! < 0x80).toBe(true);
        expect(BigInt(`0x${content.toString('hex')}`)).toBe(value);
      }),
    );
  });
});
