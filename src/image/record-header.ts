import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';
import { CHUNK_ZSTD, FILE_BYTES_MAX, RECORD_HEADER_BYTES } from './image-format.ts';

const MAGICS = { chunk: 'SCOC', checkpoint: 'SCOK', manifest: 'SCOM', index: 'SCOI' } as const;
const CRC_OFFSET = RECORD_HEADER_BYTES - 4;

export type RecordKind = keyof typeof MAGICS;

/** The 96 bytes before every payload (FORMAT.md, "Record header"). */
export interface RecordHeader {
  kind: RecordKind;
  epoch: number;
  /** Chunks and checkpoints count from 0, each for itself; 0 for manifest and index. */
  ordinal: number;
  /** Bit 0: the payload is one zstd frame. */
  flags: number;
  rawBytes: number;
  storedBytes: number;
  /** Chunk: where its bytes go first on the disk. Checkpoint: file offset of the one before, or 0. */
  place: number;
  /** Chunk: the disk of `place`; else 0. */
  disk: number;
  /** Of the payload as stored. */
  sha256: Buffer;
}

export function encodeRecordHeader(header: RecordHeader): Buffer {
  const bytes = new ByteWriter(RECORD_HEADER_BYTES)
    .bytes(Buffer.from(MAGICS[header.kind], 'latin1'))
    .u32le(header.epoch)
    .u32le(header.ordinal)
    .u32le(header.flags)
    .u64le(header.rawBytes)
    .u64le(header.storedBytes)
    .u64le(header.place)
    .u32le(header.disk)
    .u32le(0)
    .bytes(header.sha256)
    .padTo(CRC_OFFSET)
    .finish();
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_OFFSET)), CRC_OFFSET);
  return bytes;
}

/**
 * @param what names the place in errors, e.g. `chunk record 7 of "a.sco"`.
 * @throws TdError `damaged` when the checksum does not match, `invalid` for what no writer writes.
 */
export function decodeRecordHeader(bytes: Uint8Array, what: string): RecordHeader {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length !== RECORD_HEADER_BYTES) {
    throw new TdError(
      'damaged',
      `Cannot read ${what}: ${buffer.length} of ${RECORD_HEADER_BYTES} bytes are there`,
    );
  }
  if (crc32(buffer.subarray(0, CRC_OFFSET)) !== buffer.readUInt32LE(CRC_OFFSET)) {
    throw new TdError('damaged', `Cannot read ${what}: the header's checksum does not match`);
  }
  const reader = new ByteReader(buffer, what);
  const magic = reader.bytes(4).toString('latin1');
  const kind = (Object.keys(MAGICS) as RecordKind[]).find((name) => MAGICS[name] === magic);
  if (kind === undefined) throw new TdError('invalid', `Cannot read ${what}: it is no known kind of record`);
  const numbers = {
    epoch: reader.u32le(),
    ordinal: reader.u32le(),
    flags: reader.u32le(),
    rawBytes: reader.size64le(),
    storedBytes: reader.size64le(),
    place: reader.size64le(),
    disk: reader.u32le(),
  };
  reader.skip(4);
  const header: RecordHeader = { kind, ...numbers, sha256: Buffer.from(reader.bytes(32)) };
  if ((header.flags & ~CHUNK_ZSTD) !== 0) {
    throw new TdError('invalid', `Cannot read ${what}: its flags ${header.flags} are unknown`);
  }
  if (Math.max(header.rawBytes, header.storedBytes, header.place) > FILE_BYTES_MAX) {
    throw new TdError('invalid', `Cannot read ${what}: a length is beyond 2^52`);
  }
  return header;
}
