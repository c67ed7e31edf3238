import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { TdError } from '../src/lib/errors.ts';

/** A part of a WIM file as its header lists it. */
interface WimPart {
  offset: number;
  sizeBytes: number;
}

export interface WimHeader {
  blobTable: WimPart;
  xml: WimPart;
  integrity: WimPart;
}

const HEADER_BYTES = 208;
const MAGIC = 'MSWIM\0\0\0';
const GUID_OFFSET = 24;
const GUID_BYTES = 16;
const BLOB_TABLE_OFFSET = 48;
const XML_OFFSET = 72;
const INTEGRITY_OFFSET = 124;
const XML_BYTES_MAX = 1024 * 1024;
/** Windows counts from 1601, in steps of 100 ns. */
const FILETIME_EPOCH_SECONDS = 11_644_473_600;

/**
 * Reads the header of a WIM file (Microsoft, "Windows Imaging File Format (WIM)"; wimlib's header.h).
 *
 * @throws TdError `invalid`.
 */
export function decodeWimHeader(bytes: Uint8Array, what: string): WimHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < HEADER_BYTES || buffer.toString('latin1', 0, 8) !== MAGIC) {
    throw new TdError('invalid', `Cannot read ${what}: it does not begin like a WIM file`);
  }
  const part = (at: number): WimPart => {
    const offset = buffer.readBigUInt64LE(at + 8);
    if (offset > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new TdError('invalid', `Cannot read ${what}: a part of it lies at offset ${offset}`);
    }
    // Seven bytes of size; the eighth holds flags.
    return { sizeBytes: buffer.readUIntLE(at, 6) + buffer[at + 6]! * 2 ** 48, offset: Number(offset) };
  };
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

/**
 * Takes out of a WIM file what differs from run to run though the content is the same: the random GUID, which becomes
 * one made from the integrity table and so from the content, and the times in the XML. The integrity table covers
 * neither.
 *
 * @throws TdError `invalid` when the file is no WIM or has no integrity table.
 */
export async function fixWimIdentity(path: string, timeSeconds: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const header = decodeWimHeader(await readPart(file, { offset: 0, sizeBytes: HEADER_BYTES }), `"${path}"`);
    if (header.integrity.sizeBytes === 0) {
      throw new TdError('invalid', `Cannot use "${path}": it has no integrity table`);
    }
    if (header.xml.sizeBytes > XML_BYTES_MAX) {
      throw new TdError('invalid', `Cannot use "${path}": its XML is ${header.xml.sizeBytes} bytes long`);
    }
    const guid = createHash('sha256')
      .update(await readPart(file, header.integrity))
      .digest()
      .subarray(0, GUID_BYTES);
    await file.write(guid, 0, GUID_BYTES, GUID_OFFSET);
    const before = (await readPart(file, header.xml)).toString('utf16le');
    const after = Buffer.from(withFixedTimes(before, timeSeconds), 'utf16le');
    if (after.length !== header.xml.sizeBytes) {
      throw new TdError('invalid', `Cannot use "${path}": its XML is not plain UTF-16`);
    }
    await file.write(after, 0, after.length, header.xml.offset);
  } finally {
    await file.close();
  }
}

async function readPart(file: FileHandle, part: WimPart): Promise<Buffer> {
  const bytes = Buffer.alloc(part.sizeBytes);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, part.offset);
  return bytes.subarray(0, bytesRead);
}
