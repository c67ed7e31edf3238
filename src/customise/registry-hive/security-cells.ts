import { TdError } from '../../lib/errors.ts';
import { NK, NOWHERE, SIGNATURE, SK } from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';
import { SECURITY_DESCRIPTOR_BYTES_MAX } from './hive-limits.ts';
import { keyCell } from './key-cells.ts';

const WHAT = "a registry key's security";

/** A security cell, a view. @throws TdError `invalid` when there is none. */
export function securityCell(cells: CellStore, offset: number): Buffer {
  const cell = cells.cell(offset, SK.descriptor, WHAT);
  if (
    cell.readUInt16LE() !== SIGNATURE.sk ||
    SK.descriptor + cell.readUInt32LE(SK.descriptorBytes) > cell.length
  ) {
    throw new TdError('invalid', `Cannot read ${WHAT}: there is none at 0x${offset.toString(16)}`);
  }
  return cell;
}

/** The self-relative descriptor of a security cell, a view. */
export function descriptorOf(cell: Buffer): Buffer {
  return cell.subarray(SK.descriptor, SK.descriptor + cell.readUInt32LE(SK.descriptorBytes));
}

/** Offsets of all security cells of the ring that one of them belongs to. @throws TdError `invalid` when it has no end */
export function securityRing(cells: CellStore, first: number): number[] {
  const ring: number[] = [];
  const seen = new Set<number>();
  for (let offset = first; !seen.has(offset); ) {
    seen.add(offset);
    ring.push(offset);
    offset = securityCell(cells, offset).readUInt32LE(SK.next);
  }
  return ring;
}

/**
 * The cell for a descriptor, one more reference counted: an equal one of the ring, or a new one.
 *
 * @param neighbour any security cell of the ring; undefined for the first of a hive.
 */
export function takeSecurity(cells: CellStore, neighbour: number | undefined, descriptor: Buffer): number {
  if (descriptor.length > SECURITY_DESCRIPTOR_BYTES_MAX) {
    throw new TdError(
      'invalid',
      `Cannot store ${WHAT}: ${descriptor.length} bytes are more than Windows takes`,
    );
  }
  const equal =
    neighbour === undefined
      ? undefined
      : securityRing(cells, neighbour).find((offset) =>
          descriptorOf(securityCell(cells, offset)).equals(descriptor),
        );
  if (equal !== undefined) {
    addReference(cells, equal);
    return equal;
  }
  const created = cells.allocate(SK.descriptor + descriptor.length);
  const cell = cells.cell(created, SK.descriptor, WHAT);
  cell.writeUInt16LE(SIGNATURE.sk);
  cell.writeUInt32LE(1, SK.references);
  cell.writeUInt32LE(descriptor.length, SK.descriptorBytes);
  descriptor.copy(cell, SK.descriptor);
  const previous = neighbour ?? created;
  const next = neighbour === undefined ? created : securityCell(cells, neighbour).readUInt32LE(SK.next);
  cell.writeUInt32LE(next, SK.next);
  cell.writeUInt32LE(previous, SK.previous);
  securityCell(cells, previous).writeUInt32LE(created, SK.next);
  securityCell(cells, next).writeUInt32LE(created, SK.previous);
  return created;
}

export function addReference(cells: CellStore, offset: number): void {
  const cell = securityCell(cells, offset);
  cell.writeUInt32LE(cell.readUInt32LE(SK.references) + 1, SK.references);
}

/** One reference less; the last one frees the cell. */
export function dropReference(cells: CellStore, offset: number): void {
  const cell = securityCell(cells, offset);
  const references = cell.readUInt32LE(SK.references);
  if (references > 1) {
    cell.writeUInt32LE(references - 1, SK.references);
    return;
  }
  const [next, previous] = [cell.readUInt32LE(SK.next), cell.readUInt32LE(SK.previous)];
  securityCell(cells, previous).writeUInt32LE(next, SK.next);
  securityCell(cells, next).writeUInt32LE(previous, SK.previous);
  cells.free(offset);
}

/** Where the security of a key is; undefined when it has none. */
export function securityOf(cells: CellStore, keyOffset: number): number | undefined {
  const offset = keyCell(cells, keyOffset).readUInt32LE(NK.security);
  return offset === NOWHERE ? undefined : offset;
}
