import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../disk/testdata/memory-device.ts';
import { cellsOf, readCell, usedBytesOf } from './capture-cells.ts';

const DISK_BYTES = 20_000;

/** A part of a disk with ascending extents that lie apart. */
const sources = fc
  .record({
    startBytes: fc.nat({ max: 5000 }),
    sizeBytes: fc.integer({ min: 1, max: 15_000 }),
    pieces: fc.array(
      fc.record({ gap: fc.integer({ min: 1, max: 900 }), size: fc.integer({ min: 1, max: 3000 }) }),
      { maxLength: 30 },
    ),
  })
  .map(({ startBytes, sizeBytes, pieces }) => {
    const extents = [];
    let at = startBytes - 1;
    for (const { gap, size } of pieces) {
      at += gap;
      if (at >= startBytes + sizeBytes) break;
      extents.push({ startBytes: at, sizeBytes: Math.min(size, startBytes + sizeBytes - at) });
      at += size;
    }
    return { startBytes, sizeBytes, extents };
  });

describe('cells', () => {
  it('cover every used byte once, on the grid, and leave out cells without any', async () => {
    const bytes = Buffer.from(Array.from({ length: DISK_BYTES }, (_, i) => (i % 255) + 1));
    const disk = new MemoryDevice(bytes);
    await fc.assert(
      fc.asyncProperty(sources, fc.integer({ min: 16, max: 4000 }), async (source, chunkBytes) => {
        const expected = Buffer.alloc(DISK_BYTES);
        for (const { startBytes, sizeBytes } of source.extents) {
          bytes.copy(expected, startBytes, startBytes, startBytes + sizeBytes);
        }
        const got = Buffer.alloc(DISK_BYTES);
        let last = -1;
        let usedBytes = 0;
        for (const cell of cellsOf(source, chunkBytes)) {
          expect((cell.offsetBytes - source.startBytes) % chunkBytes).toBe(0);
          expect(cell.offsetBytes).toBeGreaterThan(last);
          expect(cell.rawBytes).toBe(
            Math.min(chunkBytes, source.startBytes + source.sizeBytes - cell.offsetBytes),
          );
          expect(usedBytesOf(cell)).toBeGreaterThan(0);
          const raw = await readCell(disk, cell);
          expect(raw.length).toBe(cell.rawBytes);
          raw.copy(got, cell.offsetBytes);
          last = cell.offsetBytes;
          usedBytes += usedBytesOf(cell);
        }
        // Free bytes are zeros, used ones are the disk's.
        expect(got.equals(expected)).toBe(true);
        expect(usedBytes).toBe(source.extents.reduce((sum, extent) => sum + extent.sizeBytes, 0));
      }),
    );
  });

  it('reads a whole cell without copying it', async () => {
    const reads: [number, number][] = [];
    const device = {
      read: async (offset: number, length: number) => {
        reads.push([offset, length]);
        return Buffer.alloc(length, 7);
      },
    };
    const cell = { offsetBytes: 100, rawBytes: 50, used: [{ startBytes: 100, sizeBytes: 50 }] };
    expect(await readCell(device, cell)).toEqual(Buffer.alloc(50, 7));
    const sparse = {
      offsetBytes: 100,
      rawBytes: 50,
      used: [
        { startBytes: 110, sizeBytes: 5 },
        { startBytes: 120, sizeBytes: 5 },
      ],
    };
    await readCell(device, sparse);
    expect(reads).toEqual([
      [100, 50],
      [110, 15],
    ]);
  });
});
