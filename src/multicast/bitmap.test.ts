import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitmap } from './bitmap.ts';

describe('Bitmap', () => {
  it('behaves as a set of numbers', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(99)), { maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.nat(99), fc.nat(99), (changes, a, b) => {
        const bitmap = new Bitmap(100);
        const set = new Set<number>();
        for (const [add, index] of changes) {
          if (add) expect(bitmap.add(index)).toBe(!set.has(index));
          else expect(bitmap.remove(index)).toBe(set.has(index));
          if (add) set.add(index);
          else set.delete(index);
        }
        const from = Math.min(a, b);
        const end = Math.max(a, b);
        const range = Array.from({ length: end - from }, (_, i) => from + i);
        expect(bitmap.count).toBe(set.size);
        expect(bitmap.nextSet(from, end)).toBe(range.find((i) => set.has(i)) ?? end);
        expect(bitmap.nextClear(from, end)).toBe(range.find((i) => !set.has(i)) ?? end);
        expect(Bitmap.from(bitmap.bytes, 100).count).toBe(set.size);
      }),
    );
  });

  it('has no bits beyond its length', () => {
    const full = Bitmap.full(13);
    expect(full.count).toBe(13);
    expect([...full.bytes]).toEqual([0xff, 0x1f]);
    expect(Bitmap.from(Uint8Array.of(0xff, 0xff), 13).count).toBe(13);
    expect(new Bitmap(13).add(13)).toBe(false);
    expect(full.nextClear(0)).toBe(13);
  });

  it('unites two sets', () => {
    const a = Bitmap.from(Uint8Array.of(0b0101), 8);
    a.addAll(Bitmap.from(Uint8Array.of(0b0110), 8));
    expect(a.bytes[0]).toBe(0b0111);
    expect(a.count).toBe(3);
    a.addMissingOf(Bitmap.from(Uint8Array.of(0b1010_1111), 8));
    expect(a.bytes[0]).toBe(0b0101_0111);
    expect(a.count).toBe(5);
  });
});
