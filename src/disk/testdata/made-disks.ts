import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../lib/bytes.ts';
import { encodeGptHeader, entriesLength, type GptEntry, type GptHeader, guidBytes } from '../gpt-table.ts';
import { MemoryDevice } from './memory-device.ts';

/** Encodes entries into an array of the header's size. */
export function encodeGptEntries(entries: readonly GptEntry[], header: GptHeader): Buffer {
  const table = Buffer.alloc(entriesLength(header));
  for (const entry of entries) {
    const bytes = new ByteWriter(128)
      .bytes(guidBytes(entry.typeGuid))
      .bytes(guidBytes(entry.uniqueGuid))
      .u64le(entry.firstSector)
      .u64le(entry.lastSector)
      .u64le(entry.attributes)
      .bytes(Buffer.from(entry.name, 'utf16le'))
      .finish();
    bytes.copy(table, (entry.number - 1) * header.entryBytes);
  }
  return table;
}

export interface MadeMbrEntry {
  status?: number;
  type: number;
  firstSector: number;
  sectorCount: number;
}

/** A master or extended boot record. */
export function encodeMbr(entries: readonly MadeMbrEntry[], signature = 0x1234_abcd): Buffer {
  const sector = Buffer.alloc(512);
  sector.writeUInt32LE(signature, 440);
  for (const [i, entry] of entries.entries()) {
    const at = 446 + i * 16;
    sector.writeUInt8(entry.status ?? 0, at);
    sector.writeUInt8(entry.type, at + 4);
    sector.writeUInt32LE(entry.firstSector, at + 8);
    sector.writeUInt32LE(entry.sectorCount, at + 12);
  }
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

export interface MadeGpt {
  sizeBytes: number;
  sectorBytes?: 512 | 4096;
  entryCount?: number;
  entries: readonly GptEntry[];
}

/** A disk in memory with a whole GPT; for tests. */
export function makeGptDisk(made: MadeGpt): MemoryDevice {
  const sectorBytes = made.sectorBytes ?? 512;
  const disk = new MemoryDevice(Buffer.alloc(made.sizeBytes), { sectorBytes });
  const lastSector = Math.floor(made.sizeBytes / sectorBytes) - 1;
  const entryCount = made.entryCount ?? 128;
  const tableSectors = Math.ceil((entryCount * 128) / sectorBytes);
  const primary: GptHeader = {
    headerBytes: 92,
    mySector: 1,
    alternateSector: lastSector,
    firstUsableSector: 2 + tableSectors,
    lastUsableSector: lastSector - tableSectors - 1,
    diskGuid: '01234567-89AB-CDEF-0123-456789ABCDEF',
    entriesSector: 2,
    entryCount,
    entryBytes: 128,
    entriesCrc: 0,
  };
  const table = encodeGptEntries(made.entries, primary);
  primary.entriesCrc = crc32(table);
  const backup = {
    ...primary,
    mySector: lastSector,
    alternateSector: 1,
    entriesSector: lastSector - tableSectors,
  };
  encodeMbr([{ type: 0xee, firstSector: 1, sectorCount: Math.min(lastSector, 0xffff_ffff) }]).copy(
    disk.bytes,
  );
  encodeGptHeader(primary, sectorBytes).copy(disk.bytes, sectorBytes);
  table.copy(disk.bytes, 2 * sectorBytes);
  table.copy(disk.bytes, backup.entriesSector * sectorBytes);
  encodeGptHeader(backup, sectorBytes).copy(disk.bytes, lastSector * sectorBytes);
  return disk;
}
