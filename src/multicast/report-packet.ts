import { Bitmap } from './bitmap.ts';
import {
  CONTROL_DATAGRAM_BYTES_MAX,
  REPORT_PARTIALS_MAX,
  REPORT_RUNS_BYTES_MAX,
  REPORT_RUNS_MAX,
  REPORT_WINDOW_CHUNKS_MAX,
  TAG_BYTES,
} from './limits.ts';
import { type Decoded, readSequence, writePrefix, writeSequence } from './packet.ts';
import { type SessionKeys, tagMatches } from './session-keys.ts';

/** A chunk of which only some fragments are missing. */
export interface PartialChunk {
  ordinal: number;
  /** The missing fragments. */
  missing: Bitmap;
  /** Times by the receiver's clock, used only to know what was left out; not on the wire. */
  lastMs?: number;
  reportedMs?: number;
}

/** Whether fragments came since the sender was last told what is missing. */
export function isUntold(partial: PartialChunk): boolean {
  return (partial.lastMs ?? 0) > (partial.reportedMs ?? Number.NEGATIVE_INFINITY);
}

/** What one receiver has and lacks; see PROTOCOL.md, Report. */
export interface Report {
  receiverId: number;
  /** Random for every start of the receiving program. */
  incarnation: number;
  sequence: number;
  /** The newest heartbeat or answer seen; 0 before the first. */
  beat: number;
  highestSequence: number;
  /** Data datagrams of the session received, and of these refused for want of room; both since the start. */
  received: number;
  refused: number;
  missingChunks: number;
  haveChunks: number;
  backlogChunks: number;
  badDatagrams: number;
  complete: boolean;
  overTcp: boolean;
  /** More partly received chunks than fitted. */
  morePartials: boolean;
  /** Chunks in [windowStart, windowEnd) are had unless a run names them. */
  windowStart: number;
  windowEnd: number;
  /** Pairs of first ordinal and length, ascending. */
  missingRuns: number[];
  partials: PartialChunk[];
}

export interface ReportContext {
  chunkCount: number;
  fragmentCount(ordinal: number): number;
}

const FIXED_BYTES = 76;
const FLAG = { complete: 1, overTcp: 2, morePartials: 4 } as const;
const FLAGS_ALL = 7;
const ENCODING = { runs: 0, bitmap: 1 } as const;

const bad = (reason: string) => ({ ok: false, reason }) as const;
const clampU16 = (value: number) => Math.min(value, 0xffff);

/**
 * Encodes a report into one datagram; runs or partials that do not fit are left out, shrinking the window.
 *
 * @returns the bytes, and how much of runs and partials they hold.
 */
export function encodeReport(
  report: Report,
  keys: SessionKeys,
): { bytes: Buffer; windowEnd: number; partialCount: number } {
  const bytes = Buffer.alloc(CONTROL_DATAGRAM_BYTES_MAX);
  const out = new VarintWriter(bytes, FIXED_BYTES, bytes.length - TAG_BYTES);
  const runs = writeRuns(out, report);
  const partialCount = writePartials(out, report.partials);
  const morePartials = report.morePartials || report.partials.slice(partialCount).some(isUntold);
  writePrefix(bytes, 'report', keys.token);
  bytes.writeUInt32BE(report.receiverId, 12);
  bytes.writeUInt32BE(report.incarnation, 16);
  bytes.writeUInt32BE(report.sequence, 20);
  bytes.writeUInt32BE(report.beat, 24);
  writeSequence(bytes, report.highestSequence, 28);
  writeSequence(bytes, report.received, 34);
  writeSequence(bytes, report.refused, 40);
  bytes.writeUInt32BE(report.missingChunks, 46);
  bytes.writeUInt32BE(report.haveChunks, 50);
  bytes.writeUInt16BE(clampU16(report.backlogChunks), 54);
  bytes.writeUInt16BE(
    (report.complete ? FLAG.complete : 0) |
      (report.overTcp ? FLAG.overTcp : 0) |
      (morePartials ? FLAG.morePartials : 0),
    56,
  );
  bytes.writeUInt32BE(Math.min(report.badDatagrams, 0xffff_ffff), 58);
  bytes.writeUInt16BE(runs.count, 62);
  bytes.writeUInt32BE(report.windowStart, 64);
  bytes.writeUInt32BE(runs.windowEnd, 68);
  bytes.writeUInt16BE(partialCount, 72);
  const end = out.offset;
  bytes.set(keys.tagFromReceiver(bytes.subarray(0, end)), end);
  return { bytes: bytes.subarray(0, end + TAG_BYTES), windowEnd: runs.windowEnd, partialCount };
}

function writeRuns(out: VarintWriter, report: Report): { count: number; windowEnd: number } {
  const limit = out.offset + REPORT_RUNS_BYTES_MAX;
  let previousEnd = report.windowStart;
  for (let i = 0; i < report.missingRuns.length; i += 2) {
    const first = report.missingRuns[i]!;
    const length = report.missingRuns[i + 1]!;
    const before = out.offset;
    const fits = out.varint(first - previousEnd) && out.varint(length);
    if (!fits || out.offset > limit || i / 2 >= REPORT_RUNS_MAX) {
      out.offset = before;
      return { count: i / 2, windowEnd: first };
    }
    previousEnd = first + length;
  }
  return { count: report.missingRuns.length / 2, windowEnd: report.windowEnd };
}

/** Each chunk takes whichever of the two encodings is shorter. */
function writePartials(out: VarintWriter, partials: readonly PartialChunk[]): number {
  let count = 0;
  for (const partial of partials) {
    if (count >= REPORT_PARTIALS_MAX) break;
    const before = out.offset;
    if (!writePartial(out, partial)) {
      out.offset = before;
      break;
    }
    count += 1;
  }
  return count;
}

function writePartial(out: VarintWriter, { ordinal, missing }: PartialChunk): boolean {
  if (!out.varint(ordinal)) return false;
  const start = out.offset;
  const bitmapEnd = start + 1 + missing.bytes.length;
  if (writeFragmentRuns(out, missing) && out.offset <= bitmapEnd) return true;
  out.offset = start;
  return out.byte(ENCODING.bitmap) && out.bytes(missing.bytes);
}

function writeFragmentRuns(out: VarintWriter, missing: Bitmap): boolean {
  let runCount = 0;
  for (let at = missing.nextSet(0); at < missing.length; runCount += 1) {
    at = missing.nextSet(missing.nextClear(at));
  }
  if (!out.byte(ENCODING.runs) || !out.varint(runCount)) return false;
  let previousEnd = 0;
  for (let first = missing.nextSet(0); first < missing.length; ) {
    const end = missing.nextClear(first);
    if (!out.varint(first - previousEnd) || !out.varint(end - first)) return false;
    previousEnd = end;
    first = missing.nextSet(end);
  }
  return true;
}

/** Decodes and validates a report against the image it speaks of. */
export function decodeReport(bytes: Buffer, keys: SessionKeys, context: ReportContext): Decoded<Report> {
  if (bytes.length < FIXED_BYTES + TAG_BYTES || bytes.length > CONTROL_DATAGRAM_BYTES_MAX)
    return bad('length');
  const end = bytes.length - TAG_BYTES;
  if (!tagMatches(bytes.subarray(end), keys.tagFromReceiver(bytes.subarray(0, end)))) return bad('tag');
  const flags = bytes.readUInt16BE(56);
  const runCount = bytes.readUInt16BE(62);
  const windowStart = bytes.readUInt32BE(64);
  const windowEnd = bytes.readUInt32BE(68);
  const partialCount = bytes.readUInt16BE(72);
  if (flags > FLAGS_ALL) return bad('flags');
  if (bytes.readUInt16BE(74) !== 0) return bad('reserved');
  if (windowStart > windowEnd || windowEnd > context.chunkCount) return bad('window');
  if (windowEnd - windowStart > REPORT_WINDOW_CHUNKS_MAX) return bad('window');
  if (runCount > REPORT_RUNS_MAX || partialCount > REPORT_PARTIALS_MAX) return bad('count');
  const from = new VarintReader(bytes, FIXED_BYTES, end);
  const missingRuns = readRuns(from, { count: runCount, start: windowStart, end: windowEnd });
  if (missingRuns === undefined) return bad('runs');
  const partials = readPartials(from, partialCount, context);
  if (partials === undefined) return bad('partials');
  if (from.offset !== end) return bad('trailing bytes');
  return {
    ok: true,
    value: {
      receiverId: bytes.readUInt32BE(12),
      incarnation: bytes.readUInt32BE(16),
      sequence: bytes.readUInt32BE(20),
      beat: bytes.readUInt32BE(24),
      highestSequence: readSequence(bytes, 28),
      received: readSequence(bytes, 34),
      refused: readSequence(bytes, 40),
      missingChunks: bytes.readUInt32BE(46),
      haveChunks: bytes.readUInt32BE(50),
      backlogChunks: bytes.readUInt16BE(54),
      badDatagrams: bytes.readUInt32BE(58),
      complete: (flags & FLAG.complete) !== 0,
      overTcp: (flags & FLAG.overTcp) !== 0,
      morePartials: (flags & FLAG.morePartials) !== 0,
      windowStart,
      windowEnd,
      missingRuns,
      partials,
    },
  };
}

function readRuns(
  from: VarintReader,
  runs: { count: number; start: number; end: number },
): number[] | undefined {
  const found: number[] = [];
  let previousEnd = runs.start;
  for (let i = 0; i < runs.count; i += 1) {
    const gap = from.varint();
    const length = from.varint();
    if (gap === undefined || length === undefined || length === 0) return undefined;
    const first = previousEnd + gap;
    previousEnd = first + length;
    if (previousEnd > runs.end) return undefined;
    found.push(first, length);
  }
  return found;
}

function readPartials(from: VarintReader, count: number, context: ReportContext): PartialChunk[] | undefined {
  const partials: PartialChunk[] = [];
  for (let i = 0; i < count; i += 1) {
    const ordinal = from.varint();
    const encoding = from.byte();
    if (ordinal === undefined || encoding === undefined || ordinal >= context.chunkCount) return undefined;
    const fragmentCount = context.fragmentCount(ordinal);
    const missing =
      encoding === ENCODING.bitmap
        ? readBitmap(from, fragmentCount)
        : encoding === ENCODING.runs
          ? readFragmentRuns(from, fragmentCount)
          : undefined;
    if (missing === undefined) return undefined;
    partials.push({ ordinal, missing });
  }
  return partials;
}

function readBitmap(from: VarintReader, fragmentCount: number): Bitmap | undefined {
  const bytes = from.bytes((fragmentCount + 7) >>> 3);
  return bytes === undefined ? undefined : Bitmap.from(bytes, fragmentCount);
}

function readFragmentRuns(from: VarintReader, fragmentCount: number): Bitmap | undefined {
  const runCount = from.varint();
  if (runCount === undefined || runCount > fragmentCount) return undefined;
  const missing = new Bitmap(fragmentCount);
  let previousEnd = 0;
  for (let i = 0; i < runCount; i += 1) {
    const gap = from.varint();
    const length = from.varint();
    if (gap === undefined || length === undefined || length === 0) return undefined;
    const first = previousEnd + gap;
    previousEnd = first + length;
    if (previousEnd > fragmentCount) return undefined;
    for (let fragment = first; fragment < previousEnd; fragment += 1) missing.add(fragment);
  }
  return missing;
}

/** Little-endian base-128 numbers below 2^32; refuses to write past its end. */
class VarintWriter {
  readonly #bytes: Buffer;
  readonly #end: number;
  offset: number;

  constructor(bytes: Buffer, offset: number, end: number) {
    this.#bytes = bytes;
    this.offset = offset;
    this.#end = end;
  }

  byte(value: number): boolean {
    if (this.offset >= this.#end) return false;
    this.#bytes[this.offset] = value;
    this.offset += 1;
    return true;
  }

  varint(value: number): boolean {
    let rest = value;
    while (rest >= 0x80) {
      if (!this.byte((rest & 0x7f) | 0x80)) return false;
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest);
  }

  bytes(value: Uint8Array): boolean {
    if (this.offset + value.length > this.#end) return false;
    this.#bytes.set(value, this.offset);
    this.offset += value.length;
    return true;
  }
}

class VarintReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  offset: number;

  constructor(bytes: Buffer, offset: number, end: number) {
    this.#bytes = bytes;
    this.offset = offset;
    this.#end = end;
  }

  byte(): number | undefined {
    if (this.offset >= this.#end) return undefined;
    this.offset += 1;
    return this.#bytes[this.offset - 1];
  }

  varint(): number | undefined {
    let value = 0;
    for (let factor = 1; factor <= 0x1000_0000; factor *= 0x80) {
      const byte = this.byte();
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value <= 0xffff_ffff ? value : undefined;
    }
    return undefined;
  }

  bytes(length: number): Buffer | undefined {
    if (this.offset + length > this.#end) return undefined;
    this.offset += length;
    return this.#bytes.subarray(this.offset - length, this.offset);
  }
}
