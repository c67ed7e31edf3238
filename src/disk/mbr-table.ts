import { ByteReader } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';

const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const BOOT_SECTOR_BYTES = 512;
const TYPE_GPT_PROTECTIVE = 0xee;
const EXTENDED_TYPES: readonly number[] = [0x05, 0x0f, 0x85];
/** Logical partitions are numbered from 5, and an image can name 256. */
const LOGICAL_MAX = 252;

export interface MbrEntry {
  /** 0x80 when active, else 0. */
  status: number;
  type: number;
  firstSector: number;
  sectorCount: number;
}

export interface MbrTable {
  /** Eight lower-case hexadecimal digits. */
  signature: string;
  /** Always four; type 0 is unused. */
  entries: readonly MbrEntry[];
}

/**
 * Decodes a master or extended boot record.
 *
 * @param sector its first 512 bytes at least.
 * @returns undefined when it is none: no 55AA at its end, or text and code where the entries would be, as in
 *   the boot sector of a filesystem.
 */
export function decodeMbr(sector: Buffer): MbrTable | undefined {
  if (sector.length < BOOT_SECTOR_BYTES || sector.readUInt16LE(510) !== 0xaa55) return undefined;
  const reader = new ByteReader(sector.subarray(0, BOOT_SECTOR_BYTES), 'boot record');
  reader.skip(440);
  const signature = reader.u32le().toString(16).padStart(8, '0');
  reader.skip(ENTRIES_AT - 444);
  const entries: MbrEntry[] = [];
  for (let i = 0; i < 4; i += 1) {
    const status = reader.u8();
    reader.skip(3);
    const type = reader.u8();
    reader.skip(3);
    entries.push({ status, type, firstSector: reader.u32le(), sectorCount: reader.u32le() });
  }
  if (entries.some((entry) => entry.status !== 0 && entry.status !== 0x80)) return undefined;
  return { signature, entries };
}

export function isUsed(entry: MbrEntry): boolean {
  return entry.type !== 0 && entry.sectorCount > 0;
}

export function isExtended(entry: MbrEntry): boolean {
  return isUsed(entry) && EXTENDED_TYPES.includes(entry.type);
}

/** Whether a GPT is announced, as the kernel and the firmware look for it; hybrid tables count. */
export function isGptProtective(table: MbrTable): boolean {
  return table.entries.some((entry) => entry.type === TYPE_GPT_PROTECTIVE && entry.firstSector === 1);
}

/** Sets the protective entry to a disk's size; leaves hybrid tables and the "whatever size" value as they are. */
export function resizeProtectiveMbr(sector: Buffer, options: { diskSectors: number }): Buffer {
  const resized = Buffer.from(sector);
  const table = decodeMbr(sector);
  const used = table?.entries.filter(isUsed) ?? [];
  const index =
    table?.entries.findIndex((entry) => entry.type === TYPE_GPT_PROTECTIVE && entry.firstSector === 1) ?? -1;
  if (table === undefined || used.length !== 1 || index < 0) return resized;
  if (table.entries[index]?.sectorCount === 0xffff_ffff) return resized;
  resized.writeUInt32LE(
    Math.min(options.diskSectors - 1, 0xffff_ffff),
    ENTRIES_AT + index * ENTRY_BYTES + 12,
  );
  return resized;
}

/** A logical partition and the extended boot record that describes it. */
export interface LogicalPartition {
  entry: MbrEntry;
  firstSector: number;
  recordSector: number;
}

/**
 * Follows the chain of extended boot records.
 *
 * @param extended the entry of the extended partition.
 * @param options `readSector` reads one sector; `what` names the disk in errors.
 * @returns the logical partitions in chain order, and the sector of every record, empty ones too.
 * @throws TdError `invalid` when the chain loops, leaves the extended partition, or is too long.
 */
export async function readExtendedChain(
  extended: MbrEntry,
  options: { readSector: (sector: number) => Promise<Buffer>; what: string },
): Promise<{ logicals: LogicalPartition[]; recordSectors: number[] }> {
  const bad = (why: string) =>
    new TdError(
      'invalid',
      `Cannot read the extended partition of "${options.what}": ${why}; repair the table first`,
    );
  const end = extended.firstSector + extended.sectorCount;
  const logicals: LogicalPartition[] = [];
  const recordSectors: number[] = [];
  const seen = new Set<number>();
  let at: number | undefined = extended.firstSector;
  while (at !== undefined) {
    if (seen.has(at)) throw bad(`its chain of boot records comes back to sector ${at}`);
    if (seen.size > LOGICAL_MAX) throw bad(`it holds more than ${LOGICAL_MAX} logical partitions`);
    seen.add(at);
    const record = decodeMbr(await options.readSector(at));
    if (record === undefined) {
      // An extended partition that was just made, without any logical one, may hold no record yet.
      if (at === extended.firstSector) break;
      throw bad(`there is no boot record at sector ${at}`);
    }
    recordSectors.push(at);
    const logical = record.entries.find((entry) => isUsed(entry) && !isExtended(entry));
    if (logical !== undefined) {
      const firstSector = at + logical.firstSector;
      if (logical.firstSector === 0 || firstSector + logical.sectorCount > end) {
        throw bad(`the logical partition described at sector ${at} reaches beyond it`);
      }
      logicals.push({ entry: logical, firstSector, recordSector: at });
    }
    const next = record.entries.find(isExtended);
    at = next === undefined ? undefined : extended.firstSector + next.firstSector;
    if (at !== undefined && at >= end) throw bad(`its chain of boot records leaves it, to sector ${at}`);
  }
  return { logicals, recordSectors };
}
