import { ByteReader } from '../../lib/bytes.ts';
import { TdError } from '../../lib/errors.ts';

export const ATTRIBUTE = {
  standardInformation: 0x10,
  attributeList: 0x20,
  securityDescriptor: 0x50,
  data: 0x80,
  indexRoot: 0x90,
  indexAllocation: 0xa0,
} as const;

const ATTRIBUTE_END = 0xffff_ffff;
const RECORD_IN_USE = 0x0001;
/** An update sequence protects every 512 bytes of a record, whatever the disk's sector size. */
const STRIDE_BYTES = 512;
const COMPRESSED_OR_ENCRYPTED = 0x40ff;
const RUN_NUMBER_BYTES_MAX = 6;

/** One attribute inside one file record. */
export interface NtfsAttribute {
  type: number;
  name: string;
  /** The file record's bytes; a resident value is a view into it. */
  record: NtfsRecord;
  /** Absent when the attribute's content lies in clusters. */
  value?: Buffer;
  /** Absent when it is resident. */
  clusters?: { firstVcn: number; runs: Run[]; dataBytes: number; initialisedBytes: number };
}

/** Clusters of the volume in a row; without `lcn` they are a hole that reads as zeros. */
export interface Run {
  vcn: number;
  lcn?: number;
  clusters: number;
}

export interface NtfsRecord {
  number: number;
  /** Without the update sequence: as the content is. */
  bytes: Buffer;
}

/**
 * Puts back the last two bytes of each stride, which the update sequence array holds.
 *
 * @returns false when it does not fit: a torn write, or no record at all.
 */
export function undoFixups(bytes: Buffer, magic: 'FILE' | 'INDX' | 'RSTR'): boolean {
  if (bytes.length < STRIDE_BYTES || bytes.toString('latin1', 0, 4) !== magic) return false;
  const arrayAt = bytes.readUInt16LE(4);
  const count = bytes.readUInt16LE(6);
  if (count !== bytes.length / STRIDE_BYTES + 1 || arrayAt < 8) return false;
  if (arrayAt + count * 2 > STRIDE_BYTES - 2) return false;
  const sequence = bytes.readUInt16LE(arrayAt);
  for (let i = 1; i < count; i += 1) {
    if (bytes.readUInt16LE(i * STRIDE_BYTES - 2) !== sequence) return false;
  }
  for (let i = 1; i < count; i += 1) {
    bytes.writeUInt16LE(bytes.readUInt16LE(arrayAt + i * 2), i * STRIDE_BYTES - 2);
  }
  return true;
}

/** The bytes to store for what {@link undoFixups} gave, under the next update sequence number. */
export function withFixups(content: Buffer): Buffer {
  const bytes = Buffer.from(content);
  const arrayAt = bytes.readUInt16LE(4);
  const count = bytes.readUInt16LE(6);
  const next = (bytes.readUInt16LE(arrayAt) + 1) & 0xffff;
  const sequence = next === 0 || next === 0xffff ? 1 : next;
  bytes.writeUInt16LE(sequence, arrayAt);
  for (let i = 1; i < count; i += 1) {
    const end = i * STRIDE_BYTES - 2;
    bytes.writeUInt16LE(bytes.readUInt16LE(end), arrayAt + i * 2);
    bytes.writeUInt16LE(sequence, end);
  }
  return bytes;
}

/** @returns undefined for a record that is not in use or is none. */
export function decodeRecord(stored: Buffer, number: number): NtfsRecord | undefined {
  const bytes = Buffer.from(stored);
  if (!undoFixups(bytes, 'FILE') || (bytes.readUInt16LE(0x16) & RECORD_IN_USE) === 0) return undefined;
  return { number, bytes };
}

/**
 * The attributes of one file record that are of the wanted types, in order.
 *
 * @throws TdError `invalid` for lengths that make no sense.
 * @see https://flatcap.github.io/linux-ntfs/ntfs/concepts/attribute_header.html
 */
export function attributesOf(record: NtfsRecord, types: readonly number[]): NtfsAttribute[] {
  const what = `NTFS file record ${record.number}`;
  const attributes: NtfsAttribute[] = [];
  const { bytes } = record;
  let at = bytes.readUInt16LE(0x14);
  for (;;) {
    const head = new ByteReader(bytes.subarray(Math.min(at, bytes.length)), what);
    const type = head.u32le();
    if (type === ATTRIBUTE_END) return attributes;
    const lengthBytes = head.u32le();
    if (lengthBytes < 24 || lengthBytes % 8 !== 0) {
      throw new TdError('invalid', `Cannot read ${what}: an attribute has ${lengthBytes} bytes`);
    }
    if (types.includes(type)) {
      attributes.push(decodeAttribute(record, bytes.subarray(at, at + lengthBytes), what));
    }
    at += lengthBytes;
  }
}

function decodeAttribute(record: NtfsRecord, bytes: Buffer, what: string): NtfsAttribute {
  const head = new ByteReader(bytes, what);
  const type = head.u32le();
  head.skip(4);
  const inClusters = head.u8() !== 0;
  const nameChars = head.u8();
  const nameAt = head.u16le();
  const flags = head.u16le();
  head.skip(2);
  const name = slice(bytes, { at: nameAt, length: nameChars * 2, what }).toString('utf16le');
  if (!inClusters) {
    const length = head.u32le();
    return { type, name, record, value: slice(bytes, { at: head.u16le(), length, what }) };
  }
  const firstVcn = head.size64le();
  const lastVcn = head.u64le();
  const runsAt = head.u16le();
  if ((flags & COMPRESSED_OR_ENCRYPTED) !== 0) {
    throw new TdError('refused', `Cannot read ${what}: an attribute is compressed or encrypted`);
  }
  head.skip(6 + 8);
  const sizes =
    firstVcn === 0
      ? { dataBytes: head.size64le(), initialisedBytes: head.size64le() }
      : { dataBytes: 0, initialisedBytes: 0 };
  const runs = decodeRuns(bytes.subarray(Math.min(runsAt, bytes.length)), { firstVcn, what });
  const end = runs.at(-1);
  const clusters = end === undefined ? 0n : BigInt(end.vcn + end.clusters - firstVcn);
  if (BigInt.asUintN(64, lastVcn + 1n) !== BigInt(firstVcn) + clusters) {
    throw new TdError('invalid', `Cannot read ${what}: its cluster runs end elsewhere than it says`);
  }
  return { type, name, record, clusters: { firstVcn, runs, ...sizes } };
}

function slice(bytes: Buffer, part: { at: number; length: number; what: string }): Buffer {
  const reader = new ByteReader(bytes, part.what);
  reader.skip(part.at);
  return reader.bytes(part.length);
}

/** Decodes mapping pairs: a byte with two lengths, then a count of clusters and a signed step of the place. */
export function decodeRuns(bytes: Buffer, options: { firstVcn: number; what: string }): Run[] {
  const reader = new ByteReader(bytes, options.what);
  const runs: Run[] = [];
  let vcn = options.firstVcn;
  let lcn = 0;
  for (;;) {
    const head = reader.u8();
    if (head === 0) return runs;
    const countBytes = head & 0x0f;
    const stepBytes = head >> 4;
    if (countBytes < 1 || countBytes > RUN_NUMBER_BYTES_MAX || stepBytes > RUN_NUMBER_BYTES_MAX) {
      throw new TdError('invalid', `Cannot read ${options.what}: a cluster run has the head ${head}`);
    }
    const clusters = reader.bytes(countBytes).readUIntLE(0, countBytes);
    const run: Run = { vcn, clusters };
    if (stepBytes > 0) {
      lcn += reader.bytes(stepBytes).readIntLE(0, stepBytes);
      run.lcn = lcn;
    }
    vcn += clusters;
    if (clusters === 0 || lcn < 0 || !Number.isSafeInteger(vcn) || !Number.isSafeInteger(lcn)) {
      throw new TdError('invalid', `Cannot read ${options.what}: a cluster run leads out of the volume`);
    }
    runs.push(run);
  }
}
