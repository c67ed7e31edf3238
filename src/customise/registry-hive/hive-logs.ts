import { BASE, baseChecksum, isValidBase, SECTOR_BYTES } from './base-block.ts';
import { BASE_BLOCK_BYTES, BIN_ALIGN_BYTES, BIN_HEADER_BYTES } from './cell-layout.ts';
import { HIVE_BYTES_MAX } from './hive-limits.ts';
import { marvin32 } from './marvin32.ts';

/** Windows 2000 wrote 2 where later versions write 1. */
const OLD_LOG_TYPES = [1, 2];
const NEW_LOG_TYPE = 6;

const ENTRY_SIGNATURE = 'HvLE';
const ENTRY = {
  bytes: 4,
  flags: 8,
  sequence: 12,
  binsBytes: 16,
  pageCount: 20,
  hash1: 24,
  hash2: 32,
  pages: 40,
} as const;
const PAGE_REFERENCE_BYTES = 8;
const VECTOR_SIGNATURE = 'DIRT';
/** The timestamp of the first bin is a copy of the base block's. */
const FIRST_BIN_TIMESTAMP = BASE_BLOCK_BYTES + 20;
const KTM_LOCKED = 1;

export interface Replay {
  /** The whole file after replay; the one given when there was nothing to do. */
  bytes: Buffer;
  /** It was not written to its end, so its logs hold more than it does. */
  wasDirty: boolean;
  /** What the logs held is in it. */
  replayed: boolean;
  /** The highest sequence number of hive and logs. */
  sequenceMax: number;
}

/**
 * Brings a hive to the state Windows would recover, from logs of Windows 2000 to 8 (dirty pages) or later (entries).
 * Logs that are empty, damaged or of another time are left aside, as Windows does.
 *
 * @param bytes the primary file; not changed.
 */
export function replayLogs(bytes: Buffer, logs: readonly Buffer[]): Replay {
  const valid = logs.filter(isUsableLog);
  const entriesOf = new Map(valid.filter(isNewLog).map((log) => [log, readEntries(log)]));
  const sequences = [
    ...(isValidBase(bytes) ? [bytes, ...valid] : valid).flatMap((file) => [
      file.readUInt32LE(BASE.primarySequence),
      file.readUInt32LE(BASE.secondarySequence),
    ]),
    ...[...entriesOf.values()].flat().map((entry) => entry.sequence),
  ];
  const sequenceMax = sequences.reduce((max, sequence) => Math.max(max, sequence), 0);
  const wasDirty = isDirty(bytes);
  const recovered = wasDirty ? (replayEntries(bytes, entriesOf) ?? replayPages(bytes, valid)) : undefined;
  return { bytes: recovered ?? bytes, wasDirty, replayed: recovered !== undefined, sequenceMax };
}

function isDirty(bytes: Buffer): boolean {
  return (
    !isValidBase(bytes) ||
    bytes.readUInt32LE(BASE.primarySequence) !== bytes.readUInt32LE(BASE.secondarySequence)
  );
}

function isUsableLog(log: Buffer): boolean {
  return (
    log.length <= HIVE_BYTES_MAX &&
    isValidBase(log) &&
    log.readUInt32LE(BASE.primarySequence) === log.readUInt32LE(BASE.secondarySequence)
  );
}

function isNewLog(log: Buffer): boolean {
  return log.readUInt32LE(BASE.fileType) === NEW_LOG_TYPE;
}

interface LogEntry {
  sequence: number;
  flags: number;
  binsBytes: number;
  pages: { offset: number; bytes: Buffer }[];
}

/** The entries from the log's beginning on, as long as their hashes are right and their numbers follow each other. */
function readEntries(log: Buffer): LogEntry[] {
  const entries: LogEntry[] = [];
  let sequence = log.readUInt32LE(BASE.primarySequence);
  let at = SECTOR_BYTES;
  while (at + ENTRY.pages <= log.length) {
    const entryBytes = log.readUInt32LE(at + ENTRY.bytes);
    if (entryBytes < SECTOR_BYTES || entryBytes % SECTOR_BYTES !== 0 || at + entryBytes > log.length) break;
    const entry = readEntry(log.subarray(at, at + entryBytes));
    if (entry === undefined || entry.sequence !== sequence) break;
    entries.push(entry);
    at += entryBytes;
    sequence = nextSequence(sequence);
  }
  return entries;
}

function readEntry(bytes: Buffer): LogEntry | undefined {
  if (bytes.toString('latin1', 0, 4) !== ENTRY_SIGNATURE) return undefined;
  const binsBytes = bytes.readUInt32LE(ENTRY.binsBytes);
  const pageCount = bytes.readUInt32LE(ENTRY.pageCount);
  const pagesAt = ENTRY.pages + pageCount * PAGE_REFERENCE_BYTES;
  if (binsBytes === 0 || binsBytes % BIN_ALIGN_BYTES !== 0 || pagesAt > bytes.length) return undefined;
  if (BASE_BLOCK_BYTES + binsBytes > HIVE_BYTES_MAX) return undefined;
  // The second hash is over the header, so over the first hash too.
  if (!marvin32(bytes.subarray(0, ENTRY.hash2)).equals(bytes.subarray(ENTRY.hash2, ENTRY.pages)))
    return undefined;
  if (!marvin32(bytes.subarray(ENTRY.pages)).equals(bytes.subarray(ENTRY.hash1, ENTRY.hash2)))
    return undefined;
  const pages: LogEntry['pages'] = [];
  let at = pagesAt;
  for (let page = 0; page < pageCount; page += 1) {
    const reference = ENTRY.pages + page * PAGE_REFERENCE_BYTES;
    const offset = bytes.readUInt32LE(reference);
    const pageBytes = bytes.readUInt32LE(reference + 4);
    if (at + pageBytes > bytes.length || offset + pageBytes > binsBytes) return undefined;
    pages.push({ offset, bytes: bytes.subarray(at, at + pageBytes) });
    at += pageBytes;
  }
  const [sequence, flags] = [bytes.readUInt32LE(ENTRY.sequence), bytes.readUInt32LE(ENTRY.flags)];
  return { sequence, flags, binsBytes, pages };
}

function nextSequence(sequence: number): number {
  return (sequence + 1) >>> 0;
}

/** True when a number is before another, also across the overflow of 32 bits. */
function isBefore(sequence: number, other: number): boolean {
  return sequence !== other && (other - sequence) >>> 0 < 0x8000_0000;
}

/** Two logs take turns: the one with the earlier entries comes first, the other must follow on. */
function replayEntries(bytes: Buffer, entriesOf: ReadonlyMap<Buffer, LogEntry[]>): Buffer | undefined {
  const first = (log: Buffer) => log.readUInt32LE(BASE.primarySequence);
  const inOrder = [...entriesOf.keys()].sort((a, b) => {
    if (first(a) === first(b)) return 0;
    return isBefore(first(a), first(b)) ? -1 : 1;
  });
  let chosen = inOrder;
  if (isValidBase(bytes)) {
    const written = bytes.readUInt32LE(BASE.secondarySequence);
    chosen = inOrder.filter((log) => !isBefore(first(log), written));
  } else {
    // Its own number is lost, so only what was begun last is known to be wanted; Windows does the same.
    chosen = inOrder.slice(-1);
  }
  const [start] = chosen;
  if (start === undefined) return undefined;
  const entries: LogEntry[] = [];
  for (const log of chosen) {
    const last = entries.at(-1);
    const follows = last === undefined ? log === start : first(log) === nextSequence(last.sequence);
    if (!follows) break;
    entries.push(...(entriesOf.get(log) ?? []));
  }
  return entries.length === 0 ? undefined : applyEntries(bytes, chosen, entries);
}

/** Undefined when it should become larger than hive and logs together: what is new must be in the logs. */
function grownCopy(bytes: Buffer, to: { binsBytes: number; logs: readonly Buffer[] }): Buffer | undefined {
  const fileBytes = Math.max(bytes.length, BASE_BLOCK_BYTES + to.binsBytes);
  if (fileBytes > to.logs.reduce((sum, log) => sum + log.length, bytes.length)) return undefined;
  const copy = Buffer.alloc(fileBytes);
  bytes.copy(copy);
  return copy;
}

function applyEntries(
  bytes: Buffer,
  logs: readonly Buffer[],
  entries: readonly LogEntry[],
): Buffer | undefined {
  const [start] = logs;
  if (start === undefined) return undefined;
  const binsBytes = entries.at(-1)?.binsBytes ?? 0;
  const largest = entries.reduce((max, entry) => Math.max(max, entry.binsBytes), 0);
  const recovered = grownCopy(bytes, { binsBytes: largest, logs });
  if (recovered === undefined) return undefined;
  restoreBase(recovered, start);
  for (const entry of entries) {
    for (const page of entry.pages) page.bytes.copy(recovered, BASE_BLOCK_BYTES + page.offset);
    const flags = recovered.readUInt32LE(BASE.flags);
    recovered.writeUInt32LE(((flags & ~KTM_LOCKED) | (entry.flags & KTM_LOCKED)) >>> 0, BASE.flags);
  }
  recovered.writeUInt32LE(binsBytes, BASE.binsBytes);
  recovered.writeUInt32LE(baseChecksum(recovered), BASE.checksum);
  return recovered;
}

/** Root, version, size and times were current in the log's copy of the base block. */
function restoreBase(recovered: Buffer, log: Buffer): void {
  log.copy(recovered, 0, 0, SECTOR_BYTES);
  recovered.writeUInt32LE(0, BASE.fileType);
  recovered.writeUInt32LE(baseChecksum(recovered), BASE.checksum);
}

/** The old form: one set of pages of 512 bytes, marked in a bitmap. */
function replayPages(bytes: Buffer, logs: readonly Buffer[]): Buffer | undefined {
  if (bytes.length < BASE_BLOCK_BYTES + BIN_HEADER_BYTES) return undefined;
  const writtenAt = isValidBase(bytes) ? BASE.lastWritten : FIRST_BIN_TIMESTAMP;
  const written = bytes.readBigUInt64LE(writtenAt);
  let chosen: { log: Buffer; pages: LogEntry['pages']; time: bigint } | undefined;
  for (const log of logs) {
    if (!OLD_LOG_TYPES.includes(log.readUInt32LE(BASE.fileType))) continue;
    const time = log.readBigUInt64LE(BASE.lastWritten);
    const pages = readDirtyPages(log);
    // After failed writes the other log holds everything since, and is the later one.
    if (pages !== undefined && time >= written && time > (chosen?.time ?? -1n)) chosen = { log, pages, time };
  }
  if (chosen === undefined) return undefined;
  const binsBytes = chosen.log.readUInt32LE(BASE.binsBytes);
  const recovered = grownCopy(bytes, { binsBytes, logs: [chosen.log] });
  if (recovered === undefined) return undefined;
  restoreBase(recovered, chosen.log);
  for (const page of chosen.pages) page.bytes.copy(recovered, BASE_BLOCK_BYTES + page.offset);
  return recovered;
}

function readDirtyPages(log: Buffer): LogEntry['pages'] | undefined {
  const binsBytes = log.readUInt32LE(BASE.binsBytes);
  const bitmapBytes = binsBytes / BIN_ALIGN_BYTES;
  const vectorAt = SECTOR_BYTES + VECTOR_SIGNATURE.length;
  const isSane = Number.isInteger(bitmapBytes) && BASE_BLOCK_BYTES + binsBytes <= HIVE_BYTES_MAX;
  if (!isSane || log.length < vectorAt + bitmapBytes) return undefined;
  if (log.toString('latin1', SECTOR_BYTES, vectorAt) !== VECTOR_SIGNATURE) return undefined;
  let at = Math.ceil((vectorAt + bitmapBytes) / SECTOR_BYTES) * SECTOR_BYTES;
  const pages: LogEntry['pages'] = [];
  for (let page = 0; page < bitmapBytes * 8; page += 1) {
    const isMarked = (log.readUInt8(vectorAt + (page >>> 3)) >>> (page & 7)) & 1;
    if (!isMarked) continue;
    if (at + SECTOR_BYTES > log.length) return undefined;
    pages.push({ offset: page * SECTOR_BYTES, bytes: log.subarray(at, at + SECTOR_BYTES) });
    at += SECTOR_BYTES;
  }
  return pages.length === 0 ? undefined : pages;
}
