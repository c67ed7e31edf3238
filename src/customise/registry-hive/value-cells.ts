import { TdError } from '../../lib/errors.ts';
import { BASE } from './base-block.ts';
import {
  DATA_RESIDENT,
  DB,
  KEY_FLAG,
  NK,
  NOWHERE,
  SEGMENT_BYTES,
  SIGNATURE,
  VALUE_NAME_COMPRESSED,
  VK,
} from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';
import { VALUES_OF_KEY_MAX } from './hive-limits.ts';
import { keyCell, readOffsets, valueCell, valueCount, valueName } from './key-cells.ts';
import { encodeName, upperName } from './key-name.ts';
import type { ValueContent } from './value-data.ts';

const BIG_DATA_MINOR_MIN = 4;
const RESIDENT_BYTES_MAX = 4;

/** Where the data of a value is: cells in the order of the bytes, and the cells that only say where. */
export interface DataCells {
  bytes: number;
  data: number[];
  lists: number[];
}

/** Offsets of a key's values, in their order. @throws TdError `invalid` */
export function valueOffsets(cells: CellStore, key: Buffer): number[] {
  const count = valueCount(key);
  if (count === 0) return [];
  const list = cells.cell(key.readUInt32LE(NK.valueList), count * 4, 'a list of values');
  return readOffsets(list, { at: 0, count, step: 4 });
}

/** Finds a value by its name in capitals. @throws TdError `invalid` */
export function findValue(cells: CellStore, key: Buffer, upper: string): number | undefined {
  return valueOffsets(cells, key).find((offset) => upperName(valueName(valueCell(cells, offset))) === upper);
}

/** The cells of a value's data; none when it is resident. @throws TdError `invalid` */
export function dataCells(cells: CellStore, value: Buffer): DataCells {
  const stored = value.readUInt32LE(VK.dataBytes);
  if (stored >= DATA_RESIDENT || stored === 0) return { bytes: 0, data: [], lists: [] };
  const offset = value.readUInt32LE(VK.data);
  const cell = cells.cell(offset, Math.min(stored, DB.bytes), 'the data of a value');
  const isBig = hasBigData(cells) && stored > SEGMENT_BYTES && cell.readUInt16LE() === SIGNATURE.db;
  // Other programs keep large data in one cell; the room tells.
  if (!isBig || cell.length >= stored) {
    cells.cell(offset, stored, 'the data of a value');
    return { bytes: stored, data: [offset], lists: [] };
  }
  const segments = cell.readUInt16LE(DB.segmentCount);
  if (stored > cells.binsBytes || segments !== Math.ceil(stored / SEGMENT_BYTES)) {
    throw new TdError('invalid', `Cannot read the data of a value: ${segments} segments for ${stored} bytes`);
  }
  const listOffset = cell.readUInt32LE(DB.segmentList);
  const list = cells.cell(listOffset, segments * 4, 'the data of a value');
  const data = readOffsets(list, { at: 0, count: segments, step: 4 });
  data.forEach((segment, index) => {
    cells.cell(segment, Math.min(SEGMENT_BYTES, stored - index * SEGMENT_BYTES), 'the data of a value');
  });
  return { bytes: stored, data, lists: [offset, listOffset] };
}

/** Type and a copy of the data. @throws TdError `invalid` */
export function readValue(cells: CellStore, value: Buffer): ValueContent {
  const type = value.readUInt32LE(VK.type);
  const stored = value.readUInt32LE(VK.dataBytes);
  if (stored >= DATA_RESIDENT) {
    const bytes = Math.min(stored - DATA_RESIDENT, RESIDENT_BYTES_MAX);
    return { type, data: Buffer.from(value.subarray(VK.data, VK.data + bytes)) };
  }
  const place = dataCells(cells, value);
  const data = Buffer.alloc(place.bytes);
  place.data.forEach((offset, index) => {
    cells
      .cell(offset, 0, 'the data of a value')
      .copy(data, index * SEGMENT_BYTES, 0, partBytes(place, index));
  });
  return { type, data };
}

/** Bytes that one cell of the data holds. */
export function partBytes(place: DataCells, index: number): number {
  return place.data.length === 1 ? place.bytes : Math.min(SEGMENT_BYTES, place.bytes - index * SEGMENT_BYTES);
}

/** Replaces type and data of a value. */
export function writeValue(cells: CellStore, valueOffset: number, content: ValueContent): void {
  const before = dataCells(cells, valueCell(cells, valueOffset));
  const { data } = content;
  if (data.length <= RESIDENT_BYTES_MAX) {
    const value = valueCell(cells, valueOffset);
    value.fill(0, VK.data, VK.data + RESIDENT_BYTES_MAX);
    data.copy(value, VK.data);
    value.writeUInt32LE(DATA_RESIDENT + data.length, VK.dataBytes);
  } else {
    const [only] = before.data;
    const fits = before.data.length === 1 && !isSegmented(cells, data) && only !== undefined;
    const offset =
      fits && cells.roomOf(only) >= data.length ? reuse(cells, only, data) : storeData(cells, data);
    const value = valueCell(cells, valueOffset);
    value.writeUInt32LE(data.length, VK.dataBytes);
    value.writeUInt32LE(offset, VK.data);
    if (offset === only) before.data.length = 0;
  }
  valueCell(cells, valueOffset).writeUInt32LE(content.type, VK.type);
  for (const offset of [...before.data, ...before.lists]) cells.free(offset);
}

function reuse(cells: CellStore, offset: number, data: Buffer): number {
  const cell = cells.cell(offset, data.length, 'the data of a value');
  data.copy(cell);
  cell.fill(0, data.length);
  return offset;
}

/** Adds a value behind the others. */
export function addValue(cells: CellStore, keyOffset: number, added: ValueContent & { name: string }): void {
  const before = keyCell(cells, keyOffset);
  if ((before.readUInt16LE(NK.flags) & KEY_FLAG.predefinedHandle) !== 0) {
    throw new TdError('invalid', 'Cannot add a registry value: the key stands for another and has no values');
  }
  const count = valueCount(before);
  if (count >= VALUES_OF_KEY_MAX) {
    throw new TdError('no-space', `Cannot add a registry value: the key has ${count}`);
  }
  const name = encodeName(added.name);
  const offset = cells.allocate(VK.name + name.bytes.length);
  const value = cells.cell(offset, VK.name, 'a registry value');
  value.writeUInt16LE(SIGNATURE.vk);
  value.writeUInt16LE(name.bytes.length, VK.nameBytes);
  value.writeUInt16LE(name.compressed ? VALUE_NAME_COMPRESSED : 0, VK.flags);
  name.bytes.copy(value, VK.name);
  writeValue(cells, offset, added);
  const listOffset = keyCell(cells, keyOffset).readUInt32LE(NK.valueList);
  const moved = count === 0 ? cells.allocate(4) : cells.resize(listOffset, (count + 1) * 4);
  cells.cell(moved, 0, 'a list of values').writeUInt32LE(offset, count * 4);
  const key = keyCell(cells, keyOffset);
  key.writeUInt32LE(moved, NK.valueList);
  key.writeUInt32LE(count + 1, NK.valueCount);
}

/** Takes a value out of its key and frees it. */
export function removeValue(cells: CellStore, keyOffset: number, valueOffset: number): void {
  const key = keyCell(cells, keyOffset);
  const offsets = valueOffsets(cells, key).filter((offset) => offset !== valueOffset);
  const listOffset = key.readUInt32LE(NK.valueList);
  freeValue(cells, valueOffset);
  key.writeUInt32LE(offsets.length, NK.valueCount);
  if (offsets.length === 0) {
    cells.free(listOffset);
    key.writeUInt32LE(NOWHERE, NK.valueList);
    return;
  }
  const list = cells.cell(listOffset, 0, 'a list of values');
  list.fill(0);
  offsets.forEach((offset, index) => {
    list.writeUInt32LE(offset, index * 4);
  });
}

/** Frees all values of a key that goes. */
export function freeValues(cells: CellStore, keyOffset: number): void {
  const key = keyCell(cells, keyOffset);
  const offsets = valueOffsets(cells, key);
  for (const offset of offsets) freeValue(cells, offset);
  if (offsets.length > 0) cells.free(key.readUInt32LE(NK.valueList));
}

function freeValue(cells: CellStore, offset: number): void {
  const place = dataCells(cells, valueCell(cells, offset));
  for (const part of [...place.data, ...place.lists, offset]) cells.free(part);
}

function hasBigData(cells: CellStore): boolean {
  return cells.base.readUInt32LE(BASE.minor) >= BIG_DATA_MINOR_MIN;
}

function isSegmented(cells: CellStore, data: Buffer): boolean {
  return data.length > SEGMENT_BYTES && hasBigData(cells);
}

function storeData(cells: CellStore, data: Buffer): number {
  if (!isSegmented(cells, data)) {
    const offset = cells.allocate(data.length);
    data.copy(cells.cell(offset, data.length, 'the data of a value'));
    return offset;
  }
  const segments = Math.ceil(data.length / SEGMENT_BYTES);
  const offset = cells.allocate(DB.bytes);
  const listOffset = cells.allocate(segments * 4);
  const head = cells.cell(offset, DB.bytes, 'the data of a value');
  head.writeUInt16LE(SIGNATURE.db);
  head.writeUInt16LE(segments, DB.segmentCount);
  head.writeUInt32LE(listOffset, DB.segmentList);
  for (let index = 0; index < segments; index += 1) {
    const part = data.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
    // Windows gives the last one, too, its full size, and others read it by the size of its cell.
    const segment = cells.allocate(SEGMENT_BYTES);
    part.copy(cells.cell(segment, part.length, 'the data of a value'));
    cells.cell(listOffset, 0, 'the data of a value').writeUInt32LE(segment, index * 4);
  }
  return offset;
}
