/** What blessed needs to know of a terminal, by the names of terminfo(5). */
export interface TerminalEntry {
  name: string;
  names: string[];
  desc: string;
  dir: string;
  file: string;
  bools: Record<string, boolean>;
  numbers: Record<string, number>;
  strings: Record<string, string>;
}

export type TerminalFamily = 'linux' | 'vt' | 'xterm';

const COMMON = {
  cursor_address: '\x1b[%i%p1%d;%p2%dH',
  clear_screen: '\x1b[H\x1b[J',
  clr_eol: '\x1b[K',
  parm_right_cursor: '\x1b[%p1%dC',
  change_scroll_region: '\x1b[%i%p1%d;%p2%dr',
  save_cursor: '\x1b7',
  restore_cursor: '\x1b8',
  cursor_invisible: '\x1b[?25l',
  cursor_normal: '\x1b[?25h',
  exit_attribute_mode: '\x1b[m',
};

/** Bracketed paste tells pasted text from typed keys. */
const XTERM = {
  ...COMMON,
  enter_ca_mode: '\x1b[?1049h\x1b[?2004h',
  exit_ca_mode: '\x1b[?2004l\x1b[?1049l',
  keypad_xmit: '\x1b[?1h\x1b=',
  keypad_local: '\x1b[?1l\x1b>',
};

const VT220 = {
  ...COMMON,
  enter_alt_charset_mode: '\x0e',
  exit_alt_charset_mode: '\x0f',
  ena_acs: '\x1b)0',
  acs_chars: 'jjkkllmmnnqqttuuvvwwxx',
};

const STRINGS: Record<TerminalFamily, Record<string, string>> = { linux: COMMON, vt: VT220, xterm: XTERM };

/** All terminals that matter here are of one of three families, so no terminfo files are needed. */
export function terminalFamily(term: string): TerminalFamily | undefined {
  const name = term.toLowerCase();
  if (name === '' || name === 'dumb' || name === 'unknown') return undefined;
  if (name.startsWith('linux')) return 'linux';
  return /^vt[1-5]\d\d/.test(name) ? 'vt' : 'xterm';
}

export function terminalEntry(family: TerminalFamily): TerminalEntry {
  return {
    ...{ name: family, names: [family], desc: family, dir: '', file: family },
    bools: { auto_right_margin: true, eat_newline_glitch: true },
    numbers: { max_colors: family === 'vt' ? 0 : 256 },
    strings: STRINGS[family],
  };
}
