import { TdError } from '../../lib/errors.ts';
import { BASE } from './base-block.ts';
import { LIST, NK, NOWHERE, SIGNATURE } from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';
import { keyCell, keyName, keyNameUnits, readOffsets } from './key-cells.ts';
import { compareUpperNames, nameHash, nameHint, upperName } from './key-name.ts';

/** Elements of one leaf before it is divided; as many as fit a bin of 4096 bytes, as Windows does. */
const LEAF_ELEMENTS_MAX: Record<number, number> = {
  [SIGNATURE.lf]: 507,
  [SIGNATURE.lh]: 507,
  [SIGNATURE.li]: 1014,
};
const LEAVES_MAX = 65_535;
const HASH_LEAF_MINOR_MIN = 5;

/** A list of subkeys that is no index root. */
export interface SubkeyLeaf {
  offset: number;
  /** `lf`, `lh` or `li` as a number. */
  signature: number;
  count: number;
}

export function leafElementBytes(signature: number): number {
  return signature === SIGNATURE.li ? 4 : 8;
}

/**
 * The leaves of a key, in order; none when it has no subkeys.
 *
 * @throws TdError `invalid` when a list cannot be read.
 */
export function subkeyLeaves(cells: CellStore, keyOffset: number): SubkeyLeaf[] {
  const key = keyCell(cells, keyOffset);
  if (key.readUInt32LE(NK.subkeyCount) === 0) return [];
  const listOffset = key.readUInt32LE(NK.subkeyList);
  const list = cells.cell(listOffset, LIST.elements, 'a list of subkeys');
  if (list.readUInt16LE() !== SIGNATURE.ri) return [readLeaf(cells, listOffset)];
  const count = list.readUInt16LE(LIST.count);
  cells.cell(listOffset, LIST.elements + count * 4, 'a list of subkeys');
  const offsets = readOffsets(list, { at: LIST.elements, count, step: 4 });
  // A leaf listed again and again would turn a small hive into millions of keys.
  if (new Set(offsets).size !== count) {
    throw new TdError('invalid', 'Cannot read a list of subkeys: it names a part of itself twice');
  }
  return offsets.map((offset) => readLeaf(cells, offset));
}

function readLeaf(cells: CellStore, offset: number): SubkeyLeaf {
  const cell = cells.cell(offset, LIST.elements, 'a list of subkeys');
  const signature = cell.readUInt16LE();
  if (LEAF_ELEMENTS_MAX[signature] === undefined) {
    throw new TdError('invalid', `Cannot read a list of subkeys: there is none at 0x${offset.toString(16)}`);
  }
  const count = cell.readUInt16LE(LIST.count);
  cells.cell(offset, LIST.elements + count * leafElementBytes(signature), 'a list of subkeys');
  return { offset, signature, count };
}

/**
 * Offsets of all subkeys, in the order of the lists. None is there twice and each knows this key as the one above,
 * so that whoever goes down from the root meets every key once.
 *
 * @throws TdError `invalid`
 */
export function subkeyOffsets(cells: CellStore, keyOffset: number): number[] {
  const offsets = new Set<number>();
  let count = 0;
  for (const leaf of subkeyLeaves(cells, keyOffset)) {
    for (const offset of leafOffsets(cells, leaf)) {
      subkeyCell(cells, keyOffset, offset);
      offsets.add(offset);
      count += 1;
    }
  }
  if (offsets.size !== count)
    throw new TdError('invalid', 'Cannot read a list of subkeys: one is in it twice');
  return [...offsets];
}

export function leafOffsets(cells: CellStore, leaf: SubkeyLeaf): number[] {
  const list = cells.cell(leaf.offset, 0, 'a list of subkeys');
  return readOffsets(list, {
    at: LIST.elements,
    count: leaf.count,
    step: leafElementBytes(leaf.signature),
  });
}

/** Finds a subkey by its name in capitals, also in lists that are out of order. @throws TdError `invalid` */
export function findSubkey(cells: CellStore, keyOffset: number, upper: string): number | undefined {
  const hash = nameHash(upper);
  for (const leaf of subkeyLeaves(cells, keyOffset)) {
    const list = cells.cell(leaf.offset, 0, 'a list of subkeys');
    const step = leafElementBytes(leaf.signature);
    for (let at: number = LIST.elements, end = at + leaf.count * step; at < end; at += step) {
      if (leaf.signature === SIGNATURE.lh && list.readUInt32LE(at + 4) !== hash) continue;
      const offset = list.readUInt32LE(at);
      const subkey = subkeyCell(cells, keyOffset, offset);
      if (keyNameUnits(subkey) === upper.length && upperName(keyName(subkey)) === upper) return offset;
    }
  }
  return undefined;
}

function subkeyCell(cells: CellStore, keyOffset: number, offset: number): Buffer {
  const subkey = keyCell(cells, offset);
  if (subkey.readUInt32LE(NK.parent) !== keyOffset) {
    throw new TdError(
      'invalid',
      `Cannot read a list of subkeys: the key at 0x${offset.toString(16)} belongs to another`,
    );
  }
  return subkey;
}

/** Puts a subkey where its name belongs. The key's count is raised; its time is the caller's. */
export function insertSubkey(cells: CellStore, keyOffset: number, subkeyOffset: number): void {
  const name = keyName(keyCell(cells, subkeyOffset));
  const leaves = subkeyLeaves(cells, keyOffset);
  const { leaf, index } = placeOf(cells, leaves, upperName(name));
  if (leaf === undefined) {
    const created = newLeaf(cells, leafSignature(cells), 1);
    putElement(cells, { leaf: created, index: 0 }, { offset: subkeyOffset, name });
    keyCell(cells, keyOffset).writeUInt32LE(created.offset, NK.subkeyList);
  } else {
    insertElement(cells, { keyOffset, leaf, index }, { offset: subkeyOffset, name });
  }
  const key = keyCell(cells, keyOffset);
  key.writeUInt32LE(key.readUInt32LE(NK.subkeyCount) + 1, NK.subkeyCount);
}

/** Takes a subkey out of the lists; its own cell stays. @throws TdError `invalid` when it is not there */
export function removeSubkey(cells: CellStore, keyOffset: number, subkeyOffset: number): void {
  const leaves = subkeyLeaves(cells, keyOffset);
  for (const leaf of leaves) {
    const list = cells.cell(leaf.offset, 0, 'a list of subkeys');
    const step = leafElementBytes(leaf.signature);
    const end = LIST.elements + leaf.count * step;
    for (let at: number = LIST.elements; at < end; at += step) {
      if (list.readUInt32LE(at) !== subkeyOffset) continue;
      list.copy(list, at, at + step, end);
      list.fill(0, end - step, end);
      list.writeUInt16LE(leaf.count - 1, LIST.count);
      if (leaf.count === 1) dropLeaf(cells, keyOffset, leaf.offset);
      const key = keyCell(cells, keyOffset);
      key.writeUInt32LE(key.readUInt32LE(NK.subkeyCount) - 1, NK.subkeyCount);
      return;
    }
  }
  throw new TdError('invalid', 'Cannot remove a registry key: the key above does not list it');
}

/** Frees all lists of a key whose subkeys are gone. */
export function freeSubkeyLists(cells: CellStore, keyOffset: number): void {
  const key = keyCell(cells, keyOffset);
  const leaves = subkeyLeaves(cells, keyOffset);
  if (leaves.length === 0) return;
  const listOffset = key.readUInt32LE(NK.subkeyList);
  for (const leaf of leaves) cells.free(leaf.offset);
  if (leaves[0]?.offset !== listOffset) cells.free(listOffset);
}

/** Hash or hint that a leaf keeps of a name; undefined for `li`. */
export function elementMark(signature: number, name: string): number | undefined {
  if (signature === SIGNATURE.lh) return nameHash(upperName(name));
  return signature === SIGNATURE.lf ? nameHint(name) : undefined;
}

function leafSignature(cells: CellStore): number {
  return cells.base.readUInt32LE(BASE.minor) >= HASH_LEAF_MINOR_MIN ? SIGNATURE.lh : SIGNATURE.lf;
}

/** The first element whose name is greater, or the end. */
function placeOf(
  cells: CellStore,
  allLeaves: readonly SubkeyLeaf[],
  upper: string,
): { leaf: SubkeyLeaf | undefined; index: number } {
  const isBeyond = (leaf: SubkeyLeaf, index: number) => {
    const list = cells.cell(leaf.offset, 0, 'a list of subkeys');
    const offset = list.readUInt32LE(LIST.elements + index * leafElementBytes(leaf.signature));
    return compareUpperNames(upperName(keyName(keyCell(cells, offset))), upper) > 0;
  };
  // Empty leaves, which only other programs leave behind, have no place in the order.
  const leaves = allLeaves.filter((leaf) => leaf.count > 0);
  const leafIndex = partition(leaves.length, (at) => isBeyond(leaves[at]!, leaves[at]!.count - 1));
  const leaf = leaves[leafIndex] ?? leaves.at(-1);
  if (leaf === undefined) return { leaf, index: 0 };
  return { leaf, index: partition(leaf.count, (at) => isBeyond(leaf, at)) };
}

/** The first index for which it holds, given that it holds for all that follow. */
function partition(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function newLeaf(cells: CellStore, signature: number, elements: number): SubkeyLeaf {
  const offset = cells.allocate(LIST.elements + elements * leafElementBytes(signature));
  cells.cell(offset, LIST.elements, 'a list of subkeys').writeUInt16LE(signature);
  return { offset, signature, count: 0 };
}

interface Place {
  leaf: SubkeyLeaf;
  index: number;
}

/** The leaf has room for one more. */
function putElement(
  cells: CellStore,
  { leaf, index }: Place,
  element: { offset: number; name: string },
): void {
  const list = cells.cell(leaf.offset, LIST.elements, 'a list of subkeys');
  const step = leafElementBytes(leaf.signature);
  const at = LIST.elements + index * step;
  list.copy(list, at + step, at, LIST.elements + leaf.count * step);
  list.writeUInt32LE(element.offset, at);
  const mark = elementMark(leaf.signature, element.name);
  if (mark !== undefined) list.writeUInt32LE(mark, at + 4);
  list.writeUInt16LE(leaf.count + 1, LIST.count);
  leaf.count += 1;
}

function insertElement(
  cells: CellStore,
  place: Place & { keyOffset: number },
  element: { offset: number; name: string },
): void {
  let { leaf, index } = place;
  if (leaf.count >= (LEAF_ELEMENTS_MAX[leaf.signature] ?? 0)) {
    const upperHalf = divideLeaf(cells, place.keyOffset, leaf);
    if (index > leaf.count) {
      index -= leaf.count;
      leaf = upperHalf;
    }
  }
  const bytes = LIST.elements + (leaf.count + 1) * leafElementBytes(leaf.signature);
  const moved = cells.resize(leaf.offset, bytes);
  if (moved !== leaf.offset) {
    replaceLeaf(cells, place.keyOffset, { from: leaf.offset, to: moved });
    leaf.offset = moved;
  }
  putElement(cells, { leaf, index }, element);
}

/** Moves the upper half of a leaf into a new one behind it; the key gets an index root when it had none. */
function divideLeaf(cells: CellStore, keyOffset: number, leaf: SubkeyLeaf): SubkeyLeaf {
  const step = leafElementBytes(leaf.signature);
  const kept = leaf.count >>> 1;
  const created = newLeaf(cells, leaf.signature, leaf.count - kept + 1);
  addLeaf(cells, keyOffset, { after: leaf.offset, offset: created.offset });
  const from = cells.cell(leaf.offset, 0, 'a list of subkeys');
  const to = cells.cell(created.offset, 0, 'a list of subkeys');
  const [start, end] = [LIST.elements + kept * step, LIST.elements + leaf.count * step];
  from.copy(to, LIST.elements, start, end);
  from.fill(0, start, end);
  created.count = leaf.count - kept;
  leaf.count = kept;
  from.writeUInt16LE(leaf.count, LIST.count);
  to.writeUInt16LE(created.count, LIST.count);
  return created;
}

function addLeaf(cells: CellStore, keyOffset: number, leaf: { after: number; offset: number }): void {
  const listOffset = keyCell(cells, keyOffset).readUInt32LE(NK.subkeyList);
  if (listOffset === leaf.after) {
    const root = cells.allocate(LIST.elements + 2 * 4);
    const list = cells.cell(root, 0, 'a list of subkeys');
    list.writeUInt16LE(SIGNATURE.ri);
    list.writeUInt16LE(2, LIST.count);
    list.writeUInt32LE(leaf.after, LIST.elements);
    list.writeUInt32LE(leaf.offset, LIST.elements + 4);
    keyCell(cells, keyOffset).writeUInt32LE(root, NK.subkeyList);
    return;
  }
  const count = cells.cell(listOffset, LIST.elements, 'a list of subkeys').readUInt16LE(LIST.count);
  if (count >= LEAVES_MAX)
    throw new TdError('no-space', 'Cannot add a registry key: there are too many beside it');
  const moved = cells.resize(listOffset, LIST.elements + (count + 1) * 4);
  if (moved !== listOffset) keyCell(cells, keyOffset).writeUInt32LE(moved, NK.subkeyList);
  const list = cells.cell(moved, 0, 'a list of subkeys');
  const at = leafPlace(list, leaf.after) + 4;
  list.copy(list, at + 4, at, LIST.elements + count * 4);
  list.writeUInt32LE(leaf.offset, at);
  list.writeUInt16LE(count + 1, LIST.count);
}

function leafPlace(root: Buffer, leafOffset: number): number {
  let at: number = LIST.elements;
  while (root.readUInt32LE(at) !== leafOffset) at += 4;
  return at;
}

function replaceLeaf(cells: CellStore, keyOffset: number, leaf: { from: number; to: number }): void {
  const key = keyCell(cells, keyOffset);
  const listOffset = key.readUInt32LE(NK.subkeyList);
  if (listOffset === leaf.from) {
    key.writeUInt32LE(leaf.to, NK.subkeyList);
    return;
  }
  const root = cells.cell(listOffset, LIST.elements, 'a list of subkeys');
  root.writeUInt32LE(leaf.to, leafPlace(root, leaf.from));
}

function dropLeaf(cells: CellStore, keyOffset: number, leafOffset: number): void {
  const key = keyCell(cells, keyOffset);
  const listOffset = key.readUInt32LE(NK.subkeyList);
  cells.free(leafOffset);
  if (listOffset === leafOffset) {
    key.writeUInt32LE(NOWHERE, NK.subkeyList);
    return;
  }
  const root = cells.cell(listOffset, LIST.elements, 'a list of subkeys');
  const count = root.readUInt16LE(LIST.count);
  const at = leafPlace(root, leafOffset);
  const end = LIST.elements + count * 4;
  root.copy(root, at, at + 4, end);
  root.writeUInt32LE(0, end - 4);
  root.writeUInt16LE(count - 1, LIST.count);
  if (count > 1) return;
  cells.free(listOffset);
  key.writeUInt32LE(NOWHERE, NK.subkeyList);
}
