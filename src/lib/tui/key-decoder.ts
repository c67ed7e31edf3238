import { StringDecoder } from 'node:string_decoder';
import type { KeyPress } from './page.ts';

/** A sequence that long is none. */
const SEQUENCE_MAX = 32;
const PASTE_MAX = 100_000;
const PASTE_START = '\x1b[200~';
const PASTE_END = '\x1b[201~';

/** By what follows `ESC`, for xterm, VT220, rxvt and the Linux console (which sends `[[A` for F1). */
const SEQUENCES: Readonly<Record<string, string>> = {
  ...{ '[A': 'up', '[B': 'down', '[C': 'right', '[D': 'left', OA: 'up', OB: 'down', OC: 'right', OD: 'left' },
  ...{
    '[H': 'home',
    '[F': 'end',
    OH: 'home',
    OF: 'end',
    '[1~': 'home',
    '[4~': 'end',
    '[7~': 'home',
    '[8~': 'end',
  },
  ...{ '[2~': 'insert', '[3~': 'delete', '[5~': 'pageup', '[6~': 'pagedown', '[Z': 'backtab', OM: 'enter' },
  ...{ OP: 'f1', OQ: 'f2', OR: 'f3', OS: 'f4', '[P': 'f1', '[Q': 'f2', '[S': 'f4' },
  ...{ '[[A': 'f1', '[[B': 'f2', '[[C': 'f3', '[[D': 'f4', '[[E': 'f5' },
  ...{ '[11~': 'f1', '[12~': 'f2', '[13~': 'f3', '[14~': 'f4', '[15~': 'f5', '[17~': 'f6', '[18~': 'f7' },
  ...{ '[19~': 'f8', '[20~': 'f9', '[21~': 'f10', '[23~': 'f11', '[24~': 'f12' },
};

const CONTROLS: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
};

/** Turns a terminal's bytes into keys, however they are cut into pieces. */
export class KeyDecoder {
  readonly #utf8 = new StringDecoder('utf8');
  #text = '';
  /** The terminal's answer to the question where its cursor is. */
  onCursorReport: (row: number, column: number) => void = () => {};

  /** Bytes that may be the beginning of a key are held; see `flush`. */
  push(bytes: Buffer): KeyPress[] {
    this.#text += this.#utf8.write(bytes);
    return this.#take(false);
  }

  /** Whether something is held that only time can decide, such as a lone `ESC`. */
  get waiting(): boolean {
    return this.#text !== '' && !this.#text.startsWith(PASTE_START);
  }

  /** Nothing followed: what is held is keys by itself. */
  flush(): KeyPress[] {
    return this.#take(true);
  }

  #take(final: boolean): KeyPress[] {
    const keys: KeyPress[] = [];
    while (this.#text !== '') {
      const before = this.#text.length;
      const key = this.#next(final);
      if (key !== undefined) keys.push(key);
      if (this.#text.length === before) break;
    }
    return keys;
  }

  #next(final: boolean): KeyPress | undefined {
    if (!this.#text.startsWith('\x1b')) {
      const character = String.fromCodePoint(this.#text.codePointAt(0) ?? 0);
      this.#text = this.#text.slice(character.length);
      return plainKey(character);
    }
    if (this.#text.startsWith(PASTE_START)) return this.#paste();
    const rest = this.#text.slice(1);
    const sequence = /^(?:\[\[[A-E]|\[[0-9;?]*[@-Z\\^_`a-z{|}~]|O[0-9;]*[A-Za-z])/.exec(rest)?.[0];
    if (sequence !== undefined) {
      this.#text = rest.slice(sequence.length);
      return this.#sequence(sequence);
    }
    const unfinished = /^(?:\[\[?|\[[0-9;?]*|O[0-9;]*)?$/.test(rest) && rest.length < SEQUENCE_MAX;
    if (unfinished && !final) return undefined;
    return this.#escape(rest);
  }

  /** `ESC` and a digit is a function key: serial lines often have no other way. */
  #escape(rest: string): KeyPress {
    this.#text = rest;
    const digit = /^[0-9]/.exec(rest)?.[0];
    if (digit !== undefined) {
      this.#text = rest.slice(1);
      return key(digit === '0' ? 'f10' : `f${digit}`);
    }
    // A second ESC says that the first one was meant as such.
    if (rest.startsWith('\x1b') && rest.length === 1) this.#text = '';
    return key('escape');
  }

  #sequence(sequence: string): KeyPress | undefined {
    const report = /^\[(\d+);(\d+)R$/.exec(sequence);
    if (report !== null) {
      this.onCursorReport(Number(report[1]), Number(report[2]));
      return undefined;
    }
    const known = SEQUENCES[sequence];
    if (known !== undefined) return key(known, { shift: known === 'backtab' });
    // xterm puts modifiers behind a semicolon: 1 + shift 1, alt 2, control 4.
    const modified = /^[[O](\d*);?([2-9]|1[0-6])([A-HPQRS~])$/.exec(sequence);
    const [, code = '', modifier = '', last = ''] = modified ?? [];
    const name = SEQUENCES[last === '~' ? `[${code}~` : `O${last}`];
    if (name === undefined || (last !== '~' && code !== '' && code !== '1')) return undefined;
    if (last === '~' && !sequence.includes(';')) return undefined;
    const bits = Number(modifier) - 1;
    return key(name, { shift: (bits & 1) !== 0, ctrl: (bits & 4) !== 0 });
  }

  #paste(): KeyPress | undefined {
    const end = this.#text.indexOf(PASTE_END);
    if (end < 0 && this.#text.length < PASTE_MAX) return undefined;
    const text = this.#text.slice(PASTE_START.length, end < 0 ? PASTE_MAX : end);
    this.#text = end < 0 ? '' : this.#text.slice(end + PASTE_END.length);
    return { ...key('paste'), text: text.replace(/[\r\n]+$/, '') };
  }
}

function key(name: string, modifiers: { ctrl?: boolean; shift?: boolean } = {}): KeyPress {
  return { name, text: '', ctrl: modifiers.ctrl ?? false, shift: modifiers.shift ?? false };
}

function plainKey(character: string): KeyPress | undefined {
  const control = CONTROLS[character];
  if (control !== undefined) return key(control);
  const code = character.codePointAt(0) ?? 0;
  if (code === 0) return { ...key('space'), ctrl: true };
  if (code < 0x1b) return { ...key(String.fromCharCode(code + 0x60)), ctrl: true };
  if (code < 0x20 || (code >= 0x80 && code < 0xa0)) return undefined;
  const lower = character.toLowerCase();
  const shift = lower !== character;
  return { name: character === ' ' ? 'space' : lower, text: character, ctrl: false, shift };
}
