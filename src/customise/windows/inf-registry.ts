import type { HiveKey } from '../registry-hive/hive-key.ts';
import { dword, text, texts, textsOf, VALUE_TYPE, type ValueContent } from '../registry-hive/value-data.ts';
import { type Inf, infNumber, infSection, infValues } from './inf-file.ts';

/** One line of an add-registry section, below a key that is chosen when it is applied. */
export interface InfRegistryLine {
  /** Path below that key; empty for the key itself. */
  subkey: string;
  name: string;
  /** Undefined: the key is made and no value set. */
  content: ValueContent | undefined;
  isAppended: boolean;
  keepsExisting: boolean;
}

/** Microsoft, "INF AddReg directive". */
const FLAG = { BINARY: 0x1, NO_CLOBBER: 0x2, DELETE: 0x4, APPEND: 0x8, KEY_ONLY: 0x10 };
const SUBKEY_CHARS_MAX = 512;
const NAME_CHARS_MAX = 255;

/**
 * What the add-registry sections that a section names write below its own key.
 *
 * @param options.machinePath path below HKEY_LOCAL_MACHINE which lines with that root may use for the same key.
 */
export function readAddReg(
  inf: Inf,
  section: string,
  options: { machinePath?: string } = {},
): InfRegistryLine[] {
  const root = options.machinePath === undefined ? undefined : `${options.machinePath.toLowerCase()}\\`;
  return infValues(inf, section, 'AddReg').flatMap((name) =>
    infSection(inf, name).flatMap(({ values }) => {
      const line = readLine(values);
      if (line === undefined) return [];
      const hive = values[0]?.toUpperCase();
      if (hive === 'HKR') return [line];
      const isBelow = root !== undefined && `${line.subkey.toLowerCase()}\\`.startsWith(root);
      return hive === 'HKLM' && isBelow ? [{ ...line, subkey: line.subkey.slice(root.length) }] : [];
    }),
  );
}

/** Undefined for what deletes, and for what no registry takes. */
function readLine(values: readonly string[]): InfRegistryLine | undefined {
  const [, path = '', name = '', flagsText = '', ...data] = values;
  const flags = flagsText === '' ? 0 : infNumber(flagsText);
  const subkey = path
    .split('\\')
    .filter((part) => part !== '')
    .join('\\');
  if (flags === undefined || (flags & FLAG.DELETE) !== 0) return undefined;
  if (subkey.length > SUBKEY_CHARS_MAX || name.length > NAME_CHARS_MAX) return undefined;
  const isKeyOnly = (flags & FLAG.KEY_ONLY) !== 0 || (name === '' && data.length === 0);
  const content = isKeyOnly ? undefined : readContent(flags, data);
  if (!isKeyOnly && content === undefined) return undefined;
  return {
    subkey,
    name,
    content,
    isAppended: (flags & FLAG.APPEND) !== 0,
    keepsExisting: (flags & FLAG.NO_CLOBBER) !== 0,
  };
}

/** The type is in the high word, where bit 0 tells bytes from texts. */
function readContent(flags: number, data: readonly string[]): ValueContent | undefined {
  const type = flags >>> 16;
  const [first = ''] = data;
  if ((flags & FLAG.BINARY) === 0) {
    if (type === 1) return texts(data.filter((each) => each !== ''));
    return text(first, type === 2 ? VALUE_TYPE.REG_EXPAND_SZ : VALUE_TYPE.REG_SZ);
  }
  if (type === 1 && data.length <= 1) {
    const number = first === '' ? 0 : infNumber(first);
    return number === undefined ? undefined : dword(number);
  }
  const bytes = data.map((each) => (/^(?:0x)?[0-9a-f]{1,2}$/i.test(each) ? Number.parseInt(each, 16) : -1));
  if (bytes.includes(-1)) return undefined;
  const types = new Map([
    [0, VALUE_TYPE.REG_BINARY],
    [1, VALUE_TYPE.REG_DWORD],
    [2, VALUE_TYPE.REG_NONE],
  ]);
  return { type: types.get(type) ?? type, data: Buffer.from(bytes) };
}

/** Writes lines below a key. */
export function applyAddReg(key: HiveKey, lines: readonly InfRegistryLine[]): void {
  for (const { subkey, name, content, isAppended, keepsExisting } of lines) {
    const target = subkey === '' ? key : key.ensure(subkey);
    if (content === undefined) continue;
    const old = target.value(name);
    if (old !== undefined && keepsExisting) continue;
    const isList =
      isAppended && content.type === VALUE_TYPE.REG_MULTI_SZ && old?.type === VALUE_TYPE.REG_MULTI_SZ;
    target.set(name, isList ? texts([...new Set([...textsOf(old), ...textsOf(content)])]) : content);
  }
}
