import { TdError } from '../src/lib/errors.ts';

/** A part of a WIM file as its header lists it. */
export interface WimPart {
  offset: number;
  sizeBytes: number;
}

export interface WimHeader {
  blobTable: WimPart;
  xml: WimPart;
  integrity: WimPart;
}

export const WIM_HEADER_BYTES = 208;
const MAGIC = 'MSWIM\0\0\0';
const BLOB_TABLE_OFFSET = 48;
const XML_OFFSET = 72;
const INTEGRITY_OFFSET = 124;
const BLOB_ENTRY_BYTES = 50;
const BLOB_COMPRESSED = 0x04;
/** Windows counts from 1601, in steps of 100 ns. */
const FILETIME_EPOCH_SECONDS = 11_644_473_600;

/**
 * Reads the header of a WIM file (Microsoft, "Windows Imaging File Format (WIM)"; wimlib's header.h).
 *
 * @throws TdError `invalid`.
 */
export function decodeWimHeader(bytes: Uint8Array, what: string): WimHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < WIM_HEADER_BYTES || buffer.toString('latin1', 0, 8) !== MAGIC) {
    throw new TdError('invalid', `Cannot read ${what}: it does not begin like a WIM file`);
  }
  const part = (at: number) => decodePart(buffer, at, what);
  return { blobTable: part(BLOB_TABLE_OFFSET), xml: part(XML_OFFSET), integrity: part(INTEGRITY_OFFSET) };
}

/** Puts one time in place of all times in a WIM's XML, without changing its length. */
export function withFixedTimes(xml: string, timeSeconds: number): string {
  const time = (BigInt(timeSeconds) + BigInt(FILETIME_EPOCH_SECONDS)) * 10_000_000n;
  const hex = (value: bigint) => `0x${value.toString(16).toUpperCase().padStart(8, '0')}`;
  return xml
    .replaceAll(/(<HIGHPART>)0x[0-9A-F]{8}(?=<)/g, `$1${hex(time >> 32n)}`)
    .replaceAll(/(<LOWPART>)0x[0-9A-F]{8}(?=<)/g, `$1${hex(time & 0xffff_ffffn)}`);
}

/** One entry of the blob table: stored bytes somewhere in the file, named by their SHA-1. */
export interface WimBlob extends WimPart {
  /** An ordinary blob that stands for itself: no metadata of an image, no part of a solid block. */
  isMovable: boolean;
  sha1: string;
  /** The entry as it stands in the table. */
  entry: Buffer;
}

/**
 * Reads the blob table ("lookup table") of a WIM file.
 *
 * @throws TdError `invalid` when it is no whole number of entries.
 */
export function decodeBlobTable(bytes: Uint8Array, what: string): WimBlob[] {
  if (bytes.length % BLOB_ENTRY_BYTES !== 0) {
    throw new TdError('invalid', `Cannot read ${what}: its blob table has ${bytes.length} bytes`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: buffer.length / BLOB_ENTRY_BYTES }, (_, index) => {
    const entry = buffer.subarray(index * BLOB_ENTRY_BYTES, (index + 1) * BLOB_ENTRY_BYTES);
    const part = decodePart(entry, 0, what);
    return {
      ...part,
      isMovable: (entry[7]! & ~BLOB_COMPRESSED) === 0,
      sha1: entry.toString('hex', 30, 50),
      entry,
    };
  });
}

/** The same table entry for a blob at another place. */
export function encodeBlobAt(blob: WimBlob, offset: number): Buffer {
  const entry = Buffer.from(blob.entry);
  entry.writeBigUInt64LE(BigInt(offset), 8);
  return entry;
}

function decodePart(buffer: Buffer, at: number, what: string): WimPart {
  const offset = buffer.readBigUInt64LE(at + 8);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new TdError('invalid', `Cannot read ${what}: a part of it lies at offset ${offset}`);
  }
  // Seven bytes of size; the eighth holds flags.
  return { sizeBytes: buffer.readUIntLE(at, 6) + buffer[at + 6]! * 2 ** 48, offset: Number(offset) };
}
