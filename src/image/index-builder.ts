import { TdError } from '../lib/errors.ts';
import {
  type ChunkEntry,
  encodeIndexHeader,
  ImageIndex,
  type Placement,
  placementProblem,
} from './chunk-index.ts';
import {
  CHUNK_ENTRY_BYTES,
  CHUNKS_MAX,
  PLACEMENT_BYTES,
  PLACEMENTS_MAX,
  ZERO_CHUNK,
} from './image-format.ts';

const CAPACITY_START = 1024;
const EMPTY = 0xffff_ffff;

/** Entries of one size in one buffer that doubles when full. */
class EntryList {
  readonly #entryBytes: number;
  #bytes: Buffer;
  count = 0;

  constructor(entryBytes: number) {
    this.#entryBytes = entryBytes;
    this.#bytes = Buffer.alloc(entryBytes * CAPACITY_START);
  }

  /** The place of a new entry, all zeros. */
  push(): Buffer {
    if ((this.count + 1) * this.#entryBytes > this.#bytes.length) {
      const larger = Buffer.alloc(this.#bytes.length * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    this.count += 1;
    return this.at(this.count - 1);
  }

  at(i: number): Buffer {
    return this.slice(i, i + 1);
  }

  slice(from: number, to: number): Buffer {
    return this.#bytes.subarray(from * this.#entryBytes, to * this.#entryBytes);
  }
}

/**
 * Collects an image's chunks and placements while it is written and finds chunks it already has: 88 bytes
 * a chunk with one placement and a hash table of 8 to 16.
 */
export class IndexBuilder {
  readonly #chunks = new EntryList(CHUNK_ENTRY_BYTES);
  readonly #placements = new EntryList(PLACEMENT_BYTES);
  /** Open addressing over the chunks' own SHA-256; holds ordinals. */
  #table = new Uint32Array(CAPACITY_START * 2).fill(EMPTY);

  get chunkCount(): number {
    return this.#chunks.count;
  }

  get placementCount(): number {
    return this.#placements.count;
  }

  /** The chunk with the same stored bytes, flags and raw size, if there is one. */
  find(wanted: Pick<ChunkEntry, 'sha256' | 'flags' | 'rawBytes'>): number | undefined {
    for (let slot = this.#slotOf(wanted.sha256); ; slot = (slot + 1) % this.#table.length) {
      const ordinal = this.#table[slot]!;
      if (ordinal === EMPTY) return undefined;
      const entry = this.#chunks.at(ordinal);
      const same =
        entry.readUInt32LE(12) === wanted.flags &&
        entry.readUInt32LE(16) === wanted.rawBytes &&
        entry.subarray(32, 64).equals(wanted.sha256);
      if (same) return ordinal;
    }
  }

  /** @throws TdError `refused` beyond the format's limit. */
  addChunk(entry: ChunkEntry): number {
    if (this.#chunks.count >= CHUNKS_MAX) {
      throw new TdError(
        'refused',
        `Cannot add a chunk: the limit of ${CHUNKS_MAX} is reached; capture with larger chunks`,
      );
    }
    const bytes = this.#chunks.push();
    bytes.writeBigUInt64LE(BigInt(entry.fileOffset), 0);
    bytes.writeUInt32LE(entry.part, 8);
    bytes.writeUInt32LE(entry.flags, 12);
    bytes.writeUInt32LE(entry.rawBytes, 16);
    bytes.writeUInt32LE(entry.storedBytes, 20);
    entry.sha256.copy(bytes, 32);
    const ordinal = this.#chunks.count - 1;
    if (this.#chunks.count * 2 > this.#table.length) this.#growTable();
    else this.#enter(ordinal);
    return ordinal;
  }

  /** @throws TdError `invalid` for a place no image can have, `refused` beyond the format's limit. */
  addPlacement(placement: Placement): void {
    const problem = placementProblem(placement);
    if (problem !== undefined) throw new TdError('invalid', `Cannot add to the image: the block ${problem}`);
    if (this.#placements.count >= PLACEMENTS_MAX) {
      throw new TdError(
        'refused',
        `Cannot add a block: the limit of ${PLACEMENTS_MAX} is reached; capture with larger chunks`,
      );
    }
    const bytes = this.#placements.push();
    bytes.writeBigUInt64LE(BigInt(placement.offsetBytes), 0);
    bytes.writeUInt32LE(placement.rawBytes, 8);
    bytes.writeUInt32LE(placement.chunk ?? ZERO_CHUNK, 12);
    bytes.writeUInt32LE(placement.disk, 16);
  }

  /** Encoded chunk entries from one ordinal to another. */
  chunkBytes(from: number, to: number): Buffer {
    return this.#chunks.slice(from, to);
  }

  /** Encoded placements in the order they were added. */
  placementBytes(from: number, to: number): Buffer {
    return this.#placements.slice(from, to);
  }

  /**
   * The index with its placements sorted by disk and offset.
   *
   * @throws TdError `invalid` when two placements overlap.
   */
  build(): ImageIndex {
    const bytes = Buffer.concat([
      encodeIndexHeader(this.chunkCount, this.placementCount),
      this.#chunks.slice(0, this.chunkCount),
      this.#sortedPlacements(),
    ]);
    return ImageIndex.decode(bytes, 'index of the new image');
  }

  #sortedPlacements(): Buffer {
    // Disk and offset in one exact number: 512-byte sectors below 2^43, times 16 disks.
    const keys = new Float64Array(this.placementCount);
    const order = new Uint32Array(this.placementCount);
    for (let i = 0; i < this.placementCount; i += 1) {
      const entry = this.#placements.at(i);
      keys[i] = entry.readUInt32LE(16) * 2 ** 44 + Number(entry.readBigUInt64LE(0)) / 512;
      order[i] = i;
    }
    order.sort((a, b) => keys[a]! - keys[b]!);
    const sorted = Buffer.alloc(this.placementCount * PLACEMENT_BYTES);
    order.forEach((from, to) => {
      this.#placements.at(from).copy(sorted, to * PLACEMENT_BYTES);
    });
    return sorted;
  }

  #slotOf(sha256: Buffer): number {
    return sha256.readUInt32LE(0) % this.#table.length;
  }

  #enter(ordinal: number): void {
    let slot = this.#slotOf(this.#chunks.at(ordinal).subarray(32, 64));
    while (this.#table[slot] !== EMPTY) slot = (slot + 1) % this.#table.length;
    this.#table[slot] = ordinal;
  }

  #growTable(): void {
    this.#table = new Uint32Array(this.#table.length * 2).fill(EMPTY);
    for (let ordinal = 0; ordinal < this.chunkCount; ordinal += 1) this.#enter(ordinal);
  }
}
