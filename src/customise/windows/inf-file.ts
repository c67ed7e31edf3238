import { TdError } from '../../lib/errors.ts';

/** One line of a section, quotes removed and `%tokens%` replaced. */
export interface InfLine {
  /** What stands before `=`; empty for a line of values alone. */
  key: string;
  values: string[];
}

/** Sections by their name in lower case; sections of one name are one. */
export interface Inf {
  sections: ReadonlyMap<string, readonly InfLine[]>;
}

/** The largest driver packages have setup files of 2 MB; disk drivers are far below. */
export const INF_BYTES_MAX = 4 * 1024 * 1024;
/** Microsoft, "INF Strings section": no string is longer once its tokens are replaced. */
const STRING_CHARS_MAX = 4096;
/** Of all lines together once their tokens are replaced: a short file could otherwise ask for gigabytes. */
const EXPANDED_CHARS_MAX = 8 * INF_BYTES_MAX;
const LINES_MAX = 200_000;
/** US English; what Windows falls back to. */
const LANGUAGES_FIRST = ['strings', 'strings.0409'];

/**
 * Reads a Windows setup information file (Microsoft, "General syntax rules for INF files").
 *
 * @param bytes ANSI (read as Windows-1252), UTF-8, or UTF-16 in either order.
 * @param name of the file, for errors.
 * @throws TdError `invalid`: too large, no setup information file, or strings beyond their limits.
 */
export function parseInf(bytes: Buffer, name: string): Inf {
  const fail = (why: string) => new TdError('invalid', `Cannot read "${name}": ${why}`);
  if (bytes.length > INF_BYTES_MAX) throw fail(`it is larger than ${INF_BYTES_MAX} bytes`);
  const sections = parseSections(decodeText(bytes), fail);
  if (!sections.has('version')) throw fail('it has no [Version] section, so it is no setup information file');
  const strings = collectStrings(sections);
  let charsLeft = EXPANDED_CHARS_MAX;
  const expand = (text: string) => {
    const expanded = expandTokens(text, strings);
    charsLeft -= expanded.length + 1;
    if (expanded.length > STRING_CHARS_MAX)
      throw fail(`a string is longer than ${STRING_CHARS_MAX} characters`);
    if (charsLeft < 0) throw fail('its strings are too large together');
    return expanded;
  };
  const expandLine = ({ key, values }: InfLine) => ({ key: expand(key), values: values.map(expand) });
  return { sections: new Map([...sections].map(([section, lines]) => [section, lines.map(expandLine)])) };
}

export function infSection(inf: Inf, section: string): readonly InfLine[] {
  return inf.sections.get(section.toLowerCase()) ?? [];
}

/** The values of all lines with that key, in order. */
export function infValues(inf: Inf, section: string, key: string): string[] {
  const wanted = key.toLowerCase();
  return infSection(inf, section)
    .filter((line) => line.key.toLowerCase() === wanted)
    .flatMap((line) => line.values);
}

/** The first value of the first line with that key; empty when there is none. */
export function infValue(inf: Inf, section: string, key: string): string {
  return infValues(inf, section, key)[0] ?? '';
}

/** A number as setup information files write them, e.g. `3` or `0x00010001`; undefined for anything else. */
export function infNumber(text: string): number | undefined {
  return /^-?(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) >>> 0 : undefined;
}

function decodeText(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  // Without a byte order mark: a setup information file starts with ASCII.
  if (first !== undefined && first !== 0 && second === 0) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

function parseSections(text: string, fail: (why: string) => TdError): Map<string, InfLine[]> {
  const sections = new Map<string, InfLine[]>();
  let current: InfLine[] | undefined;
  let lines = 0;
  let begun = newLine();
  for (const physical of text.split(/\r\n|[\r\n]/)) {
    const header = begun.isContinued ? undefined : /^\s*\[([^\]]*)\]/.exec(physical)?.[1];
    if (header !== undefined) {
      const name = header.trim().toLowerCase();
      current = sections.get(name) ?? [];
      sections.set(name, current);
      continue;
    }
    scanLine(physical, begun);
    if (begun.isContinued) continue;
    const line = endLine(begun);
    begun = newLine();
    if (line === undefined) continue;
    lines += 1;
    if (lines > LINES_MAX) throw fail(`it has more than ${LINES_MAX} lines`);
    current?.push(line);
  }
  return sections;
}

/** A line while it is read; it may go on over several lines of the file. */
interface LineBegun {
  key: string | undefined;
  values: string[];
  value: string;
  /** Length of `value` that trailing blanks are not cut from: it was quoted. */
  quotedEnd: number;
  isContinued: boolean;
}

function newLine(): LineBegun {
  return { key: undefined, values: [], value: '', quotedEnd: 0, isContinued: false };
}

const BLANK = /\s/;

function scanLine(text: string, line: LineBegun): void {
  line.isContinued = false;
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] as string;
    if (isQuoted) {
      const isEnd = char === '"' && text[i + 1] !== '"';
      if (isEnd) isQuoted = false;
      else line.value += char;
      if (char === '"' && !isEnd) i += 1;
      line.quotedEnd = line.value.length;
    } else if (char === ';') return;
    else if (char === '"') {
      isQuoted = true;
      line.quotedEnd = line.value.length;
    } else if (char === '\\' && isBlankOrComment(text, i + 1)) {
      line.isContinued = true;
      return;
    } else if (char === ',') {
      line.key ??= '';
      endValue(line);
    } else if (char === '=' && line.key === undefined && line.values.length === 0) {
      endValue(line);
      line.key = line.values.pop() ?? '';
    } else if (line.value !== '' || !BLANK.test(char)) line.value += char;
  }
}

/** Without copying the rest of the line: a line of backslashes would take for ever. */
function isBlankOrComment(text: string, from: number): boolean {
  let at = from;
  while (at < text.length && BLANK.test(text[at] as string)) at += 1;
  return at === text.length || text[at] === ';';
}

function endValue(line: LineBegun): void {
  const kept = line.value.slice(0, line.quotedEnd);
  line.values.push(kept + line.value.slice(line.quotedEnd).trimEnd());
  line.value = '';
  line.quotedEnd = 0;
}

function endLine(line: LineBegun): InfLine | undefined {
  const isEmpty = line.key === undefined && line.value === '' && line.quotedEnd === 0;
  if (isEmpty) return undefined;
  endValue(line);
  return { key: line.key ?? '', values: line.values };
}

function collectStrings(sections: ReadonlyMap<string, readonly InfLine[]>): Map<string, string> {
  const others = [...sections.keys()].filter((name) => name.startsWith('strings.')).sort();
  const strings = new Map<string, string>();
  for (const section of [...LANGUAGES_FIRST, ...others]) {
    for (const { key, values } of sections.get(section) ?? []) {
      const name = key.toLowerCase();
      if (!strings.has(name)) strings.set(name, values.join(','));
    }
  }
  return strings;
}

/** Tokens that no string stands for are folder ids such as `%12%` and stay; `%%` is a percent sign. */
function expandTokens(text: string, strings: ReadonlyMap<string, string>): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([^%]*)%/g, (token, name: string) =>
    name === '' ? '%' : (strings.get(name.toLowerCase()) ?? token),
  );
}
