import { copyFile, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Hive } from '../../customise/registry-hive/hive.ts';
import type { HiveKey, HiveValue } from '../../customise/registry-hive/hive-key.ts';
import { HIVE_BYTES_MAX } from '../../customise/registry-hive/hive-limits.ts';
import {
  binary,
  dword,
  numberOf,
  text,
  textOf,
  texts,
  textsOf,
  VALUE_TYPE,
  type ValueContent,
  valueTypeName,
} from '../../customise/registry-hive/value-data.ts';
import { errnoOf, errorLine, TdError } from '../../lib/errors.ts';
import type { HiveType } from './hive-types.ts';
import { printable } from './image-info.ts';
import { plural } from './text-table.ts';

const LOG_SUFFIXES = ['.LOG1', '.LOG2', '.LOG'];
const BYTES_SHOWN_MAX = 32;
const { REG_SZ, REG_EXPAND_SZ, REG_LINK, REG_MULTI_SZ, REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_QWORD } =
  VALUE_TYPE;

interface HiveOutput {
  json: boolean;
  /** Results, to standard output. */
  out(text: string): void;
}

/** Prints the subkeys and values of one key. @throws TdError `not-found`, `invalid` */
export async function runHiveShow(path: string, options: HiveOutput & { key: string }): Promise<void> {
  const { hive } = await openHive(path);
  const key = foundKey(hive, path, options.key);
  if (options.json) {
    const facts = {
      path: key.path,
      className: key.className ?? '',
      lastWritten: key.lastWritten.toISOString(),
      subkeys: key.subkeys().map((subkey) => subkey.name),
      values: key.values().map(valueFacts),
    };
    options.out(json(facts));
    return;
  }
  const lines = [
    `[${key.path === '' ? key.name : key.path}]  ${key.lastWritten.toISOString()}`,
    ...key.values().map((value) => `  ${valueLine(value)}`),
    ...key.subkeys().map((subkey) => `  ${subkey.name}\\`),
  ];
  options.out(`${lines.map(printable).join('\n')}\n`);
}

/** Prints one value. @throws TdError `not-found`, `invalid` */
export async function runHiveGet(
  path: string,
  options: HiveOutput & { key: string; value: string },
): Promise<void> {
  const { hive } = await openHive(path);
  const value = foundKey(hive, path, options.key).value(options.value);
  if (value === undefined) {
    throw new TdError(
      'not-found',
      `Cannot get "${options.value}" of "${options.key}": there is no such value`,
    );
  }
  if (options.json) options.out(json(valueFacts(value)));
  else {
    const isList = value.type === REG_MULTI_SZ;
    const lines = isList ? textsOf(value) : [shownData(value, Number.MAX_SAFE_INTEGER)];
    options.out(lines.map((line) => `${printable(line)}\n`).join(''));
  }
}

/** Sets one value and writes the hive beside the old one, which is kept as `.bak`. */
export async function runHiveSet(
  path: string,
  options: HiveOutput & { key: string; value: string; data: readonly string[]; type: HiveType },
): Promise<void> {
  const content = contentOf(options.type, options.data);
  const { hive } = await openHive(path);
  hive.root.ensure(options.key).set(options.value, content);
  const { isChanged } = hive;
  if (isChanged) await replaceHive(path, hive);
  const facts = { path, key: options.key, name: options.value, changed: isChanged };
  if (options.json) options.out(json(facts));
  else options.out(isChanged ? `"${path}" is written; the old one is "${path}.bak"\n` : 'It is so already\n');
}

/** Prints what is wrong. @throws TdError `damaged` after it was printed */
export async function runHiveCheck(path: string, options: HiveOutput): Promise<void> {
  const { hive, logs } = await openHive(path);
  const { problems, lostCells } = hive.check();
  const { wasDirty, isComplete } = hive;
  const lines = problems.map(({ text, isUnsafe }) => (isUnsafe ? `${text} (not safe to edit)` : text));
  if (!isComplete) lines.push('pending changes are missing: it was not written to its end and no log helps');
  const isGood = lines.length === 0;
  if (options.json) options.out(json({ path, ok: isGood, wasDirty, isComplete, logs, lostCells, problems }));
  else {
    if (wasDirty && isComplete) lines.push(`pending changes are in ${logs.join(', ')}`);
    if (lostCells > 0) lines.push(`${plural(lostCells, 'unused cell')} could be freed, which does no harm`);
    if (isGood) lines.push(`"${path}" is good`);
    options.out(`${lines.map(printable).join('\n')}\n`);
  }
  if (!isGood) throw new TdError('damaged', `"${path}" is damaged or incomplete, see the lines above`);
}

/** Reads a hive and the logs beside it, whatever the case of their names. */
async function openHive(path: string): Promise<{ hive: Hive; logs: string[] }> {
  try {
    const beside = await readdir(dirname(path));
    const wanted = LOG_SUFFIXES.map((suffix) => (basename(path) + suffix).toLowerCase());
    const logs = beside.filter((name) => wanted.includes(name.toLowerCase())).sort();
    const bytes = await readLimited(path);
    const logBytes = await Promise.all(logs.map((name) => readLimited(join(dirname(path), name))));
    return { hive: Hive.parse(bytes, { logs: logBytes }), logs };
  } catch (cause) {
    if (cause instanceof TdError) throw new TdError(cause.code, `"${path}": ${cause.message}`, { cause });
    const code = errnoOf(cause) === 'ENOENT' ? 'not-found' : 'io';
    throw new TdError(code, `Cannot read the registry hive "${path}": ${errorLine(cause)}`, { cause });
  }
}

async function readLimited(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > HIVE_BYTES_MAX)
    throw new TdError('invalid', `Cannot read "${path}": ${size} bytes are too many`);
  return readFile(path);
}

function foundKey(hive: Hive, path: string, keyPath: string): HiveKey {
  const key = hive.key(keyPath);
  if (key === undefined) throw new TdError('not-found', `Cannot find the key "${keyPath}" in "${path}"`);
  return key;
}

async function replaceHive(path: string, hive: Hive): Promise<void> {
  const bytes = hive.toBuffer();
  const unsafe = Hive.parse(bytes)
    .check()
    .problems.find((problem) => problem.isUnsafe);
  if (unsafe !== undefined) throw new TdError('damaged', `Cannot write "${path}": ${unsafe.text}`);
  const beside = `${path}.new`;
  const { mode, uid, gid } = await stat(path);
  try {
    await using file = await open(beside, 'wx', mode);
    await file.writeFile(bytes);
    await file.chmod(mode);
    await file.chown(uid, gid);
    await file.sync();
  } catch (cause) {
    if (errnoOf(cause) !== 'EEXIST') await rm(beside, { force: true });
    throw new TdError('io', `Cannot write "${beside}": ${errorLine(cause)}`, { cause });
  }
  if (!(await readFile(beside)).equals(bytes)) {
    await rm(beside);
    throw new TdError('io', `Cannot write "${path}": "${beside}" is not what was written to it`);
  }
  await copyFile(path, `${path}.bak`);
  await rename(beside, path);
}

function contentOf(type: HiveType, data: readonly string[]): ValueContent {
  if (type === 'multi') return texts(data);
  const [only, ...more] = data;
  if (only === undefined || more.length > 0) {
    throw new TdError(
      'usage',
      `Cannot set a value of type ${type} to ${data.length} pieces of data; quote it`,
    );
  }
  if (type === 'sz') return text(only);
  if (type === 'expand') return text(only, REG_EXPAND_SZ);
  if (type === 'dword' || type === 'qword') return numberContent(only, type);
  if (!/^(?:[0-9a-f]{2})*$/i.test(only)) {
    throw new TdError(
      'usage',
      `Cannot read ${JSON.stringify(only.slice(0, 80))} as bytes; give pairs of hex digits`,
    );
  }
  const bytes = Buffer.from(only, 'hex');
  return type === 'none' ? { type: VALUE_TYPE.REG_NONE, data: bytes } : binary(bytes);
}

function numberContent(given: string, type: 'dword' | 'qword'): ValueContent {
  const bits = type === 'dword' ? 32 : 64;
  const isNumber = /^(?:\d{1,20}|0x[0-9a-f]{1,16})$/i.test(given);
  const number = isNumber ? BigInt(given) : -1n;
  if (number < 0n || number >= 1n << BigInt(bits)) {
    throw new TdError(
      'usage',
      `Cannot read ${JSON.stringify(given.slice(0, 80))} as a number of ${bits} bits`,
    );
  }
  if (type === 'dword') return dword(Number(number));
  const data = Buffer.alloc(8);
  data.writeBigUInt64LE(number);
  return { type: REG_QWORD, data };
}

function valueLine(value: HiveValue): string {
  const name = value.name === '' ? '(default)' : value.name;
  return `${name} = ${valueTypeName(value.type)} ${shownData(value, BYTES_SHOWN_MAX)}`;
}

function shownData(value: HiveValue, bytesMax: number): string {
  const { type, data } = value;
  if (type === REG_SZ || type === REG_EXPAND_SZ || type === REG_LINK) return textOf(value);
  if (type === REG_MULTI_SZ) return textsOf(value).join(' | ');
  const isNumber = type === REG_DWORD || type === REG_DWORD_BIG_ENDIAN;
  if (isNumber && data.length === 4) return `${numberOf(value)} (0x${numberOf(value).toString(16)})`;
  if (type === REG_QWORD && data.length === 8) return `${data.readBigUInt64LE()}`;
  const hex = data.toString('hex', 0, Math.min(data.length, bytesMax));
  return data.length > bytesMax ? `${hex}… (${data.length} bytes)` : hex;
}

/** Data as it is, and as text where it is text. */
function valueFacts(value: HiveValue): Record<string, unknown> {
  const { name, type, data } = value;
  const facts = { name, type: valueTypeName(type), hex: data.toString('hex') };
  if (type === REG_MULTI_SZ) return { ...facts, texts: textsOf(value) };
  const isText = type === REG_SZ || type === REG_EXPAND_SZ || type === REG_LINK;
  return isText ? { ...facts, text: textOf(value) } : facts;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
