import { isDeepStrictEqual } from 'node:util';
import { TdError } from '../lib/errors.ts';
import type { BootArea, DiskLayout, Partition } from '../schema/disk-layout.ts';
import type { BlockDevice } from './block-device.ts';
import { readDiskIdentity } from './disk-identity.ts';
import { detectFilesystem, UNKNOWN_FILESYSTEM } from './filesystems.ts';
import {
  decodeGptEntries,
  decodeGptHeader,
  encodeGptHeader,
  entriesLength,
  type GptEntry,
  type GptHeader,
} from './gpt-table.ts';
import {
  decodeMbr,
  isExtended,
  isGptProtective,
  isUsed,
  type MbrEntry,
  type MbrTable,
  readExtendedChain,
  resizeProtectiveMbr,
} from './mbr-table.ts';

/** The most that is kept of the gap before the first partition, where boot loaders live. */
const HEAD_BYTES_MAX = 64 * 1024 * 1024;
/** Kept of a disk that has a table but no partitions. */
const EMPTY_HEAD_BYTES = 1024 * 1024;
/** Disk partitions under the Logical Disk Manager: MBR type, GPT metadata and data types. */
const LDM_TYPES: readonly string[] = [
  '42',
  '5808C8AA-7E8F-42E0-85D2-E1E90434CFB3',
  'AF9B60A0-1431-4F62-BC68-3311714A69AD',
];

export interface LayoutOptions {
  /** One line each: what was odd and what was done about it. */
  onWarning?: (line: string) => void;
}

type Table = Pick<DiskLayout, 'table' | 'diskId' | 'bootAreas' | 'partitions'>;

/**
 * Reads a disk's partition table and what is on its partitions.
 *
 * @throws TdError `invalid` when the table is damaged beyond its backup, loops, overlaps or leaves the disk; `io`.
 */
export async function readDiskLayout(device: BlockDevice, options: LayoutOptions = {}): Promise<DiskLayout> {
  const warn = options.onWarning ?? (() => {});
  const logicalSectorBytes = device.logicalSectorBytes;
  if (logicalSectorBytes !== 512 && logicalSectorBytes !== 4096) {
    throw new TdError(
      'invalid',
      `Cannot use "${device.path}": sectors of ${logicalSectorBytes} bytes are not supported, only 512 and 4096`,
    );
  }
  if (device.sizeBytes < 2 * logicalSectorBytes) {
    throw new TdError('invalid', `Cannot use "${device.path}": it has only ${device.sizeBytes} bytes`);
  }
  const table = await readTable(device, warn);
  checkPartitions(table, device);
  for (const partition of table.partitions) {
    partition.filesystem = await filesystemOf(device, partition);
  }
  const identity = await readDiskIdentity(device.kernelName);
  return {
    sizeBytes: device.sizeBytes,
    logicalSectorBytes,
    physicalSectorBytes: Math.min(Math.max(device.physicalSectorBytes, 512), 65_536),
    model: identity.model,
    serial: identity.serial,
    ...table,
  };
}

async function filesystemOf(device: BlockDevice, partition: Partition): Promise<Partition['filesystem']> {
  const read = (offsetBytes: number, lengthBytes: number) =>
    device.read(partition.startBytes + offsetBytes, lengthBytes);
  const found = await detectFilesystem(read, partition.sizeBytes);
  const dynamic = LDM_TYPES.includes(partition.typeId);
  return dynamic ? { ...UNKNOWN_FILESYSTEM, kind: 'ldm' } : found;
}

async function readTable(device: BlockDevice, warn: (line: string) => void): Promise<Table> {
  const mbr = decodeMbr(await device.read(0, 512));
  if (mbr !== undefined && isGptProtective(mbr)) return await readGptTable(device, warn);
  if (mbr?.entries.some(isUsed)) return await readMbrTable(device, mbr);
  const whole = await detectFilesystem((offset, length) => device.read(offset, length), device.sizeBytes);
  if (mbr !== undefined && whole.kind === 'unknown') {
    return { table: 'mbr', diskId: mbr.signature, partitions: [], bootAreas: [head(emptyHead(device))] };
  }
  // No table: the whole disk is one filesystem, or something raw is the only safe thing to call it.
  const partition: Partition = {
    number: 1,
    startBytes: 0,
    sizeBytes: device.sizeBytes,
    typeId: '',
    id: '',
    name: '',
    attributes: '',
    filesystem: whole,
  };
  return { table: 'none', diskId: '', partitions: [partition], bootAreas: [] };
}

function head(sizeBytes: number): BootArea {
  return { kind: 'head', startBytes: 0, sizeBytes };
}

function emptyHead(device: BlockDevice): number {
  return Math.min(EMPTY_HEAD_BYTES, device.sizeBytes);
}

/** From the disk's start to the first partition, and never less than the table itself. */
function headSize(firstUsedBytes: number, tableEndBytes: number): number {
  return Math.max(tableEndBytes, Math.min(firstUsedBytes, HEAD_BYTES_MAX));
}

// ---- GPT

/** A header with the entries it stands for, and where both lie. */
interface GptCopy {
  header: GptHeader;
  entries: GptEntry[];
  /** The entry array as it is stored: rewritten as it was, whatever it holds beyond what is decoded. */
  table: Buffer;
  headerSector: number;
}

async function readGptCopy(device: BlockDevice, atSector: number, name: string): Promise<GptCopy> {
  const sectorBytes = device.logicalSectorBytes;
  const what = `the ${name} GPT of "${device.path}"`;
  const diskSectors = Math.floor(device.sizeBytes / sectorBytes);
  if (atSector < 1 || atSector >= diskSectors) {
    throw new TdError('invalid', `Cannot use ${what}: its place at sector ${atSector} is beyond the disk`);
  }
  const header = decodeGptHeader(await device.read(atSector * sectorBytes, sectorBytes), { atSector, what });
  const entriesEnd = header.entriesSector * sectorBytes + entriesLength(header);
  if (header.entriesSector < 1 || entriesEnd > device.sizeBytes) {
    throw new TdError(
      'invalid',
      `Cannot use ${what}: its entries at sector ${header.entriesSector} are beyond the disk`,
    );
  }
  const table = await device.read(header.entriesSector * sectorBytes, entriesLength(header));
  return { header, entries: decodeGptEntries(table, header, { what }), table, headerSector: atSector };
}

/** The primary, or else the backup at the disk's end; the other copy may be undefined. */
async function readGptCopies(
  device: BlockDevice,
  options: { backupAt?: number; warn: (line: string) => void },
): Promise<{ used: GptCopy; backup: GptCopy | undefined }> {
  const lastSector = Math.floor(device.sizeBytes / device.logicalSectorBytes) - 1;
  const attempt = async (atSector: number, name: string): Promise<GptCopy | TdError> => {
    try {
      return await readGptCopy(device, atSector, name);
    } catch (error) {
      if (error instanceof TdError && error.code === 'invalid') return error;
      throw error;
    }
  };
  const primary = await attempt(1, 'primary');
  const told = primary instanceof TdError ? options.backupAt : primary.header.alternateSector;
  const places = new Set([told ?? lastSector, lastSector]);
  let backup: GptCopy | undefined;
  for (const place of places) {
    const copy = await attempt(place, 'backup');
    if (copy instanceof TdError) continue;
    backup = copy;
    break;
  }
  if (primary instanceof TdError) {
    if (backup === undefined) {
      throw new TdError('invalid', `${primary.message}, and its backup is no better; repair the table first`);
    }
    options.warn(`${primary.message}; its backup copy was used`);
    return { used: backup, backup };
  }
  if (backup === undefined)
    options.warn(`The backup GPT of "${device.path}" is missing or damaged; the primary was used`);
  return { used: primary, backup };
}

async function readGptTable(device: BlockDevice, warn: (line: string) => void): Promise<Table> {
  const sectorBytes = device.logicalSectorBytes;
  const { used, backup } = await readGptCopies(device, { warn });
  const partitions = used.entries.map(
    (entry): Partition => ({
      number: entry.number,
      startBytes: entry.firstSector * sectorBytes,
      sizeBytes: (entry.lastSector - entry.firstSector + 1) * sectorBytes,
      typeId: entry.typeGuid,
      id: entry.uniqueGuid,
      name: entry.name,
      attributes: entry.attributes.toString(16).padStart(16, '0'),
      filesystem: UNKNOWN_FILESYSTEM,
    }),
  );
  const isBackup = used === backup;
  const tableEnd = isBackup
    ? 2 * sectorBytes + entriesLength(used.header)
    : used.header.entriesSector * sectorBytes + entriesLength(used.header);
  if (tableEnd > HEAD_BYTES_MAX) {
    throw new TdError(
      'invalid',
      `Cannot use the GPT of "${device.path}": its entries end at ${tableEnd}, too far in`,
    );
  }
  const first = Math.min(...partitions.map((partition) => partition.startBytes));
  const headEnd = Number.isFinite(first) ? first : Math.max(tableEnd, emptyHead(device));
  const bootAreas = [head(headSize(headEnd, tableEnd))];
  if (backup !== undefined) {
    const startBytes = Math.min(backup.header.entriesSector, backup.headerSector) * sectorBytes;
    const endBytes = Math.max(
      backup.header.entriesSector * sectorBytes + entriesLength(backup.header),
      (backup.headerSector + 1) * sectorBytes,
    );
    bootAreas.push({ kind: 'gpt-backup', startBytes, sizeBytes: endBytes - startBytes });
  }
  return { table: 'gpt', diskId: used.header.diskGuid, partitions, bootAreas };
}

// ---- MBR

async function readMbrTable(device: BlockDevice, mbr: MbrTable): Promise<Table> {
  const sectorBytes = device.logicalSectorBytes;
  const partitions: Partition[] = [];
  const add = (number: number, entry: MbrEntry, firstSector: number) => {
    partitions.push({
      number,
      startBytes: firstSector * sectorBytes,
      sizeBytes: entry.sectorCount * sectorBytes,
      typeId: entry.type.toString(16).padStart(2, '0'),
      id: `${mbr.signature}-${number.toString(16).padStart(2, '0')}`,
      name: '',
      attributes: entry.status === 0x80 ? '80' : '00',
      filesystem: UNKNOWN_FILESYSTEM,
    });
  };
  const records: number[] = [];
  for (const [i, entry] of mbr.entries.entries()) {
    if (!isUsed(entry)) continue;
    if (!isExtended(entry)) {
      add(i + 1, entry, entry.firstSector);
      continue;
    }
    if ((entry.firstSector + entry.sectorCount) * sectorBytes > device.sizeBytes || entry.firstSector === 0) {
      throw new TdError(
        'invalid',
        `Cannot use "${device.path}": its extended partition reaches beyond the disk`,
      );
    }
    if (records.length > 0) {
      throw new TdError('invalid', `Cannot use "${device.path}": it has more than one extended partition`);
    }
    const chain = await readExtendedChain(entry, {
      readSector: (sector) => device.read(sector * sectorBytes, sectorBytes),
      what: device.path,
    });
    for (const [n, logical] of chain.logicals.entries()) add(5 + n, logical.entry, logical.firstSector);
    // The first record's place is kept even before there is a record.
    records.push(...(chain.recordSectors.length > 0 ? chain.recordSectors : [entry.firstSector]));
  }
  const starts = [
    ...partitions.map((partition) => partition.startBytes),
    ...records.map((at) => at * sectorBytes),
  ];
  const bootAreas = [head(headSize(Math.min(...starts), sectorBytes))];
  for (const at of records)
    bootAreas.push({ kind: 'ebr', startBytes: at * sectorBytes, sizeBytes: sectorBytes });
  partitions.sort((a, b) => a.number - b.number);
  return { table: 'mbr', diskId: mbr.signature, partitions, bootAreas };
}

/** Nothing may overlap or leave the disk: a restore would write one partition's data into another. */
function checkPartitions(table: Table, device: BlockDevice): void {
  const pieces = [
    ...table.partitions.map((p) => ({ ...p, name: `partition ${p.number}` })),
    ...table.bootAreas.map((area) => ({
      ...area,
      name: area.kind === 'ebr' ? 'a boot record' : 'the table itself',
    })),
  ].sort((a, b) => a.startBytes - b.startBytes);
  let last: { name: string; end: number } | undefined;
  for (const { name, startBytes, sizeBytes } of pieces) {
    const end = startBytes + sizeBytes;
    if (end > device.sizeBytes) {
      throw new TdError(
        'invalid',
        `Cannot use "${device.path}": ${name} ends at ${end}, the disk at ${device.sizeBytes}; repair the table first`,
      );
    }
    if (last !== undefined && startBytes < last.end) {
      throw new TdError(
        'invalid',
        `Cannot use "${device.path}": ${name} at ${startBytes} overlaps ${last.name}, which ends at ${last.end}; repair the table first`,
      );
    }
    last = { name, end };
  }
}

// ---- after a restore

/**
 * Moves the backup GPT to the true end of a disk that the source's tables were written to, and fits both
 * headers and the protective MBR to its size; mends a damaged primary from the backup. MBR disks are left alone.
 *
 * @param sourceLayout the image's layout: tells where the source had its backup.
 * @returns whether anything was written.
 * @throws TdError `refused` when the last partition does not fit; `invalid` when both copies are damaged; `io`.
 */
export async function relocateGptBackup(device: BlockDevice, sourceLayout: DiskLayout): Promise<boolean> {
  if (sourceLayout.table !== 'gpt') return false;
  const sectorBytes = device.logicalSectorBytes;
  if (sectorBytes !== sourceLayout.logicalSectorBytes) {
    throw new TdError(
      'refused',
      `Cannot finish the GPT of "${device.path}": it has sectors of ${sectorBytes} bytes, the image ${sourceLayout.logicalSectorBytes}`,
    );
  }
  const oldArea = sourceLayout.bootAreas.find((area) => area.kind === 'gpt-backup');
  const oldSector =
    oldArea === undefined ? undefined : (oldArea.startBytes + oldArea.sizeBytes) / sectorBytes - 1;
  const { used } = await readGptCopies(device, {
    warn: () => {},
    ...(oldSector === undefined ? {} : { backupAt: oldSector }),
  });
  const { primary, backup } = fitGpt(used, device);
  const { table } = used;
  const mbr = await device.read(0, sectorBytes);
  const diskSectors = Math.floor(device.sizeBytes / sectorBytes);
  await wipeOldBackup(device, oldArea, backup);
  // The order of the UEFI specification (5.3.2): the backup first, so that one good copy is always there.
  await device.write(backup.entriesSector * sectorBytes, table);
  await device.write(backup.mySector * sectorBytes, encodeGptHeader(backup, sectorBytes));
  await device.flush();
  await device.write(primary.entriesSector * sectorBytes, table);
  await device.write(primary.mySector * sectorBytes, encodeGptHeader(primary, sectorBytes));
  await device.write(0, resizeProtectiveMbr(mbr, { diskSectors }));
  await device.flush();
  return true;
}

/** Both headers and the padded entry array for the device's size, decoded again before they are handed out. */
function fitGpt(used: GptCopy, device: BlockDevice): { primary: GptHeader; backup: GptHeader } {
  const sectorBytes = device.logicalSectorBytes;
  const lastSector = Math.floor(device.sizeBytes / sectorBytes) - 1;
  const tableSectors = Math.ceil(used.table.length / sectorBytes);
  const lastUsableSector = lastSector - tableSectors - 1;
  for (const entry of used.entries) {
    if (entry.lastSector <= lastUsableSector) continue;
    throw new TdError(
      'refused',
      `Cannot finish the GPT of "${device.path}": partition ${entry.number} ends at sector ${entry.lastSector}, usable is up to ${lastUsableSector}; use a bigger disk`,
    );
  }
  const isPrimary = used.headerSector === 1;
  const primary: GptHeader = {
    ...used.header,
    mySector: 1,
    alternateSector: lastSector,
    lastUsableSector,
    entriesSector: isPrimary ? used.header.entriesSector : 2,
  };
  const backup: GptHeader = {
    ...primary,
    mySector: lastSector,
    alternateSector: 1,
    entriesSector: lastSector - tableSectors,
  };
  if (primary.entriesSector + tableSectors > primary.firstUsableSector) {
    throw new TdError(
      'invalid',
      `Cannot finish the GPT of "${device.path}": its entries reach into the usable sectors`,
    );
  }
  for (const header of [primary, backup]) {
    const what = `the new GPT of "${device.path}"`;
    const again = decodeGptHeader(encodeGptHeader(header, sectorBytes), { atSector: header.mySector, what });
    decodeGptEntries(used.table, again, { what });
    if (isDeepStrictEqual(again, header)) continue;
    throw new TdError('invalid', `Cannot finish ${what}: it does not decode to what was meant`);
  }
  return { primary, backup };
}

/** A second "EFI PART" left where the source disk ended could one day be taken for the real one. */
async function wipeOldBackup(
  device: BlockDevice,
  oldArea: BootArea | undefined,
  backup: GptHeader,
): Promise<void> {
  if (oldArea === undefined) return;
  const oldHeaderAt = oldArea.startBytes + oldArea.sizeBytes - device.logicalSectorBytes;
  const newStart = backup.entriesSector * device.logicalSectorBytes;
  if (oldHeaderAt >= newStart) return;
  await device.write(oldHeaderAt, Buffer.alloc(device.logicalSectorBytes));
}
