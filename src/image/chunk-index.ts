import { TdError } from '../lib/errors.ts';
import { diskNumber } from '../schema/image-manifest.ts';
import {
  ALIGN_BYTES,
  CHUNK_BYTES_MAX,
  CHUNK_ENTRY_BYTES,
  CHUNK_ZSTD,
  CHUNKS_MAX,
  DISKS_MAX,
  FILE_BYTES_MAX,
  INDEX_HEADER_BYTES,
  PLACEMENT_BYTES,
  PLACEMENTS_MAX,
  RECORD_HEADER_BYTES,
  ZERO_CHUNK,
} from './image-format.ts';
import { leafHash, merkleRoot, sha256 } from './merkle.ts';

const MAGIC = Buffer.from('SCOINDEX', 'latin1');
const ROOT_TAG = Buffer.from('totaldeploy image root 1', 'latin1');

/** One stored chunk. */
export interface ChunkEntry {
  part: number;
  /** Bit 0: one zstd frame. */
  flags: number;
  rawBytes: number;
  storedBytes: number;
  /** Where the stored bytes start in the part's file; the record header stands right before. */
  fileOffset: number;
  /** Of the stored bytes. */
  sha256: Buffer;
}

/** Where raw bytes go on a disk. */
export interface Place {
  disk: number;
  offsetBytes: number;
  rawBytes: number;
}

export interface Placement extends Place {
  /** Chunk ordinal, or null for zeros. */
  chunk: number | null;
}

/**
 * Which chunks an image has and where their bytes go: fixed-size entries read in place, so that a
 * terabyte's index takes 90 MB and no objects.
 */
export class ImageIndex {
  readonly chunkCount: number;
  readonly placementCount: number;
  readonly #bytes: Buffer;
  readonly #placementsAt: number;
  /** Placements grouped by chunk: `#byChunk[#starts[c] .. #starts[c + 1])`, made when first asked for. */
  #starts: Uint32Array | undefined;
  #byChunk: Uint32Array | undefined;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.chunkCount = bytes.readUInt32LE(12);
    this.placementCount = bytes.readUInt32LE(16);
    this.#placementsAt = INDEX_HEADER_BYTES + this.chunkCount * CHUNK_ENTRY_BYTES;
  }

  /**
   * Reads and checks every entry; keeps a view of the bytes, which must not change afterwards.
   *
   * @param what names the index in errors, e.g. `index of "a.sco"`.
   * @throws TdError `invalid` for anything a correct writer does not write.
   */
  static decode(bytes: Uint8Array, what: string): ImageIndex {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    checkHeader(buffer, what);
    const index = new ImageIndex(buffer);
    index.#checkChunks(what);
    index.#checkPlacements(what);
    return index;
  }

  /** The index as stored and sent; the same bytes that were decoded. */
  encode(): Buffer {
    return this.#bytes;
  }

  chunk(ordinal: number): ChunkEntry {
    if (!(ordinal >= 0 && ordinal < this.chunkCount)) {
      throw new RangeError(`chunk ${ordinal} of ${this.chunkCount}`);
    }
    const at = INDEX_HEADER_BYTES + ordinal * CHUNK_ENTRY_BYTES;
    return {
      fileOffset: readSize(this.#bytes, at),
      part: this.#bytes.readUInt32LE(at + 8),
      flags: this.#bytes.readUInt32LE(at + 12),
      rawBytes: this.#bytes.readUInt32LE(at + 16),
      storedBytes: this.#bytes.readUInt32LE(at + 20),
      sha256: this.#bytes.subarray(at + 32, at + 64),
    };
  }

  placement(i: number): Placement {
    if (!(i >= 0 && i < this.placementCount)) {
      throw new RangeError(`placement ${i} of ${this.placementCount}`);
    }
    const at = this.#placementsAt + i * PLACEMENT_BYTES;
    const chunk = this.#bytes.readUInt32LE(at + 12);
    return {
      disk: this.#bytes.readUInt32LE(at + 16),
      offsetBytes: readSize(this.#bytes, at),
      rawBytes: this.#bytes.readUInt32LE(at + 8),
      chunk: chunk === ZERO_CHUNK ? null : chunk,
    };
  }

  /** Everywhere a chunk goes, in disk order; never empty. */
  placementsOf(ordinal: number): readonly Placement[] {
    if (this.#starts === undefined) this.#groupByChunk();
    const from = this.#starts![ordinal] ?? 0;
    const to = this.#starts![ordinal + 1] ?? from;
    return Array.from(this.#byChunk!.subarray(from, to), (i) => this.placement(i));
  }

  /** All placements in disk order. */
  *placements(): Generator<Placement> {
    for (let i = 0; i < this.placementCount; i += 1) yield this.placement(i);
  }

  *zeroPlacements(): Generator<Placement> {
    for (const placement of this.placements()) if (placement.chunk === null) yield placement;
  }

  /** Stored bytes of all chunks. */
  storedBytes(): number {
    let sum = 0;
    for (let i = 0; i < this.chunkCount; i += 1) {
      sum += this.#bytes.readUInt32LE(INDEX_HEADER_BYTES + i * CHUNK_ENTRY_BYTES + 20);
    }
    return sum;
  }

  /** The chunk entries from one ordinal to another as they are encoded. */
  chunkBytes(from: number, to: number): Buffer {
    return this.#bytes.subarray(
      INDEX_HEADER_BYTES + from * CHUNK_ENTRY_BYTES,
      INDEX_HEADER_BYTES + to * CHUNK_ENTRY_BYTES,
    );
  }

  /** All placements as they are encoded. */
  placementBytes(): Buffer {
    return this.#bytes.subarray(this.#placementsAt);
  }

  #groupByChunk(): void {
    const starts = new Uint32Array(this.chunkCount + 2);
    const chunkAt = (i: number) => this.#bytes.readUInt32LE(this.#placementsAt + i * PLACEMENT_BYTES + 12);
    for (let i = 0; i < this.placementCount; i += 1) {
      const chunk = chunkAt(i);
      if (chunk !== ZERO_CHUNK) starts[chunk + 2]! += 1;
    }
    for (let c = 2; c < starts.length; c += 1) starts[c]! += starts[c - 1]!;
    const byChunk = new Uint32Array(starts.at(-1) ?? 0);
    for (let i = 0; i < this.placementCount; i += 1) {
      const chunk = chunkAt(i);
      if (chunk !== ZERO_CHUNK) byChunk[starts[chunk + 1]!++] = i;
    }
    this.#starts = starts;
    this.#byChunk = byChunk;
  }

  #checkChunks(what: string): void {
    let offset = 0;
    for (let i = 0; i < this.chunkCount; i += 1) {
      const reason = chunkProblem(this.#bytes, INDEX_HEADER_BYTES + i * CHUNK_ENTRY_BYTES, offset);
      if (reason !== undefined) throw new TdError('invalid', `Cannot read ${what}: chunk ${i} ${reason}`);
      const at = INDEX_HEADER_BYTES + i * CHUNK_ENTRY_BYTES;
      offset = readSize(this.#bytes, at) + this.#bytes.readUInt32LE(at + 20);
    }
  }

  #checkPlacements(what: string): void {
    const used = new Uint8Array(this.chunkCount);
    let disk = 0;
    let end = 0;
    for (let i = 0; i < this.placementCount; i += 1) {
      const placement = this.placement(i);
      const reserved = this.#bytes.readUInt32LE(this.#placementsAt + i * PLACEMENT_BYTES + 20);
      const reason =
        placementProblem(placement) ??
        this.#referenceProblem(placement) ??
        (reserved === 0 ? undefined : 'has a reserved field that is not zero');
      if (reason !== undefined) throw new TdError('invalid', `Cannot read ${what}: placement ${i} ${reason}`);
      if (placement.disk < disk || (placement.disk === disk && placement.offsetBytes < end)) {
        throw new TdError('invalid', `Cannot read ${what}: placement ${i} overlaps or is out of order`);
      }
      disk = placement.disk;
      end = placement.offsetBytes + placement.rawBytes;
      if (placement.chunk !== null) used[placement.chunk] = 1;
    }
    const unused = used.indexOf(0);
    if (unused >= 0) throw new TdError('invalid', `Cannot read ${what}: chunk ${unused} is placed nowhere`);
  }

  #referenceProblem({ chunk, rawBytes }: Placement): string | undefined {
    if (chunk === null) return undefined;
    if (chunk >= this.chunkCount) return `names chunk ${chunk} of ${this.chunkCount}`;
    const chunkRawBytes = this.#bytes.readUInt32LE(INDEX_HEADER_BYTES + chunk * CHUNK_ENTRY_BYTES + 16);
    return chunkRawBytes === rawBytes ? undefined : `has ${rawBytes} bytes, its chunk ${chunkRawBytes}`;
  }
}

/**
 * The 32 bytes that name an image: chunks, their places and the manifest (FORMAT.md, "Image root"). The
 * same image has the same root wherever its chunks stand in the file.
 *
 * @param manifestBytes the manifest's JSON bytes, not compressed.
 */
export function imageRoot(manifestBytes: Uint8Array, index: ImageIndex): Buffer {
  const chunks = merkleRoot(index.chunkCount, (i) => leafHash(index.chunk(i)));
  const counts = Buffer.alloc(8);
  counts.writeUInt32LE(index.chunkCount, 0);
  counts.writeUInt32LE(index.placementCount, 4);
  return sha256(
    Buffer.concat([ROOT_TAG, counts, chunks, sha256(index.placementBytes()), sha256(manifestBytes)]),
  );
}

/** The index's first 32 bytes. */
export function encodeIndexHeader(chunkCount: number, placementCount: number): Buffer {
  const header = Buffer.alloc(INDEX_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(chunkCount, 12);
  header.writeUInt32LE(placementCount, 16);
  header.writeUInt32LE(CHUNK_ENTRY_BYTES, 20);
  header.writeUInt32LE(PLACEMENT_BYTES, 24);
  return header;
}

/** Why no correct writer makes this placement, or undefined. */
export function placementProblem({ disk, offsetBytes, rawBytes }: Place): string | undefined {
  if (!(disk >= 0 && disk < DISKS_MAX))
    return `is on disk ${diskNumber(disk)}, the limit is ${DISKS_MAX} disks`;
  if (!Number.isSafeInteger(offsetBytes) || offsetBytes < 0 || offsetBytes > FILE_BYTES_MAX) {
    return `starts at ${offsetBytes}`;
  }
  if (rawBytes <= 0 || rawBytes > CHUNK_BYTES_MAX) return `has ${rawBytes} bytes`;
  if (offsetBytes % ALIGN_BYTES !== 0 || rawBytes % ALIGN_BYTES !== 0) {
    return `at ${offsetBytes} with ${rawBytes} bytes does not keep to ${ALIGN_BYTES}-byte sectors`;
  }
  return undefined;
}

function checkHeader(buffer: Buffer, what: string): void {
  if (buffer.length < INDEX_HEADER_BYTES || !MAGIC.equals(buffer.subarray(0, MAGIC.length))) {
    throw new TdError('invalid', `Cannot read ${what}: it is no image index`);
  }
  const version = buffer.readUInt32LE(8);
  if (version !== 1) throw new TdError('refused', `Cannot read ${what}: index version ${version} is unknown`);
  const chunkCount = buffer.readUInt32LE(12);
  const placementCount = buffer.readUInt32LE(16);
  if (chunkCount > CHUNKS_MAX || placementCount > PLACEMENTS_MAX) {
    throw new TdError(
      'invalid',
      `Cannot read ${what}: ${chunkCount} chunks with ${placementCount} placements are beyond the limit`,
    );
  }
  if (!encodeIndexHeader(chunkCount, placementCount).equals(buffer.subarray(0, INDEX_HEADER_BYTES))) {
    throw new TdError('invalid', `Cannot read ${what}: its header has values of no known format`);
  }
  const wanted = INDEX_HEADER_BYTES + chunkCount * CHUNK_ENTRY_BYTES + placementCount * PLACEMENT_BYTES;
  if (buffer.length !== wanted) {
    throw new TdError('invalid', `Cannot read ${what}: ${buffer.length} bytes in place of ${wanted}`);
  }
}

function chunkProblem(bytes: Buffer, at: number, endBefore: number): string | undefined {
  const fileOffset = readSize(bytes, at);
  const flags = bytes.readUInt32LE(at + 12);
  const rawBytes = bytes.readUInt32LE(at + 16);
  const storedBytes = bytes.readUInt32LE(at + 20);
  if (bytes.readUInt32LE(at + 8) !== 1) return `is in part ${bytes.readUInt32LE(at + 8)} of 1`;
  if (flags > CHUNK_ZSTD) return `has unknown flags ${flags}`;
  if (rawBytes === 0 || rawBytes > CHUNK_BYTES_MAX || rawBytes % ALIGN_BYTES !== 0) {
    return `has ${rawBytes} raw bytes`;
  }
  const storedFits = flags === 0 ? storedBytes === rawBytes : storedBytes > 0 && storedBytes < rawBytes;
  if (!storedFits) return `has ${storedBytes} stored bytes for ${rawBytes}`;
  if (fileOffset > FILE_BYTES_MAX || fileOffset < endBefore + RECORD_HEADER_BYTES) {
    return `stands at ${fileOffset}, inside the one before`;
  }
  if (readSize(bytes, at + 24) !== 0) return 'has a reserved field that is not zero';
  return undefined;
}

/** Not as a BigInt, which takes ten times as long; beyond 2^53 the result is only good for a refusal. */
function readSize(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
