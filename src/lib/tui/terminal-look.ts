import type { Tone } from './page.ts';
import { type TerminalFamily, terminalFamily } from './terminal-entries.ts';

/** Tones of pages and of the framework's own bars. */
export type ScreenTone = Tone | 'title' | 'border';

/** How a terminal shows tones and signs. */
export interface TerminalLook {
  family: TerminalFamily;
  /** Characters beyond ASCII can be written. */
  unicode: boolean;
  colours: 'none' | 'ansi' | 'many';
}

interface Style {
  bold?: boolean;
  underline?: boolean;
  inverse?: boolean;
  /** Number of the 16 or 256 colours. */
  fg?: number;
  bg?: number;
}

const MONOCHROME: Record<ScreenTone, Style> = {
  plain: {},
  muted: {},
  heading: { bold: true },
  good: {},
  warning: { bold: true },
  bad: { bold: true, underline: true },
  selected: { inverse: true },
  input: { underline: true },
  key: { bold: true },
  title: { inverse: true },
  border: {},
};

/** The first sixteen colours follow the palette of the person's terminal. */
const ANSI: Record<ScreenTone, Style> = {
  ...MONOCHROME,
  good: { fg: 2 },
  warning: { fg: 3 },
  bad: { fg: 1, bold: true },
  selected: { fg: 15, bg: 4 },
  input: { fg: 15, bg: 4 },
  key: { fg: 6, bold: true },
  title: { fg: 15, bg: 4, bold: true },
  border: { fg: 4 },
};

const MANY: Record<ScreenTone, Style> = {
  ...ANSI,
  muted: { fg: 245 },
  good: { fg: 71 },
  warning: { fg: 178 },
  bad: { fg: 167, bold: true },
  selected: { fg: 231, bg: 25 },
  input: { fg: 231, bg: 238 },
  key: { fg: 74, bold: true },
  title: { fg: 231, bg: 24, bold: true },
  border: { fg: 67 },
};

const STYLES = { none: MONOCHROME, ansi: ANSI, many: MANY };

/** Signs the font of the Linux console lacks. */
const LINUX_GLYPHS: Readonly<Record<string, string>> = { '…': '~' };

const ASCII_GLYPHS: Readonly<Record<string, string>> = {
  ...{ '…': '~', '•': '*', '█': '#', '░': '.', '▒': ':', '▓': '%', '▲': '^', '▼': 'v', '►': '>', '◄': '<' },
  ...{ '■': '#', '√': 'x', '←': '<', '→': '>', '↑': '^', '↓': 'v', '·': '-', '═': '=', '║': '|' },
};

/** Drawn with the alternate character set where there is one, see `VT220`. */
const ACS_GLYPHS: Readonly<Record<string, string>> = {
  ...{ '─': '-', '│': '|', '┌': '+', '┐': '+', '└': '+', '┘': '+' },
  ...{ '├': '+', '┤': '+', '┬': '+', '┴': '+', '┼': '+' },
};

/**
 * Chooses by terminal and environment (`LC_ALL`, `LC_CTYPE`, `LANG`, `NO_COLOR`, `COLORTERM`).
 *
 * @returns undefined for a terminal that cannot place its cursor, such as `dumb`.
 */
export function terminalLook(term: string, env: NodeJS.ProcessEnv): TerminalLook | undefined {
  const family = terminalFamily(term);
  if (family === undefined) return undefined;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  // The kernel's console understands UTF-8 whatever the locale says, and vt220 never does.
  const unicode = family === 'linux' || (family === 'xterm' && /utf-?8/i.test(locale));
  const many = family === 'xterm' && (/256color|direct/.test(term) || (env.COLORTERM ?? '') !== '');
  const colours = (env.NO_COLOR ?? '') !== '' || family === 'vt' ? 'none' : many ? 'many' : 'ansi';
  return { family, unicode, colours };
}

/** One character as this terminal can show it. */
export function glyphOf(character: string, look: TerminalLook): string {
  if (character <= '~') return character;
  if (look.unicode) return look.family === 'linux' ? (LINUX_GLYPHS[character] ?? character) : character;
  const line = ACS_GLYPHS[character];
  if (line !== undefined) return look.family === 'vt' ? character : line;
  return ASCII_GLYPHS[character] ?? character.normalize('NFD').match(/^[ -~]/)?.[0] ?? '?';
}

const BOLD = 1;
const UNDERLINE = 2;
const INVERSE = 8;
const DEFAULT_COLOUR = 0x1ff;

/** blessed's attribute: flags, foreground and background in one number. */
export function attributeOf(tone: ScreenTone, look: TerminalLook): number {
  const style = STYLES[look.colours][tone];
  const flags = (style.bold ? BOLD : 0) | (style.underline ? UNDERLINE : 0) | (style.inverse ? INVERSE : 0);
  return (flags << 18) | ((style.fg ?? DEFAULT_COLOUR) << 9) | (style.bg ?? DEFAULT_COLOUR);
}
