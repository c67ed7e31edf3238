import { BASE, baseChecksum, SECTOR_BYTES } from '../base-block.ts';
import { BASE_BLOCK_BYTES, BIN_ALIGN_BYTES } from '../cell-layout.ts';
import { Hive } from '../hive.ts';
import type { HiveKey } from '../hive-key.ts';
import { marvin32 } from '../marvin32.ts';
import { dword, text, texts, VALUE_TYPE } from '../value-data.ts';

export const EDITED_AT = new Date('2024-05-06T07:08:09.000Z');

/** An empty hive; `minor` 3 has fast leaves and no big data, as the hives of users have. */
export function emptyHive(minor: 3 | 5 = 5): Hive {
  const bytes = Hive.create({ now: () => EDITED_AT }).toBuffer();
  bytes.writeUInt32LE(minor, BASE.minor);
  bytes.writeUInt32LE(baseChecksum(bytes), BASE.checksum);
  return Hive.parse(bytes, { now: () => EDITED_AT });
}

const samples = new Map<number, Buffer>();

/** A hive with every kind of value, many subkeys, and names of all sorts. */
export function sampleHive(minor: 3 | 5 = 5): Hive {
  const bytes = samples.get(minor) ?? filledHive(minor).toBuffer();
  samples.set(minor, bytes);
  return Hive.parse(bytes, { now: () => EDITED_AT });
}

function filledHive(minor: 3 | 5): Hive {
  const hive = emptyHive(minor);
  const kinds = hive.root.ensure('Kinds');
  kinds.set('', text('default'));
  kinds.set('text', text('grün & "quoted" \\ 日本'));
  kinds.set('expand', text('%SystemRoot%\\x', VALUE_TYPE.REG_EXPAND_SZ));
  kinds.set('list', texts(['one', 'two', 'drei']));
  kinds.set('number', dword(0xfedc_ba98));
  kinds.set('nothing', { type: VALUE_TYPE.REG_NONE, data: Buffer.alloc(0) });
  kinds.set('three bytes', { type: VALUE_TYPE.REG_BINARY, data: Buffer.from('abc') });
  kinds.set('one segment', { type: VALUE_TYPE.REG_BINARY, data: Buffer.alloc(16_344, 1) });
  kinds.set('two segments', { type: VALUE_TYPE.REG_BINARY, data: Buffer.alloc(16_345, 2) });
  kinds.set('four segments', { type: VALUE_TYPE.REG_BINARY, data: Buffer.alloc(50_000, 'data') });
  kinds.set('Ωmega', text('a name beyond one byte'));
  for (const name of ['ärger', 'Ärmel', 'straße', 'Ωmega', 'a.b', 'A_B', 'x'.repeat(255)]) {
    hive.root.ensure(`Names\\${name}`);
  }
  for (let index = 0; index < 1200; index += 1) hive.root.ensure(`Many\\key ${(index * 7919) % 1200}`);
  hive.root.ensure('Deep\\1\\2\\3\\4\\5\\6\\7\\8').set('x', dword(1));
  return hive;
}

/** Everything that a person sees of a hive: paths, times left out, and values in their order. */
export function contentOf(hive: Hive): Record<string, string[]> {
  const content: Record<string, string[]> = {};
  const waiting: [path: string, key: HiveKey][] = [['', hive.root]];
  for (const [path, key] of waiting) {
    content[path] = [key.securityDescriptor.toString('latin1'), key.className ?? '', ...valuesOf(key)];
    for (const subkey of key.subkeys()) waiting.push([`${path}\\${subkey.name}`, subkey]);
  }
  return content;
}

function valuesOf(key: HiveKey): string[] {
  return key.values().map(({ name, type, data }) => `${name}=${type}:${data.toString('latin1')}`);
}

/** The first of two writes of a file: what the head says while the rest is not yet there. */
export function interrupted(before: Buffer, after: Buffer): Buffer {
  const file = Buffer.from(before);
  file.writeUInt32LE(after.readUInt32LE(BASE.primarySequence), BASE.primarySequence);
  after.copy(file, BASE.lastWritten, BASE.lastWritten, BASE.lastWritten + 8);
  file.writeUInt32LE(baseChecksum(file), BASE.checksum);
  return file;
}

function headOf(after: Buffer, fields: { fileType: number; sequence: number }): Buffer {
  const head = Buffer.from(after.subarray(0, SECTOR_BYTES));
  head.writeUInt32LE(fields.fileType, BASE.fileType);
  head.writeUInt32LE(fields.sequence, BASE.primarySequence);
  head.writeUInt32LE(fields.sequence, BASE.secondarySequence);
  head.writeUInt32LE(baseChecksum(head), BASE.checksum);
  return head;
}

/** Offsets of the pages of 4096 bytes of the bins in which two states differ. */
function changedPages(before: Buffer, after: Buffer): number[] {
  const pages: number[] = [];
  for (let at = BASE_BLOCK_BYTES; at < after.length; at += BIN_ALIGN_BYTES) {
    const end = at + BIN_ALIGN_BYTES;
    if (!after.subarray(at, end).equals(before.subarray(at, end))) pages.push(at - BASE_BLOCK_BYTES);
  }
  return pages;
}

/** A log of Windows Vista to 8 that leads from one state to another. */
export function oldLog(before: Buffer, after: Buffer): Buffer {
  const pages = changedPages(before, after);
  const bitmap = Buffer.alloc(after.readUInt32LE(BASE.binsBytes) / BIN_ALIGN_BYTES);
  for (const page of pages) bitmap[page / BIN_ALIGN_BYTES] = 0xff;
  const vector = Buffer.concat([Buffer.from('DIRT'), bitmap]);
  const padding = Buffer.alloc((SECTOR_BYTES - (vector.length % SECTOR_BYTES)) % SECTOR_BYTES);
  const head = headOf(after, { fileType: 1, sequence: after.readUInt32LE(BASE.primarySequence) });
  return Buffer.concat([head, vector, padding, ...pages.map((page) => pageOf(after, page))]);
}

function pageOf(file: Buffer, page: number): Buffer {
  return file.subarray(BASE_BLOCK_BYTES + page, BASE_BLOCK_BYTES + page + BIN_ALIGN_BYTES);
}

/** A log of Windows 8.1 and later; one entry for each step from a state to the next. */
export function newLog(states: readonly Buffer[], firstSequence: number): Buffer {
  const entries = states
    .slice(1)
    .map((after, index) => logEntry(states[index]!, after, firstSequence + index));
  return Buffer.concat([headOf(states.at(-1)!, { fileType: 6, sequence: firstSequence }), ...entries]);
}

function logEntry(before: Buffer, after: Buffer, sequence: number): Buffer {
  const pages = changedPages(before, after);
  const bytes = 40 + pages.length * (8 + BIN_ALIGN_BYTES);
  const entry = Buffer.alloc(Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES);
  entry.write('HvLE', 0, 'latin1');
  entry.writeUInt32LE(entry.length, 4);
  entry.writeUInt32LE(sequence, 12);
  entry.writeUInt32LE(after.readUInt32LE(BASE.binsBytes), 16);
  entry.writeUInt32LE(pages.length, 20);
  pages.forEach((page, index) => {
    entry.writeUInt32LE(page, 40 + index * 8);
    entry.writeUInt32LE(BIN_ALIGN_BYTES, 44 + index * 8);
    pageOf(after, page).copy(entry, 40 + pages.length * 8 + index * BIN_ALIGN_BYTES);
  });
  marvin32(entry.subarray(40)).copy(entry, 24);
  marvin32(entry.subarray(0, 32)).copy(entry, 32);
  return entry;
}
