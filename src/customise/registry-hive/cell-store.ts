import { TdError } from '../../lib/errors.ts';
import {
  BASE_BLOCK_BYTES,
  BIN_ALIGN_BYTES,
  BIN_HEADER_BYTES,
  CELL_ALIGN_BYTES,
  CELL_HEADER_BYTES,
} from './cell-layout.ts';
import { HIVE_BYTES_MAX, PROBLEMS_MAX } from './hive-limits.ts';

const BIN_SIGNATURE = 0x6e69_6268;
const BIN = { signature: 0, offset: 4, bytes: 8 } as const;
const GROWTH_BYTES = 1024 * 1024;

/** What begins at each 8 bytes of the bins. */
const INSIDE = 0;
const FREE = 1;
const ALLOCATED = 2;
const BIN_START = 3;

/** Free cells are kept by size in steps of 8 bytes; all larger ones together in the last list. */
const FREE_LISTS = 513;

/** A copy of a whole hive to return to. */
export interface CellSnapshot {
  bytes: Buffer;
  binsBytes: number;
}

/**
 * The cells of a hive in one buffer: found by one pass, allocated in free cells or new bins, freed and joined.
 * Views of cells are good until the next `allocate` or `resize`, which may move the buffer.
 */
export class CellStore {
  /** The file as it was or will be, and room behind it. */
  #bytes: Buffer;
  #fileBytes: number;
  #binsBytes: number;
  #kinds: Uint8Array;
  /** Offsets, some outdated: what is taken from a list is looked at again. */
  #free: number[][] = [];
  /** Bins and cells that make no sense; nothing may be allocated then. */
  layoutProblems: string[] = [];

  /** @param bytes a whole file that passed `assertReadableBase`; the store keeps and changes it. */
  constructor(bytes: Buffer, binsBytes: number) {
    this.#bytes = bytes;
    this.#fileBytes = bytes.length;
    this.#binsBytes = binsBytes;
    this.#kinds = new Uint8Array(0);
    this.#scan();
  }

  /** The base block. */
  get base(): Buffer {
    return this.#bytes.subarray(0, BASE_BLOCK_BYTES);
  }

  get binsBytes(): number {
    return this.#binsBytes;
  }

  /** The whole file, a view. */
  get file(): Buffer {
    return this.#bytes.subarray(0, this.#fileBytes);
  }

  snapshot(): CellSnapshot {
    return { bytes: Buffer.from(this.file), binsBytes: this.#binsBytes };
  }

  restore(snapshot: CellSnapshot): void {
    this.#bytes = Buffer.from(snapshot.bytes);
    this.#fileBytes = snapshot.bytes.length;
    this.#binsBytes = snapshot.binsBytes;
    this.#scan();
  }

  /** True when an allocated cell begins there. */
  isCell(offset: number): boolean {
    return offset % CELL_ALIGN_BYTES === 0 && this.#kinds[offset / CELL_ALIGN_BYTES] === ALLOCATED;
  }

  /** Bytes an allocated cell has for data. */
  roomOf(offset: number): number {
    return -this.#bytes.readInt32LE(BASE_BLOCK_BYTES + offset) - CELL_HEADER_BYTES;
  }

  /**
   * The data of an allocated cell, a view.
   *
   * @param bytesMin how much of it the caller reads without looking.
   * @throws TdError `invalid` when no allocated cell begins there or it is too short.
   */
  cell(offset: number, bytesMin: number, what: string): Buffer {
    this.assertCell(offset, bytesMin, what);
    const at = BASE_BLOCK_BYTES + offset + CELL_HEADER_BYTES;
    return this.#bytes.subarray(at, at + this.roomOf(offset));
  }

  /** As `cell`, without making a view. */
  assertCell(offset: number, bytesMin: number, what: string): void {
    if (!this.isCell(offset)) {
      throw new TdError('invalid', `Cannot read ${what}: there is no cell at 0x${offset.toString(16)}`);
    }
    if (this.roomOf(offset) < bytesMin) {
      throw new TdError(
        'invalid',
        `Cannot read ${what}: its cell at 0x${offset.toString(16)} has ${this.roomOf(offset)} bytes, not ${bytesMin}`,
      );
    }
  }

  /** Offsets of all allocated cells, in order. */
  allocatedCells(): number[] {
    const offsets: number[] = [];
    const kinds = this.#kinds;
    for (let slot = 0; slot < this.#binsBytes / CELL_ALIGN_BYTES; slot += 1) {
      if (kinds[slot] === ALLOCATED) offsets.push(slot * CELL_ALIGN_BYTES);
    }
    return offsets;
  }

  /**
   * A new cell of zeros.
   *
   * @param dataBytes without its header.
   * @throws TdError `no-space` when the hive would become larger than `HIVE_BYTES_MAX`.
   */
  allocate(dataBytes: number): number {
    const wanted = alignUp(dataBytes + CELL_HEADER_BYTES, CELL_ALIGN_BYTES);
    const offset = this.#takeFree(wanted) ?? this.#appendBin(wanted);
    const whole = this.#sizeAt(offset);
    if (whole - wanted >= CELL_ALIGN_BYTES) this.#putFree(offset + wanted, whole - wanted);
    const at = BASE_BLOCK_BYTES + offset;
    const used = whole - wanted >= CELL_ALIGN_BYTES ? wanted : whole;
    this.#bytes.writeInt32LE(-used, at);
    this.#bytes.fill(0, at + CELL_HEADER_BYTES, at + used);
    this.#kinds[offset / CELL_ALIGN_BYTES] = ALLOCATED;
    return offset;
  }

  /** Frees a cell, wipes it and joins it with free neighbours of its bin. */
  free(offset: number): void {
    let start = offset;
    let size = -this.#bytes.readInt32LE(BASE_BLOCK_BYTES + offset);
    const next = offset + size;
    if (next < this.#binsBytes && this.#kinds[next / CELL_ALIGN_BYTES] === FREE) {
      size += this.#sizeAt(next);
      this.#kinds[next / CELL_ALIGN_BYTES] = INSIDE;
    }
    // The bin's header ends the search.
    let slot = offset / CELL_ALIGN_BYTES - 1;
    while (this.#kinds[slot] === INSIDE) slot -= 1;
    if (this.#kinds[slot] === FREE) {
      start = slot * CELL_ALIGN_BYTES;
      size += offset - start;
      this.#kinds[offset / CELL_ALIGN_BYTES] = INSIDE;
    }
    // What was deleted must not be found in the file by anyone; joined parts that were free before stay as they are.
    const wipedTo = BASE_BLOCK_BYTES + Math.min(next + CELL_HEADER_BYTES, start + size);
    this.#bytes.fill(0, BASE_BLOCK_BYTES + offset, wipedTo);
    this.#putFree(start, size);
  }

  /** Makes room for more data in a cell, elsewhere when it must; the content is kept. @returns where it is now. */
  resize(offset: number, dataBytes: number): number {
    if (this.roomOf(offset) >= dataBytes) return offset;
    const moved = this.allocate(dataBytes);
    this.cell(offset, 0, 'a cell').copy(this.cell(moved, 0, 'a cell'));
    this.free(offset);
    return moved;
  }

  /** Overwrites with zeros all free cells and what follows the last bin. */
  wipeFree(): void {
    for (let slot = 0; slot < this.#binsBytes / CELL_ALIGN_BYTES; slot += 1) {
      if (this.#kinds[slot] !== FREE) continue;
      const at = BASE_BLOCK_BYTES + slot * CELL_ALIGN_BYTES;
      this.#bytes.fill(0, at + CELL_HEADER_BYTES, at + this.#bytes.readInt32LE(at));
    }
    this.#bytes.fill(0, BASE_BLOCK_BYTES + this.#binsBytes);
  }

  #sizeAt(offset: number): number {
    return Math.abs(this.#bytes.readInt32LE(BASE_BLOCK_BYTES + offset));
  }

  #putFree(offset: number, size: number): void {
    this.#bytes.writeInt32LE(size, BASE_BLOCK_BYTES + offset);
    this.#kinds[offset / CELL_ALIGN_BYTES] = FREE;
    const list = Math.min(size / CELL_ALIGN_BYTES, FREE_LISTS - 1);
    this.#free[list]?.push(offset);
  }

  #takeFree(wanted: number): number | undefined {
    const first = Math.min(wanted / CELL_ALIGN_BYTES, FREE_LISTS - 1);
    for (let list = first; list < FREE_LISTS - 1; list += 1) {
      const offset = this.#popFree(list);
      if (offset !== undefined) return offset;
    }
    return this.#takeLargeFree(wanted);
  }

  #popFree(list: number): number | undefined {
    const offsets = this.#free[list];
    for (let offset = offsets?.pop(); offset !== undefined; offset = offsets?.pop()) {
      const isFree = this.#kinds[offset / CELL_ALIGN_BYTES] === FREE;
      if (isFree && this.#sizeAt(offset) === list * CELL_ALIGN_BYTES) return offset;
    }
    return undefined;
  }

  /** The smallest of the large ones that is large enough. */
  #takeLargeFree(wanted: number): number | undefined {
    const last = FREE_LISTS - 1;
    const offsets = new Set(this.#free[last]);
    let best: number | undefined;
    for (const offset of offsets) {
      const isLarge =
        this.#kinds[offset / CELL_ALIGN_BYTES] === FREE && this.#sizeAt(offset) >= last * CELL_ALIGN_BYTES;
      if (!isLarge) offsets.delete(offset);
      else if (
        this.#sizeAt(offset) >= wanted &&
        (best === undefined || this.#sizeAt(offset) < this.#sizeAt(best))
      ) {
        best = offset;
      }
    }
    if (best !== undefined) offsets.delete(best);
    this.#free[last] = [...offsets];
    return best;
  }

  /** A new bin with one free cell of at least the wanted size. */
  #appendBin(wanted: number): number {
    const start = this.#binsBytes;
    const binBytes = alignUp(wanted + BIN_HEADER_BYTES, BIN_ALIGN_BYTES);
    const fileBytes = BASE_BLOCK_BYTES + start + binBytes;
    if (fileBytes > HIVE_BYTES_MAX) {
      throw new TdError(
        'no-space',
        `Cannot grow the registry hive: it would have ${fileBytes} bytes, more than ${HIVE_BYTES_MAX}`,
      );
    }
    this.#reserve(fileBytes);
    const at = BASE_BLOCK_BYTES + start;
    this.#bytes.fill(0, at, fileBytes);
    this.#bytes.writeUInt32LE(BIN_SIGNATURE, at + BIN.signature);
    this.#bytes.writeUInt32LE(start, at + BIN.offset);
    this.#bytes.writeUInt32LE(binBytes, at + BIN.bytes);
    this.#binsBytes += binBytes;
    this.#fileBytes = Math.max(this.#fileBytes, fileBytes);
    this.#kinds[start / CELL_ALIGN_BYTES] = BIN_START;
    const offset = start + BIN_HEADER_BYTES;
    this.#bytes.writeInt32LE(binBytes - BIN_HEADER_BYTES, BASE_BLOCK_BYTES + offset);
    this.#kinds[offset / CELL_ALIGN_BYTES] = FREE;
    return offset;
  }

  #reserve(fileBytes: number): void {
    if (fileBytes > this.#bytes.length) {
      const larger = Buffer.alloc(fileBytes + Math.max(GROWTH_BYTES, fileBytes >>> 3));
      this.#bytes.copy(larger, 0, 0, this.#fileBytes);
      this.#bytes = larger;
    }
    const slots = (fileBytes - BASE_BLOCK_BYTES) / CELL_ALIGN_BYTES;
    if (slots > this.#kinds.length) {
      const larger = new Uint8Array((this.#bytes.length - BASE_BLOCK_BYTES) / CELL_ALIGN_BYTES);
      larger.set(this.#kinds);
      this.#kinds = larger;
    }
  }

  #scan(): void {
    this.#kinds = new Uint8Array(this.#binsBytes / CELL_ALIGN_BYTES);
    this.#free = Array.from({ length: FREE_LISTS }, () => []);
    this.layoutProblems = [];
    let at = 0;
    while (at < this.#binsBytes) {
      const binBytes = this.#binBytesAt(at);
      if (binBytes === undefined) this.#problem(`the bin at 0x${at.toString(16)} makes no sense`);
      else this.#scanBin(at, at + binBytes);
      at += binBytes ?? BIN_ALIGN_BYTES;
    }
  }

  #problem(text: string): void {
    if (this.layoutProblems.length < PROBLEMS_MAX) this.layoutProblems.push(text);
  }

  #binBytesAt(offset: number): number | undefined {
    const at = BASE_BLOCK_BYTES + offset;
    if (this.#bytes.readUInt32LE(at + BIN.signature) !== BIN_SIGNATURE) return undefined;
    if (this.#bytes.readUInt32LE(at + BIN.offset) !== offset) return undefined;
    const bytes = this.#bytes.readUInt32LE(at + BIN.bytes);
    const fits = bytes > 0 && bytes % BIN_ALIGN_BYTES === 0 && offset + bytes <= this.#binsBytes;
    return fits ? bytes : undefined;
  }

  #scanBin(start: number, end: number): void {
    this.#kinds[start / CELL_ALIGN_BYTES] = BIN_START;
    let offset = start + BIN_HEADER_BYTES;
    while (offset < end) {
      const size = this.#bytes.readInt32LE(BASE_BLOCK_BYTES + offset);
      const whole = Math.abs(size);
      if (whole === 0 || whole % CELL_ALIGN_BYTES !== 0 || offset + whole > end) {
        this.#problem(`the cell at 0x${offset.toString(16)} has the size ${size}`);
        return;
      }
      if (size > 0) this.#putFree(offset, size);
      else this.#kinds[offset / CELL_ALIGN_BYTES] = ALLOCATED;
      offset += whole;
    }
  }
}

function alignUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
