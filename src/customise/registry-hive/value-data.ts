import { TdError } from '../../lib/errors.ts';

/** The types of values that Windows names; others are allowed. */
export const VALUE_TYPE = {
  REG_NONE: 0,
  REG_SZ: 1,
  REG_EXPAND_SZ: 2,
  REG_BINARY: 3,
  REG_DWORD: 4,
  REG_DWORD_BIG_ENDIAN: 5,
  REG_LINK: 6,
  REG_MULTI_SZ: 7,
  REG_RESOURCE_LIST: 8,
  REG_FULL_RESOURCE_DESCRIPTOR: 9,
  REG_RESOURCE_REQUIREMENTS_LIST: 10,
  REG_QWORD: 11,
} as const;

/** What a value holds: `type` is one of {@link VALUE_TYPE} or any other number of 32 bits. */
export interface ValueContent {
  readonly type: number;
  readonly data: Buffer;
}

/** The type's name (`REG_SZ`), or its number for one that has none. */
export function valueTypeName(type: number): string {
  const found = Object.entries(VALUE_TYPE).find(([, number]) => number === type);
  return found === undefined ? `0x${type.toString(16)}` : found[0];
}

/** The text up to its first zero; an odd last byte is ignored, as Windows does. */
export function textOf(value: { readonly data: Buffer }): string {
  const all = utf16(value.data);
  const end = all.indexOf('\0');
  return end < 0 ? all : all.slice(0, end);
}

/** The texts of a REG_MULTI_SZ up to its empty one. */
export function textsOf(value: { readonly data: Buffer }): string[] {
  const parts = utf16(value.data).split('\0');
  const end = parts.indexOf('');
  return end < 0 ? parts : parts.slice(0, end);
}

/** The number of a REG_DWORD (either byte order) or a REG_QWORD. @throws TdError when it is neither. */
export function numberOf(value: ValueContent): number {
  const { type, data } = value;
  if (type === VALUE_TYPE.REG_DWORD && data.length === 4) return data.readUInt32LE();
  if (type === VALUE_TYPE.REG_DWORD_BIG_ENDIAN && data.length === 4) return data.readUInt32BE();
  if (type === VALUE_TYPE.REG_QWORD && data.length === 8) {
    const number = data.readBigUInt64LE();
    if (number <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(number);
  }
  throw new TdError(
    'invalid',
    `Cannot read a registry value as a number: it is ${valueTypeName(type)} of ${data.length} bytes`,
  );
}

/** A text with the zero that ends it; REG_SZ unless told otherwise. */
export function text(value: string, type: number = VALUE_TYPE.REG_SZ): ValueContent {
  return { type, data: Buffer.from(`${value}\0`, 'utf16le') };
}

/** A REG_MULTI_SZ. @throws TdError when a text is empty, which would end the list. */
export function texts(values: readonly string[]): ValueContent {
  if (values.some((value) => value === '' || value.includes('\0'))) {
    throw new TdError('invalid', 'Cannot store a list of texts in the registry: one of them is empty');
  }
  const joined = values.map((value) => `${value}\0`).join('');
  return { type: VALUE_TYPE.REG_MULTI_SZ, data: Buffer.from(`${joined}\0`, 'utf16le') };
}

/** A REG_DWORD, 0 to 2^32 - 1. */
export function dword(value: number): ValueContent {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value);
  return { type: VALUE_TYPE.REG_DWORD, data };
}

/** A REG_BINARY. */
export function binary(data: Buffer): ValueContent {
  return { type: VALUE_TYPE.REG_BINARY, data };
}

function utf16(data: Buffer): string {
  return data.toString('utf16le', 0, data.length & ~1);
}
