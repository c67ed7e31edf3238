import { describe, expect, it } from 'vitest';
import { usedRangesOfDump } from './ext-block-map.ts';

function dump(free: string, count: number): string {
  return `Block count:              100\nFree blocks:              ${count}\nBlock size:               4096\n\nGroup 0: (Blocks 0-99)\n  Free blocks: ${free}\n`;
}

describe('usedRangesOfDump', () => {
  it('turns free blocks into the ranges between them', () => {
    expect(usedRangesOfDump(dump('10-19, 50', 11), 1000)).toEqual([
      { offsetBytes: 1000, sizeBytes: 10 * 4096 },
      { offsetBytes: 1000 + 20 * 4096, sizeBytes: 30 * 4096 },
      { offsetBytes: 1000 + 51 * 4096, sizeBytes: 49 * 4096 },
    ]);
  });

  it('knows a full file system', () => {
    expect(usedRangesOfDump(dump('', 0), 0)).toEqual([{ offsetBytes: 0, sizeBytes: 409_600 }]);
  });

  it('refuses lists that do not add up', () => {
    expect(() => usedRangesOfDump(dump('10-19', 11), 0)).toThrow(/10 free blocks listed, 11 counted/);
    expect(() => usedRangesOfDump('', 0)).toThrow(/does not say "Block size"/);
  });
});
