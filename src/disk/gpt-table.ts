import { crc32 } from 'node:zlib';
import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';

const SIGNATURE = 'EFI PART';
const REVISION = 0x0001_0000;
const HEADER_BYTES = 92;
const ENTRY_BYTES_MIN = 128;
const TABLE_BYTES_MAX = 1024 * 1024;
const ENTRIES_MAX = 4096;
/** Partition numbers an image can name. */
const NUMBER_MAX = 256;

/** A GPT header (UEFI 2.10, 5.3.2). Sectors are counted in the disk's logical sector size. */
export interface GptHeader {
  headerBytes: number;
  mySector: number;
  alternateSector: number;
  firstUsableSector: number;
  lastUsableSector: number;
  diskGuid: string;
  entriesSector: number;
  entryCount: number;
  entryBytes: number;
  entriesCrc: number;
}

/** One used entry (UEFI 2.10, 5.3.3). */
export interface GptEntry {
  number: number;
  typeGuid: string;
  uniqueGuid: string;
  firstSector: number;
  /** Inclusive. */
  lastSector: number;
  attributes: bigint;
  name: string;
}

/** Bytes the entry array takes. */
export function entriesLength(header: GptHeader): number {
  return header.entryCount * header.entryBytes;
}

/**
 * Decodes and checks the header in one sector.
 *
 * @param sector the whole logical sector.
 * @param options `atSector`: where it was read; `what` names it in errors.
 * @throws TdError `invalid` when it is no header, its checksum is wrong, or its numbers make no sense.
 */
export function decodeGptHeader(sector: Buffer, options: { atSector: number; what: string }): GptHeader {
  const { what } = options;
  const bad = (why: string) => new TdError('invalid', `Cannot use ${what}: ${why}`);
  const reader = new ByteReader(sector, what);
  if (reader.bytes(8).toString('latin1') !== SIGNATURE) throw bad('its signature is missing');
  const revision = reader.u32le();
  if (revision >>> 16 !== 1) throw bad(`its revision ${revision.toString(16)} is unknown`);
  const headerBytes = reader.u32le();
  if (headerBytes < HEADER_BYTES || headerBytes > sector.length)
    throw bad(`its length of ${headerBytes} is impossible`);
  const crc = reader.u32le();
  const covered = Buffer.from(sector.subarray(0, headerBytes));
  covered.writeUInt32LE(0, 16);
  if (crc32(covered) !== crc) throw bad('its checksum is wrong');
  reader.skip(4);
  const header: GptHeader = {
    headerBytes,
    mySector: reader.size64le(),
    alternateSector: reader.size64le(),
    firstUsableSector: reader.size64le(),
    lastUsableSector: reader.size64le(),
    diskGuid: guidText(reader.bytes(16)),
    entriesSector: reader.size64le(),
    entryCount: reader.u32le(),
    entryBytes: reader.u32le(),
    entriesCrc: reader.u32le(),
  };
  if (header.mySector !== options.atSector) throw bad(`it says it is at sector ${header.mySector}`);
  const { entryBytes, entryCount } = header;
  if (entryBytes < ENTRY_BYTES_MIN || entryBytes % 8 !== 0 || entryBytes > 4096) {
    throw bad(`its entries of ${entryBytes} bytes are impossible`);
  }
  if (entryCount < 1 || entryCount > ENTRIES_MAX || entriesLength(header) > TABLE_BYTES_MAX) {
    throw bad(`its ${entryCount} entries are more than the ${ENTRIES_MAX} that are supported`);
  }
  if (header.firstUsableSector > header.lastUsableSector + 1) throw bad('it ends before it begins');
  return header;
}

/** Encodes a header with its checksum, filling one sector. */
export function encodeGptHeader(header: GptHeader, sectorBytes: number): Buffer {
  const sector = new ByteWriter(sectorBytes)
    .bytes(Buffer.from(SIGNATURE, 'latin1'))
    .u32le(REVISION)
    .u32le(header.headerBytes)
    .u32le(0)
    .u32le(0)
    .u64le(header.mySector)
    .u64le(header.alternateSector)
    .u64le(header.firstUsableSector)
    .u64le(header.lastUsableSector)
    .bytes(guidBytes(header.diskGuid))
    .u64le(header.entriesSector)
    .u32le(header.entryCount)
    .u32le(header.entryBytes)
    .u32le(header.entriesCrc)
    .finish();
  sector.writeUInt32LE(crc32(sector.subarray(0, header.headerBytes)), 16);
  return sector;
}

/**
 * Decodes the used entries, in the array's order.
 *
 * @throws TdError `invalid` when the array's checksum is wrong or an entry makes no sense.
 */
export function decodeGptEntries(bytes: Buffer, header: GptHeader, options: { what: string }): GptEntry[] {
  const { what } = options;
  const table = bytes.subarray(0, entriesLength(header));
  if (table.length < entriesLength(header))
    throw new TdError('invalid', `Cannot use ${what}: its entries are cut off`);
  if (crc32(table) !== header.entriesCrc) {
    throw new TdError('invalid', `Cannot use ${what}: the checksum of its entries is wrong`);
  }
  const entries: GptEntry[] = [];
  for (let i = 0; i < header.entryCount; i += 1) {
    const entry = decodeEntry(
      table.subarray(i * header.entryBytes, (i + 1) * header.entryBytes),
      i + 1,
      what,
    );
    if (entry === undefined) continue;
    const inside =
      entry.firstSector >= header.firstUsableSector && entry.lastSector <= header.lastUsableSector;
    if (entry.firstSector > entry.lastSector || !inside) {
      throw new TdError(
        'invalid',
        `Cannot use ${what}: partition ${entry.number} (sectors ${entry.firstSector} to ${entry.lastSector}) lies outside the usable ${header.firstUsableSector} to ${header.lastUsableSector}`,
      );
    }
    if (entry.number > NUMBER_MAX) {
      throw new TdError(
        'invalid',
        `Cannot use ${what}: partition ${entry.number} is beyond number ${NUMBER_MAX}`,
      );
    }
    entries.push(entry);
  }
  return entries;
}

function decodeEntry(bytes: Buffer, number: number, what: string): GptEntry | undefined {
  const reader = new ByteReader(bytes, `entry ${number} of ${what}`);
  const type = reader.bytes(16);
  if (type.every((byte) => byte === 0)) return undefined;
  return {
    number,
    typeGuid: guidText(type),
    uniqueGuid: guidText(reader.bytes(16)),
    firstSector: reader.size64le(),
    lastSector: reader.size64le(),
    attributes: reader.u64le(),
    name: reader.bytes(72).toString('utf16le').split('\0', 1)[0]!,
  };
}

/** `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`: the first three fields are little-endian on disk. */
export function guidText(bytes: Uint8Array): string {
  const hex = Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((at) => bytes[at] ?? 0))
    .toString('hex')
    .toUpperCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function guidBytes(text: string): Buffer {
  const plain = Buffer.from(text.replaceAll('-', ''), 'hex');
  return Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((at) => plain[at] ?? 0));
}
