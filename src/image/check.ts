import { TdError } from '../lib/errors.ts';
import { decodeCheckpoint } from './checkpoint.ts';
import type { Placement } from './chunk-index.ts';
import { decodeVerified, verifyStored } from './codec.ts';
import { FIRST_RECORD_OFFSET, RECORD_HEADER_BYTES } from './image-format.ts';
import { type ImageReader, openImage } from './image-reader.ts';
import { sha256 } from './merkle.ts';
import { orderedAhead } from './ordered-ahead.ts';
import { decodeRecordHeader, type RecordHeader } from './record-header.ts';

const READS_AHEAD = 6;
/** How many chunks a quick check reads, spread evenly. */
const QUICK_CHUNKS = 256;

export interface DamagedChunk {
  chunk: number;
  reason: string;
  /** Everywhere its bytes would go. */
  placements: readonly Placement[];
}

export interface ImageCheck {
  ok: boolean;
  /** Chunks of the image. */
  chunkCount: number;
  /** Chunks that were read: all, or a sample of a quick check. */
  checkedChunks: number;
  damaged: DamagedChunk[];
  /** Damage outside of the chunks, one line each; the data is not touched by it. */
  problems: string[];
}

export interface CheckOptions {
  /** Reads everything but the chunks, and of these a sample of 256. */
  quick?: boolean;
  /** Called with stored bytes after every chunk. */
  onProgress?: (doneBytes: number, totalBytes: number, damagedChunks: number) => void;
  signal?: AbortSignal;
}

/**
 * Verifies an image: every byte of it, or quickly its structure and a sample of its chunks.
 *
 * @returns what is damaged; damage is a result, not an error.
 * @throws TdError as {@link openImage} when the image cannot be opened at all, `cancelled`, `io`.
 */
export async function checkImage(path: string, options: CheckOptions = {}): Promise<ImageCheck> {
  await using reader = await openImage(path);
  return await checkOpenImage(reader, options);
}

/** {@link checkImage} of an image that is open already. */
export async function checkOpenImage(reader: ImageReader, options: CheckOptions = {}): Promise<ImageCheck> {
  const { index } = reader;
  const ordinals = chosenChunks(index.chunkCount, options.quick === true);
  const check: ImageCheck = {
    ok: true,
    chunkCount: index.chunkCount,
    checkedChunks: ordinals.length,
    damaged: [],
    problems: [...reader.warnings],
  };
  const totalBytes = ordinals.reduce((sum, ordinal) => sum + index.chunk(ordinal).storedBytes, 0);
  let doneBytes = 0;
  const work = (ordinal: number) => chunkDamage(reader, ordinal);
  for await (const { item, result } of orderedAhead(ordinals, { aheadMax: READS_AHEAD, work })) {
    throwIfCancelled(reader.path, options.signal);
    if (result !== undefined) {
      check.damaged.push({ chunk: item, reason: result, placements: index.placementsOf(item) });
    }
    doneBytes += index.chunk(item).storedBytes;
    options.onProgress?.(doneBytes, totalBytes, check.damaged.length);
  }
  if (options.quick !== true) await checkGaps(reader, { check, ...options });
  check.ok = check.damaged.length === 0 && check.problems.length === 0;
  return check;
}

function throwIfCancelled(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TdError('cancelled', `The check of "${path}" was cancelled`);
}

function chosenChunks(chunkCount: number, quick: boolean): number[] {
  const count = quick ? Math.min(chunkCount, QUICK_CHUNKS) : chunkCount;
  const last = Math.max(1, count - 1);
  return Array.from({ length: count }, (_, i) => Math.round((i * (chunkCount - 1)) / last));
}

/** Why the chunk cannot be used, or undefined. */
async function chunkDamage(reader: ImageReader, ordinal: number): Promise<string | undefined> {
  const entry = reader.index.chunk(ordinal);
  try {
    const start = entry.fileOffset - RECORD_HEADER_BYTES;
    const record = await reader.readBytes(start, RECORD_HEADER_BYTES + entry.storedBytes);
    const stored = record.subarray(RECORD_HEADER_BYTES);
    verifyStored(entry, stored);
    await decodeVerified(entry, stored);
    const header = decodeRecordHeader(record.subarray(0, RECORD_HEADER_BYTES), 'its record');
    return headerProblem(reader, ordinal, header);
  } catch (error) {
    return damageOf(error);
  }
}

function headerProblem(reader: ImageReader, ordinal: number, header: RecordHeader): string | undefined {
  const entry = reader.index.chunk(ordinal);
  const agrees =
    header.kind === 'chunk' &&
    header.ordinal === ordinal &&
    header.flags === entry.flags &&
    header.rawBytes === entry.rawBytes &&
    header.storedBytes === entry.storedBytes &&
    header.sha256.equals(entry.sha256) &&
    reader.index
      .placementsOf(ordinal)
      .some(({ disk, offsetBytes }) => disk === header.disk && offsetBytes === header.place);
  return agrees ? undefined : 'its record and the index disagree';
}

/** The message of what is wrong with the data; anything else goes on as an error. */
function damageOf(error: unknown): string {
  if (error instanceof TdError && (error.code === 'damaged' || error.code === 'invalid')) {
    return error.message;
  }
  throw error;
}

/** Walks everything between the chunks: nothing but whole checkpoints may be there. */
async function checkGaps(
  reader: ImageReader,
  { check, signal }: { check: ImageCheck; signal?: AbortSignal },
): Promise<void> {
  const { index, footer } = reader;
  const seen = { count: 0, lastOffset: 0 };
  let from = FIRST_RECORD_OFFSET;
  for (let ordinal = 0; ordinal <= index.chunkCount; ordinal += 1) {
    throwIfCancelled(reader.path, signal);
    const entry = ordinal < index.chunkCount ? index.chunk(ordinal) : undefined;
    const to = entry === undefined ? footer.manifestOffset : entry.fileOffset - RECORD_HEADER_BYTES;
    while (from < to) {
      const result = await checkpointAt(reader, { from, to, seen });
      if (typeof result === 'string') check.problems.push(`between bytes ${from} and ${to}: ${result}`);
      from = typeof result === 'string' ? to : result;
    }
    if (entry !== undefined) from = entry.fileOffset + entry.storedBytes;
  }
  if (check.problems.length > 0) return; // the count would only repeat them
  if (seen.count !== footer.checkpointCount || seen.lastOffset !== footer.lastCheckpointOffset) {
    check.problems.push(`${seen.count} checkpoints are there, the footer says ${footer.checkpointCount}`);
  }
}

/** @returns the offset behind the checkpoint, or what is wrong. */
async function checkpointAt(
  reader: ImageReader,
  { from, to, seen }: { from: number; to: number; seen: { count: number; lastOffset: number } },
): Promise<number | string> {
  const what = `checkpoint ${seen.count}`;
  try {
    if (from + RECORD_HEADER_BYTES > to) return 'there are bytes that belong to nothing';
    const header = await reader.readHeader(from, what);
    const end = from + RECORD_HEADER_BYTES + header.storedBytes;
    const expected =
      header.kind === 'checkpoint' &&
      header.ordinal === seen.count &&
      header.place === seen.lastOffset &&
      header.rawBytes === header.storedBytes &&
      end <= to;
    if (!expected) return `${what} has a header that does not belong there`;
    const payload = await reader.readBytes(from + RECORD_HEADER_BYTES, header.storedBytes);
    if (!sha256(payload).equals(header.sha256)) return `${what} is damaged`;
    const { firstChunk, chunkCount, chunkBytes } = decodeCheckpoint(payload, what);
    if (!reader.index.chunkBytes(firstChunk, firstChunk + chunkCount).equals(chunkBytes)) {
      return `${what} and the index disagree`;
    }
    seen.count += 1;
    seen.lastOffset = from;
    return end;
  } catch (error) {
    return damageOf(error);
  }
}
