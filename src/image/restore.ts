import { TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import type { Placement } from './chunk-index.ts';
import { decodeVerified } from './codec.ts';
import { CHUNK_BYTES_MAX } from './image-format.ts';
import type { ImageReader } from './image-reader.ts';
import { orderedAhead } from './ordered-ahead.ts';

const READS_AHEAD = 6;
/** Neighbouring blocks go out as one write of up to this. */
const WRITE_BYTES = 4 * 1024 * 1024;
const MISMATCHES_MAX = 100;

/** The disk or file that is written; src/disk's BlockDevice is one. */
export interface DiskTarget {
  readonly path: string;
  readonly sizeBytes: number;
  write(offsetBytes: number, bytes: Buffer): Promise<void>;
  flush(): Promise<void>;
  /** Needed to verify. */
  read?(offsetBytes: number, length: number): Promise<Buffer>;
}

export interface RestoreOptions {
  /** Which of the image's disks; default 0. */
  disk?: number;
  /** Reads everything back and compares it. */
  verify?: boolean;
  /** Raw bytes; with `verify` the phase starts again from 0. */
  onProgress?: (progress: { phase: 'writing' | 'verifying'; doneBytes: number; totalBytes: number }) => void;
  signal?: AbortSignal;
}

export interface RestoreSummary {
  disk: number;
  /** Raw bytes written, zeros included. */
  writtenBytes: number;
  zeroBytes: number;
  verified: boolean;
}

/**
 * Writes one disk of an image: only blocks whose chunk was verified, ascending, gathered into large writes;
 * what the image says nothing about stays as it is. Flushes the target at the end.
 *
 * @throws TdError `usage` for a disk the image does not have; `refused` before any write when the target is
 *   too small; `damaged` for a chunk that is no longer what was stored, or when verifying finds other bytes;
 *   `cancelled`; `io`.
 */
export async function restoreImage(
  reader: ImageReader,
  target: DiskTarget,
  options: RestoreOptions = {},
): Promise<RestoreSummary> {
  const disk = options.disk ?? 0;
  if (reader.manifest.disks[disk] === undefined) {
    const count = reader.manifest.disks.length;
    throw new TdError('usage', `"${reader.path}" has no disk ${disk}; it holds ${count}, counted from 0`);
  }
  const extent = usedExtent(reader, disk);
  if (extent.endBytes > target.sizeBytes) {
    throw new TdError(
      'refused',
      `Cannot restore to "${target.path}": it has ${formatBytes(target.sizeBytes)}, the image needs ${formatBytes(extent.endBytes)}; use a larger disk`,
    );
  }
  if (options.verify === true && target.read === undefined) {
    throw new TdError('usage', `Cannot verify "${target.path}": it cannot be read`);
  }
  // Only the backup GPT can lie behind the end of a smaller disk.
  const fits = ({ disk: on, offsetBytes, rawBytes }: Placement) =>
    on === disk && offsetBytes + rawBytes <= target.sizeBytes;
  const pass = { ...options, chosen: fits, totalBytes: extent.bytes };
  const written = await writeBlocks(reader, target, pass);
  await target.flush();
  if (options.verify === true) await compareBlocks(reader, target, pass);
  return { disk, ...written, verified: options.verify === true };
}

/**
 * What a disk of the image needs: `endBytes`, the size of the smallest target, for its blocks, its partitions whole, and behind them a
 * backup GPT, which moves to the true end of a smaller or larger target; `bytes` is the sum of its blocks.
 */
export function usedExtent(
  image: Pick<ImageReader, 'index' | 'manifest'>,
  disk: number,
): { endBytes: number; bytes: number } {
  const layout = image.manifest.disks[disk];
  const backup = layout?.bootAreas.find((area) => area.kind === 'gpt-backup');
  const partitionsEnd = Math.max(
    0,
    ...(layout?.partitions ?? []).map((one) => one.startBytes + one.sizeBytes),
  );
  // Capped for odd tables that run into their own backup: the master had room enough.
  let endBytes = Math.min(partitionsEnd + (backup?.sizeBytes ?? 0), layout?.sizeBytes ?? 0);
  let bytes = 0;
  for (const { disk: on, offsetBytes, rawBytes } of image.index.placements()) {
    if (on !== disk) continue;
    bytes += rawBytes;
    if (backup === undefined || offsetBytes < backup.startBytes) {
      endBytes = Math.max(endBytes, offsetBytes + rawBytes);
    }
  }
  return { endBytes, bytes };
}

type Pass = RestoreOptions & { chosen: (placement: Placement) => boolean; totalBytes: number };

async function writeBlocks(
  reader: ImageReader,
  target: DiskTarget,
  pass: Pass,
): Promise<{ writtenBytes: number; zeroBytes: number }> {
  const gather = new GatheredWrites(target);
  let doneBytes = 0;
  let zeroBytes = 0;
  for await (const { item, result } of blocks(reader, pass.chosen)) {
    throwIfCancelled(target, pass.signal);
    await gather.add(item.offsetBytes, result);
    doneBytes += item.rawBytes;
    if (item.chunk === null) zeroBytes += item.rawBytes;
    pass.onProgress?.({ phase: 'writing', doneBytes, totalBytes: pass.totalBytes });
  }
  await gather.flush();
  return { writtenBytes: doneBytes, zeroBytes };
}

async function compareBlocks(reader: ImageReader, target: DiskTarget, pass: Pass): Promise<void> {
  let doneBytes = 0;
  const wrong: number[] = [];
  for await (const { item, result } of blocks(reader, pass.chosen)) {
    throwIfCancelled(target, pass.signal);
    const found = await target.read!(item.offsetBytes, item.rawBytes);
    if (!found.equals(result)) wrong.push(item.offsetBytes);
    if (wrong.length >= MISMATCHES_MAX) break;
    doneBytes += item.rawBytes;
    pass.onProgress?.({ phase: 'verifying', doneBytes, totalBytes: pass.totalBytes });
  }
  if (wrong.length === 0) return;
  const count = wrong.length >= MISMATCHES_MAX ? `${wrong.length} or more` : String(wrong.length);
  throw new TdError(
    'damaged',
    `Cannot trust "${target.path}": ${count} blocks read back differently, the first at byte ${wrong[0]}; test or replace the disk`,
  );
}

/** A disk's blocks in ascending order with their raw bytes, read and decompressed ahead. */
async function* blocks(
  reader: ImageReader,
  chosen: Pass['chosen'],
): AsyncGenerator<{ item: Placement; result: Buffer }> {
  // Blocks are bounded by the format; one piece of zeros serves all of them.
  const zeros = Buffer.alloc(Math.min(CHUNK_BYTES_MAX, reader.superblock.chunkBytes));
  const work = async ({ chunk, rawBytes }: Placement): Promise<Buffer> => {
    if (chunk === null)
      return rawBytes <= zeros.length ? zeros.subarray(0, rawBytes) : Buffer.alloc(rawBytes);
    return decodeVerified(reader.index.chunk(chunk), await reader.readStored(chunk));
  };
  yield* orderedAhead(chosenPlacements(reader, chosen), { aheadMax: READS_AHEAD, work });
}

function* chosenPlacements(reader: ImageReader, chosen: Pass['chosen']): Generator<Placement> {
  for (const placement of reader.index.placements()) if (chosen(placement)) yield placement;
}

function throwIfCancelled(target: DiskTarget, signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new TdError(
      'cancelled',
      `The restore to "${target.path}" was cancelled; the disk is not usable as it is`,
    );
  }
}

/** Joins blocks that follow each other on the disk; one write is under way while the next is gathered. */
class GatheredWrites {
  readonly #target: DiskTarget;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #start = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(target: DiskTarget) {
    this.#target = target;
  }

  async add(offsetBytes: number, bytes: Buffer): Promise<void> {
    const follows = this.#pieces.length > 0 && offsetBytes === this.#start + this.#bytes;
    if (!follows || this.#bytes + bytes.length > WRITE_BYTES) await this.#send();
    if (this.#pieces.length === 0) this.#start = offsetBytes;
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
  }

  async flush(): Promise<void> {
    await this.#send();
    await this.#writing;
  }

  async #send(): Promise<void> {
    await this.#writing;
    if (this.#pieces.length === 0) return;
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#writing = this.#target.write(this.#start, whole);
    this.#writing.catch(() => {}); // seen by the next write or flush
    this.#pieces = [];
    this.#bytes = 0;
  }
}
