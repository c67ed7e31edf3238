import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, monotonicClock } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { ImageIndex, imageRoot, type Place, placementProblem } from './chunk-index.ts';
import { type EncodedChunk, encodeChunk, isZero, unpack } from './codec.ts';
import { decodeFooter, encodeFooter, type Footer } from './footer.ts';
import {
  CHECKPOINT_CHUNKS,
  CHECKPOINT_PLACEMENTS_MAX,
  CHUNK_BYTES_DEFAULT,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  FILE_BYTES_MAX,
  FOOTER_BYTES,
  FORMAT_MAJOR,
  FORMAT_MINOR,
  MANIFEST_RAW_BYTES_MAX,
  RECORD_HEADER_BYTES,
} from './image-format.ts';
import { IndexBuilder } from './index-builder.ts';
import { checkPlaces, decodeManifest, encodeManifest } from './manifest-codec.ts';
import { sha256 } from './merkle.ts';
import { decodeRecordHeader, encodeRecordHeader, type RecordHeader } from './record-header.ts';
import { Semaphore } from './semaphore.ts';
import { decodeSuperblock, encodeSuperblock } from './superblock.ts';

/** Chunks read but not yet compressed, beyond those the threads work on. */
const WAITING_CHUNKS = 2;

/**
 * Zeros and blocks that are there already write nothing, and a console takes a long silence for a broken connection:
 * after this long a checkpoint is written early.
 */
const SILENCE_MS_MAX = 20_000;

/** Where an image goes: a file or an upload, written forward only. */
export interface ImageSink {
  /** The bytes must be taken or copied before it resolves; the writer does not change them afterwards. */
  write(bytes: Buffer): Promise<void>;
  /** Everything written so far is on the disk, as far as the sink can tell. */
  sync(): Promise<void>;
  /** The image is complete; only now may it get its final name. */
  close(): Promise<void>;
  /** The image will never be complete. */
  abort?(): Promise<void>;
}

export interface ImageWriterOptions {
  /** 32 hexadecimal digits; random when missing. */
  imageId?: string;
  /** zstd level 1 to 22, default 3; 0 stores everything raw. */
  level?: number;
  /** Raw bytes of the largest block that will be added; default 1 MiB. */
  chunkBytes?: number;
  /** Chunks compressed at the same time; default: one more than there are processors. */
  encodesInFlightMax?: number;
  clock?: Clock;
}

/** What the caller knows of the image; the writer fills in the rest. */
export type ManifestDraft = Omit<ImageManifest, WriterField> & Partial<Pick<ImageManifest, WriterField>>;
type WriterField =
  | 'formatVersion'
  | 'imageId'
  | 'chunkBytes'
  | 'compression'
  | 'compressionLevel'
  | 'storedBytes';

export interface WrittenImage {
  imageId: string;
  root: Buffer;
  manifest: ImageManifest;
  chunkCount: number;
  placementCount: number;
  /** Bytes added, zeros included. */
  rawBytes: number;
  /** Chunks' stored bytes. */
  storedBytes: number;
  /** The whole file. */
  fileBytes: number;
}

/** Starts an image on a sink; the first bytes are written at once. */
export function createImageWriter(sink: ImageSink, options: ImageWriterOptions = {}): ImageWriter {
  return new ImageWriter(sink, options);
}

/**
 * Writes one image: blocks are compressed side by side and written in the order they were added. Memory
 * stays at a few chunks and 100 bytes of index a chunk.
 */
export class ImageWriter implements AsyncDisposable {
  readonly imageId: string;
  readonly chunkBytes: number;
  readonly #sink: ImageSink;
  readonly #level: number;
  readonly #clock: Clock;
  readonly #epoch = 0;
  readonly #builder = new IndexBuilder();
  readonly #slots: Semaphore;
  /** Everything that touches the sink runs in this one chain, in order. */
  #tail: Promise<void>;
  #failure: { error: unknown } | undefined;
  #state: 'open' | 'finishing' | 'ended' = 'open';
  #fileOffset = 0;
  #rawBytes = 0;
  #storedBytes = 0;
  #checkpointedChunks = 0;
  #checkpointedPlacements = 0;
  #checkpointCount = 0;
  #lastCheckpointOffset = 0;
  #wroteAtMs: number;

  /** Use {@link createImageWriter}. */
  constructor(sink: ImageSink, options: ImageWriterOptions) {
    const { level = 3, chunkBytes = CHUNK_BYTES_DEFAULT } = options;
    const encodes = options.encodesInFlightMax ?? availableParallelism() + 1;
    this.imageId = options.imageId ?? randomBytes(16).toString('hex');
    if (!/^[0-9a-f]{32}$/.test(this.imageId)) throw new TdError('usage', `"${this.imageId}" is no image id`);
    if (!Number.isInteger(level) || level < 0 || level > 22) {
      throw new TdError('usage', `Compression level ${level} is not between 0 and 22`);
    }
    if (!Number.isInteger(chunkBytes) || chunkBytes < CHUNK_BYTES_MIN || chunkBytes > CHUNK_BYTES_MAX) {
      throw new TdError(
        'usage',
        `Chunk size ${chunkBytes} is not between ${CHUNK_BYTES_MIN} and ${CHUNK_BYTES_MAX}`,
      );
    }
    this.#sink = sink;
    this.#level = level;
    this.#clock = options.clock ?? monotonicClock;
    this.#wroteAtMs = this.#clock.nowMs();
    this.chunkBytes = chunkBytes;
    this.#slots = new Semaphore(encodes + WAITING_CHUNKS);
    this.#tail = this.#guard(() => this.#writeSuperblocks());
  }

  /** Stored bytes written so far. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** Raw bytes accepted so far, zeros included. */
  get rawBytes(): number {
    return this.#rawBytes;
  }

  /**
   * Adds one block of a disk; blocks may come in any order but must not overlap.
   *
   * @param raw at most `chunkBytes`, a multiple of 512; it must not be changed afterwards.
   * @returns when the writer has room for it, not when it is written.
   * @throws TdError of the first failure of any block before, e.g. `no-space`.
   */
  async add(place: { disk: number; offsetBytes: number }, raw: Buffer): Promise<void> {
    this.#mustBeOpen();
    const target: Place = { disk: place.disk, offsetBytes: place.offsetBytes, rawBytes: raw.length };
    const problem =
      raw.length > this.chunkBytes
        ? `has ${raw.length} bytes, chunks ${this.chunkBytes}`
        : placementProblem(target);
    if (problem !== undefined) throw new TdError('invalid', `Cannot add to the image: the block ${problem}`);
    this.#breakSilence();
    if (isZero(raw)) {
      this.#builder.addPlacement({ ...target, chunk: null });
      this.#rawBytes += raw.length;
      return;
    }
    await this.#slots.acquire();
    try {
      this.#mustBeOpen();
    } catch (error) {
      this.#slots.release();
      throw error;
    }
    this.#rawBytes += raw.length;
    const encoded = encodeChunk(raw, { level: this.#level });
    encoded.catch(() => {}); // it is awaited in its turn, perhaps after it failed
    this.#tail = this.#guard(async () => this.#commit(target, await encoded), this.#tail).finally(() =>
      this.#slots.release(),
    );
  }

  /**
   * Writes what is pending, the manifest, the index and the footer, and closes the sink.
   *
   * @throws TdError of the first failure; the sink is aborted then and holds no image.
   */
  async finish(draft: ManifestDraft): Promise<WrittenImage> {
    this.#mustBeOpen();
    this.#state = 'finishing';
    try {
      await this.#tail;
      this.#throwFailure();
      const written = await this.#writeEnd(draft);
      await this.#sink.close();
      this.#state = 'ended';
      return written;
    } catch (error) {
      await this.abort(error);
      throw error;
    }
  }

  /** Gives up: waits for what is in flight and aborts the sink; later calls fail. Never throws. */
  async abort(reason?: unknown): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#failure ??= { error: reason ?? new TdError('cancelled', 'The image was not finished') };
    await this.#tail;
    await this.#sink.abort?.().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #mustBeOpen(): void {
    this.#throwFailure();
    if (this.#state !== 'open') throw new TdError('usage', 'The image is finished, nothing can be added');
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Runs after `before` unless something failed; remembers the first failure instead of rejecting. */
  async #guard(work: () => Promise<void>, before?: Promise<void>): Promise<void> {
    await before;
    if (this.#failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.#sink.write(bytes);
    this.#fileOffset += bytes.length;
    this.#wroteAtMs = this.#clock.nowMs();
  }

  async #writeSuperblocks(): Promise<void> {
    const superblock = {
      major: FORMAT_MAJOR,
      minor: FORMAT_MINOR,
      imageId: Buffer.from(this.imageId, 'hex'),
      epoch: this.#epoch,
      features: 0,
      chunkBytes: this.chunkBytes,
      part: 1,
      partCount: 1,
    };
    const bytes = encodeSuperblock(superblock);
    mustBeEqual(decodeSuperblock(bytes, 'new superblock'), superblock, 'superblock');
    await this.#write(Buffer.concat([bytes, bytes]));
  }

  async #commit(place: Place, encoded: EncodedChunk): Promise<void> {
    const { stored, flags } = encoded;
    let chunk = this.#builder.find({ ...encoded, rawBytes: place.rawBytes });
    if (chunk === undefined) {
      const entry = { part: 1, flags, rawBytes: place.rawBytes, storedBytes: stored.length };
      const fileOffset = this.#fileOffset + RECORD_HEADER_BYTES;
      chunk = this.#builder.addChunk({ ...entry, fileOffset, sha256: encoded.sha256 });
      await this.#writeRecord(
        {
          kind: 'chunk',
          ordinal: chunk,
          flags,
          rawBytes: place.rawBytes,
          place: place.offsetBytes,
          disk: place.disk,
        },
        encoded,
      );
      this.#storedBytes += stored.length;
    }
    this.#builder.addPlacement({ ...place, chunk });
    await this.#writeCheckpoints();
  }

  async #writeRecord(
    header: Omit<RecordHeader, 'epoch' | 'storedBytes' | 'sha256'>,
    payload: { stored: Buffer; sha256?: Buffer },
  ): Promise<void> {
    const whole: RecordHeader = {
      ...header,
      epoch: this.#epoch,
      storedBytes: payload.stored.length,
      sha256: payload.sha256 ?? sha256(payload.stored),
    };
    const bytes = encodeRecordHeader(whole);
    mustBeEqual(decodeRecordHeader(bytes, 'new record'), whole, 'record header');
    await this.#write(bytes);
    await this.#write(payload.stored);
  }

  #breakSilence(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#wroteAtMs < SILENCE_MS_MAX) return;
    this.#wroteAtMs = nowMs;
    this.#tail = this.#guard(() => this.#writeCheckpoints({ early: true }), this.#tail);
  }

  async #writeCheckpoints({ early } = { early: false }): Promise<void> {
    const due = () =>
      this.#builder.chunkCount - this.#checkpointedChunks >= CHECKPOINT_CHUNKS ||
      this.#builder.placementCount - this.#checkpointedPlacements >= CHECKPOINT_PLACEMENTS_MAX;
    for (let first = early; first || due(); first = false) {
      const firstChunk = this.#checkpointedChunks;
      const firstPlacement = this.#checkpointedPlacements;
      const endChunk = Math.min(this.#builder.chunkCount, firstChunk + CHECKPOINT_CHUNKS);
      const endPlacement = Math.min(this.#builder.placementCount, firstPlacement + CHECKPOINT_PLACEMENTS_MAX);
      const stored = encodeCheckpoint({
        firstChunk,
        chunkCount: endChunk - firstChunk,
        firstPlacement,
        placementCount: endPlacement - firstPlacement,
        chunkBytes: this.#builder.chunkBytes(firstChunk, endChunk),
        placementBytes: this.#builder.placementBytes(firstPlacement, endPlacement),
      });
      const offset = this.#fileOffset;
      await this.#writeRecord(
        {
          kind: 'checkpoint',
          ordinal: this.#checkpointCount,
          flags: 0,
          rawBytes: stored.length,
          place: this.#lastCheckpointOffset,
          disk: 0,
        },
        { stored },
      );
      this.#checkpointedChunks = endChunk;
      this.#checkpointedPlacements = endPlacement;
      this.#checkpointCount += 1;
      this.#lastCheckpointOffset = offset;
    }
  }

  async #writeEnd(draft: ManifestDraft): Promise<WrittenImage> {
    const manifest: ImageManifest = {
      ...draft,
      formatVersion: 1,
      imageId: this.imageId,
      chunkBytes: this.chunkBytes,
      compression: this.#level === 0 ? 'none' : 'zstd',
      compressionLevel: this.#level,
      storedBytes: this.#storedBytes,
    };
    const index = this.#builder.build();
    const manifestBytes = encodeManifest(manifest);
    mustBeEqual(decodeManifest(manifestBytes, 'new manifest'), manifest, 'manifest');
    if (manifestBytes.length > MANIFEST_RAW_BYTES_MAX) {
      throw new TdError('invalid', `Cannot write the manifest: ${manifestBytes.length} bytes are too many`);
    }
    checkPlaces(index, manifest);
    await this.#sink.sync();
    const root = imageRoot(manifestBytes, index);
    const footer = await this.#writeManifestAndIndex(manifestBytes, index, root);
    await this.#sink.sync();
    const footerBytes = encodeFooter(footer);
    mustBeEqual(decodeFooter(footerBytes, 'new footer'), footer, 'footer');
    await this.#write(footerBytes);
    await this.#sink.sync();
    return {
      imageId: this.imageId,
      root,
      manifest,
      chunkCount: index.chunkCount,
      placementCount: index.placementCount,
      rawBytes: this.#rawBytes,
      storedBytes: this.#storedBytes,
      fileBytes: this.#fileOffset,
    };
  }

  async #writeManifestAndIndex(manifestBytes: Buffer, index: ImageIndex, root: Buffer): Promise<Footer> {
    const packed = await encodeChunk(manifestBytes, { level: 3 });
    const again =
      packed.flags === 0 ? packed.stored : await unpack(packed.stored, manifestBytes.length, 'manifest');
    mustBeEqual(again, manifestBytes, 'manifest');
    const manifestOffset = this.#fileOffset;
    const shared = { ordinal: 0, place: 0, disk: 0 };
    await this.#writeRecord(
      { kind: 'manifest', ...shared, flags: packed.flags, rawBytes: manifestBytes.length },
      packed,
    );
    const indexBytes = index.encode();
    mustBeEqual(imageRoot(again, ImageIndex.decode(indexBytes, 'new index')), root, 'index');
    const indexOffset = this.#fileOffset;
    await this.#writeRecord(
      { kind: 'index', ...shared, flags: 0, rawBytes: indexBytes.length },
      { stored: indexBytes },
    );
    const fileBytes = this.#fileOffset + FOOTER_BYTES;
    if (fileBytes > FILE_BYTES_MAX)
      throw new TdError('invalid', `Cannot write ${fileBytes} bytes in one image`);
    return {
      imageId: Buffer.from(this.imageId, 'hex'),
      epoch: this.#epoch,
      part: 1,
      partCount: 1,
      chunkCount: index.chunkCount,
      placementCount: index.placementCount,
      checkpointCount: this.#checkpointCount,
      manifestOffset,
      manifestStoredBytes: packed.stored.length,
      manifestRawBytes: manifestBytes.length,
      indexOffset,
      indexBytes: indexBytes.length,
      fileBytes,
      lastCheckpointOffset: this.#lastCheckpointOffset,
      root,
    };
  }
}

function mustBeEqual(decoded: unknown, meant: unknown, what: string): void {
  if (!isDeepStrictEqual(decoded, meant)) {
    throw new TdError(
      'damaged',
      `Cannot write the ${what}: it reads back differently; test this computer's memory`,
    );
  }
}
