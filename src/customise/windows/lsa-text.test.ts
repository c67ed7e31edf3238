import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lsaText, lsaTextOf } from './lsa-text.ts';

describe('a name in a policy of LSA', () => {
  it('is laid out as Windows does it', () => {
    expect(lsaText('PRWUA').data.toString('hex')).toBe('0a000c0008000000500052005700550041000000');
  });

  it('reads back as it was', () => {
    const name = fc.string({ maxLength: 300 }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(name, (text) => {
        expect(lsaTextOf(lsaText(text))).toBe(text);
      }),
    );
  });

  it('is read from any bytes without harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(lsaTextOf({ data: Buffer.from(bytes) }).length).toBeLessThanOrEqual(bytes.length);
      }),
    );
    expect(lsaTextOf(undefined)).toBe('');
  });
});
