import { TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import { diskNumber } from '../schema/image-manifest.ts';
import type { Placement } from './chunk-index.ts';
import { decodeVerified } from './codec.ts';
import { CHUNK_BYTES_MAX } from './image-format.ts';
import type { ImageReader } from './image-reader.ts';
import { orderedAhead } from './ordered-ahead.ts';

const READS_AHEAD = 6;
/** Neighbouring blocks go out as one write of up to this. */
const WRITE_BYTES = 4 * 1024 * 1024;
const MISMATCHES_MAX = 100;
/** Partition tables and boot code begin below this. */
const BOOT_BYTES = 1024 * 1024;
/** Enough for the boot sector and a GPT header on disks of either sector size. */
const TABLE_HEAD_BYTES = 8192;
const TABLE_TAIL_BYTES = 4096;

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
  /** Which of the image's disks, from 0; default 0. */
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
 * Writes one disk of an image: only blocks whose chunk was verified, ascending, gathered into large writes.
 * The old partition tables are cleared first and the first MiB is written last, so that a disk that is only
 * half written does not start. What the image says nothing about stays as it is.
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
    throw new TdError('usage', `"${reader.path}" has no disk ${diskNumber(disk)}; it holds ${count}`);
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
  const summary = { disk, writtenBytes: 0, zeroBytes: 0, verified: options.verify === true };
  await clearTables(reader, target, disk);
  for (const boot of [false, true]) {
    const chosen = (placement: Placement) => fits(placement) && placement.offsetBytes < BOOT_BYTES === boot;
    await writeBlocks(reader, target, { ...pass, chosen, summary });
    await target.flush();
  }
  if (options.verify === true) await compareBlocks(reader, target, pass);
  return summary;
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

/** Leaves images alone that do not bring a boot sector. */
async function clearTables(reader: ImageReader, target: DiskTarget, disk: number): Promise<void> {
  let first: Placement | undefined;
  for (const placement of reader.index.placements()) {
    first = placement;
    if (placement.disk === disk) break;
  }
  if (first?.disk !== disk || first.offsetBytes !== 0) return;
  const tailBytes = Math.min(TABLE_TAIL_BYTES, target.sizeBytes);
  await target.write(target.sizeBytes - tailBytes, Buffer.alloc(tailBytes));
  await target.write(0, Buffer.alloc(Math.min(TABLE_HEAD_BYTES, target.sizeBytes)));
  await target.flush();
}

type Pass = RestoreOptions & { chosen: (placement: Placement) => boolean; totalBytes: number };

async function writeBlocks(
  reader: ImageReader,
  target: DiskTarget,
  pass: Pass & { summary: RestoreSummary },
): Promise<void> {
  const { summary, totalBytes } = pass;
  const gather = new GatheredWrites(target);
  for await (const { item, result } of blocks(reader, pass.chosen)) {
    throwIfCancelled(target, pass.signal);
    await gather.add(item.offsetBytes, result);
    summary.writtenBytes += item.rawBytes;
    if (item.chunk === null) summary.zeroBytes += item.rawBytes;
    pass.onProgress?.({ phase: 'writing', doneBytes: summary.writtenBytes, totalBytes });
  }
  await gather.flush();
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
