import { TdError } from '../../lib/errors.ts';
import { BASE } from './base-block.ts';
import { KEY_FLAG, NK, SIGNATURE, VALUE_NAME_COMPRESSED, VK } from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';

/** A key's cell, a view. @throws TdError `invalid` when there is none. */
export function keyCell(cells: CellStore, offset: number): Buffer {
  const cell = cells.cell(offset, NK.name, 'a registry key');
  if (cell.readUInt16LE() !== SIGNATURE.nk || NK.name + cell.readUInt16LE(NK.nameBytes) > cell.length) {
    throw new TdError('invalid', `Cannot read a registry key: there is none at 0x${offset.toString(16)}`);
  }
  return cell;
}

/** A value's cell, a view. @throws TdError `invalid` when there is none. */
export function valueCell(cells: CellStore, offset: number): Buffer {
  const cell = cells.cell(offset, VK.name, 'a registry value');
  if (cell.readUInt16LE() !== SIGNATURE.vk || VK.name + cell.readUInt16LE(VK.nameBytes) > cell.length) {
    throw new TdError('invalid', `Cannot read a registry value: there is none at 0x${offset.toString(16)}`);
  }
  return cell;
}

export function rootOffset(cells: CellStore): number {
  return cells.base.readUInt32LE(BASE.rootCell);
}

export function keyName(key: Buffer): string {
  const isCompressed = (key.readUInt16LE(NK.flags) & KEY_FLAG.compressedName) !== 0;
  return storedName(key, { at: NK.name, bytes: key.readUInt16LE(NK.nameBytes), isCompressed });
}

export function valueName(value: Buffer): string {
  const isCompressed = (value.readUInt16LE(VK.flags) & VALUE_NAME_COMPRESSED) !== 0;
  return storedName(value, { at: VK.name, bytes: value.readUInt16LE(VK.nameBytes), isCompressed });
}

/** UTF-16 units of a key's name, without reading it. */
export function keyNameUnits(key: Buffer): number {
  const isCompressed = (key.readUInt16LE(NK.flags) & KEY_FLAG.compressedName) !== 0;
  const bytes = key.readUInt16LE(NK.nameBytes);
  return isCompressed ? bytes : bytes >>> 1;
}

function storedName(cell: Buffer, name: { at: number; bytes: number; isCompressed: boolean }): string {
  const end = name.at + name.bytes;
  return name.isCompressed
    ? cell.toString('latin1', name.at, end)
    : cell.toString('utf16le', name.at, end & ~1);
}

/** A predefined handle keeps something else where the count of values is. */
export function valueCount(key: Buffer): number {
  const isHandle = (key.readUInt16LE(NK.flags) & KEY_FLAG.predefinedHandle) !== 0;
  return isHandle ? 0 : key.readUInt32LE(NK.valueCount);
}

/** Offsets of a list: `count` of them, one every `step` bytes. */
export function readOffsets(list: Buffer, elements: { at: number; count: number; step: number }): number[] {
  const offsets: number[] = [];
  const end = elements.at + elements.count * elements.step;
  for (let at = elements.at; at < end; at += elements.step) offsets.push(list.readUInt32LE(at));
  return offsets;
}
