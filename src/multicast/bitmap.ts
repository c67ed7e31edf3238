/** A set of small numbers, one bit each, least significant bit first, as it also stands on the wire. */
export class Bitmap {
  readonly length: number;
  readonly bytes: Uint8Array;
  #count = 0;

  /** @param length how many bits; all start clear. */
  constructor(length: number) {
    this.length = length;
    this.bytes = new Uint8Array((length + 7) >>> 3);
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  has(index: number): boolean {
    return ((this.bytes[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** @returns whether the bit was clear before. */
  add(index: number): boolean {
    const at = index >>> 3;
    const bit = 1 << (index & 7);
    const byte = this.bytes[at]!;
    if (index >= this.length || (byte & bit) !== 0) return false;
    this.bytes[at] = byte | bit;
    this.#count += 1;
    return true;
  }

  /** @returns whether the bit was set before. */
  remove(index: number): boolean {
    const at = index >>> 3;
    const bit = 1 << (index & 7);
    const byte = this.bytes[at] ?? 0;
    if ((byte & bit) === 0) return false;
    this.bytes[at] = byte & ~bit;
    this.#count -= 1;
    return true;
  }

  clear(): void {
    this.bytes.fill(0);
    this.#count = 0;
  }

  /** The first clear bit in [from, end), or `end`. */
  nextClear(from: number, end = this.length): number {
    let index = from;
    while (index < end) {
      if ((index & 7) === 0 && this.bytes[index >>> 3] === 0xff) index += 8;
      else if (this.has(index)) index += 1;
      else return index;
    }
    return end;
  }

  /** The first set bit in [from, end), or `end`. */
  nextSet(from: number, end = this.length): number {
    let index = from;
    while (index < end) {
      if ((index & 7) === 0 && this.bytes[index >>> 3] === 0) index += 8;
      else if (!this.has(index)) index += 1;
      else return index;
    }
    return end;
  }

  /** Adds every bit of another set of the same length. */
  addAll(other: Bitmap): void {
    for (let at = 0; at < this.bytes.length; at += 1) {
      const before = this.bytes[at]!;
      const after = before | (other.bytes[at] ?? 0);
      if (after === before) continue;
      this.bytes[at] = after;
      this.#count += bitCount(after) - bitCount(before);
    }
  }

  /** Adds every number that another set of the same length lacks. */
  addMissingOf(other: Bitmap): void {
    for (let at = other.nextClear(0); at < this.length; at = other.nextClear(at + 1)) this.add(at);
  }

  /** A set with every bit set. */
  static full(length: number): Bitmap {
    const bitmap = new Bitmap(length);
    bitmap.bytes.fill(0xff);
    bitmap.#dropSpareBits();
    bitmap.#count = length;
    return bitmap;
  }

  /** Takes over raw bytes; bits beyond the length are dropped. */
  static from(bytes: Uint8Array, length: number): Bitmap {
    const bitmap = new Bitmap(length);
    bitmap.bytes.set(bytes.subarray(0, bitmap.bytes.length));
    bitmap.#dropSpareBits();
    for (const byte of bitmap.bytes) bitmap.#count += bitCount(byte);
    return bitmap;
  }

  #dropSpareBits(): void {
    const spare = this.bytes.length * 8 - this.length;
    if (spare === 0) return;
    const last = this.bytes.length - 1;
    this.bytes[last] = this.bytes[last]! & (0xff >>> spare);
  }
}

function bitCount(byte: number): number {
  let rest = byte;
  let count = 0;
  for (; rest !== 0; count += 1) rest &= rest - 1;
  return count;
}
