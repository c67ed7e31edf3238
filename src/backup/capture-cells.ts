import type { Extent } from '../disk/domain-map.ts';

/** One chunk's place on the disk, with what of it is in use. */
export interface Cell {
  offsetBytes: number;
  rawBytes: number;
  /** Absolute on the disk, inside the cell, ascending; never empty. */
  used: Extent[];
}

export interface CellSource {
  startBytes: number;
  sizeBytes: number;
  /** Absolute on the disk, ascending, apart. */
  extents: readonly Extent[];
}

/** Cuts a partition or boot area into cells on a grid from its start; cells without a used byte are left out. */
export function* cellsOf(source: CellSource, chunkBytes: number): Generator<Cell> {
  const end = source.startBytes + source.sizeBytes;
  let cell: Cell | undefined;
  for (const extent of source.extents) {
    let at = Math.max(extent.startBytes, source.startBytes);
    const extentEnd = Math.min(extent.startBytes + extent.sizeBytes, end);
    while (at < extentEnd) {
      const offsetBytes = at - ((at - source.startBytes) % chunkBytes);
      if (cell !== undefined && cell.offsetBytes !== offsetBytes) {
        yield cell;
        cell = undefined;
      }
      cell ??= { offsetBytes, rawBytes: Math.min(chunkBytes, end - offsetBytes), used: [] };
      const pieceEnd = Math.min(extentEnd, offsetBytes + cell.rawBytes);
      cell.used.push({ startBytes: at, sizeBytes: pieceEnd - at });
      at = pieceEnd;
    }
  }
  if (cell !== undefined) yield cell;
}

export function usedBytesOf(cell: Cell): number {
  return cell.used.reduce((sum, extent) => sum + extent.sizeBytes, 0);
}

/** Reads a cell: what is in use as it is on the disk, the rest zeros. */
export async function readCell(
  device: { read(offsetBytes: number, lengthBytes: number): Promise<Buffer> },
  cell: Cell,
): Promise<Buffer> {
  const first = cell.used[0];
  const last = cell.used.at(-1);
  if (first === undefined || last === undefined) return Buffer.alloc(cell.rawBytes);
  // One read from the first to the last used byte: seeks inside a mebibyte cost more than its free blocks.
  const spanBytes = last.startBytes + last.sizeBytes - first.startBytes;
  const span = await device.read(first.startBytes, spanBytes);
  if (cell.used.length === 1 && spanBytes === cell.rawBytes) return span;
  const raw = Buffer.alloc(cell.rawBytes);
  for (const extent of cell.used) {
    const from = extent.startBytes - first.startBytes;
    span.copy(raw, extent.startBytes - cell.offsetBytes, from, from + extent.sizeBytes);
  }
  return raw;
}
