import { TdError } from './errors.ts';

/** A bounds-checked little-endian or big-endian cursor for reading binary structures. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;

  /** @param what names the structure in errors, e.g. `superblock of "a.sco"`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #take(length: number): number {
    if (length < 0 || length > this.remaining) {
      throw new TdError(
        'invalid',
        `Cannot read ${this.#what}: ${length} bytes wanted at offset ${this.#offset}, ${this.remaining} left`,
      );
    }
    const at = this.#offset;
    this.#offset += length;
    return at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  u16le(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }
  u16be(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }
  u32le(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }
  u32be(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }
  u64le(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }
  /** An unsigned 64-bit number that must fit a JavaScript integer exactly. */
  size64le(): number {
    const value = this.u64le();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new TdError('invalid', `Cannot read ${this.#what}: the number ${value} is beyond 2^53`);
    }
    return Number(value);
  }
  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  skip(length: number): void {
    this.#take(length);
  }
}

/** The writing twin of {@link ByteReader}; the buffer's size is fixed by the caller. */
export class ByteWriter {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(length: number) {
    this.#bytes = Buffer.alloc(length);
  }

  get offset(): number {
    return this.#offset;
  }

  #advance(length: number): number {
    const at = this.#offset;
    if (at + length > this.#bytes.length) {
      throw new RangeError(`write of ${length} bytes at ${at} beyond ${this.#bytes.length}`);
    }
    this.#offset += length;
    return at;
  }

  u8(value: number): this {
    this.#bytes.writeUInt8(value, this.#advance(1));
    return this;
  }
  u16le(value: number): this {
    this.#bytes.writeUInt16LE(value, this.#advance(2));
    return this;
  }
  u16be(value: number): this {
    this.#bytes.writeUInt16BE(value, this.#advance(2));
    return this;
  }
  u32le(value: number): this {
    this.#bytes.writeUInt32LE(value, this.#advance(4));
    return this;
  }
  u32be(value: number): this {
    this.#bytes.writeUInt32BE(value, this.#advance(4));
    return this;
  }
  u64le(value: number | bigint): this {
    this.#bytes.writeBigUInt64LE(BigInt(value), this.#advance(8));
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.#advance(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  /** Leaves zeros up to the given offset. */
  padTo(offset: number): this {
    this.#advance(offset - this.#offset);
    return this;
  }
  /** The whole buffer, zeros where nothing was written. */
  finish(): Buffer {
    return this.#bytes;
  }
}
