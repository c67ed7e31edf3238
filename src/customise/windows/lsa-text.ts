import type { ValueContent } from '../registry-hive/value-data.ts';
import { VALUE_TYPE } from '../registry-hive/value-data.ts';

const HEADER_BYTES = 8;

/** A name as the policies of SECURITY hold it: bytes, bytes with the final zero, offset 8, UTF-16. */
export function lsaText(value: string): ValueContent {
  const characters = Buffer.from(`${value}\0`, 'utf16le');
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(characters.length - 2, 0);
  header.writeUInt16LE(characters.length, 2);
  header.writeUInt32LE(HEADER_BYTES, 4);
  return { type: VALUE_TYPE.REG_NONE, data: Buffer.concat([header, characters]) };
}

/** Empty for what is no such name; a length beyond the data reads what is there. */
export function lsaTextOf(value: { readonly data: Buffer } | undefined): string {
  if (value === undefined || value.data.length < HEADER_BYTES) return '';
  const start = value.data.readUInt32LE(4);
  return value.data
    .toString('utf16le', start, start + (value.data.readUInt16LE(0) & ~1))
    .replace(/\0.*$/s, '');
}
