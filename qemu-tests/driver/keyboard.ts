import { sleep } from '../../src/lib/clock.ts';
import type { Vm } from './vm.ts';

/** A US keyboard's unshifted characters by QEMU key name (qapi/ui.json, QKeyCode). */
const PLAIN: Record<string, string> = {
  ' ': 'spc',
  '-': 'minus',
  '=': 'equal',
  '[': 'bracket_left',
  ']': 'bracket_right',
  ';': 'semicolon',
  "'": 'apostrophe',
  '`': 'grave_accent',
  '\\': 'backslash',
  ',': 'comma',
  '.': 'dot',
  '/': 'slash',
  '\n': 'ret',
  '\t': 'tab',
};

const SHIFTED: Record<string, string> = {
  '!': '1',
  '@': '2',
  '#': '3',
  $: '4',
  '%': '5',
  '^': '6',
  '&': '7',
  '*': '8',
  '(': '9',
  ')': '0',
  _: 'minus',
  '+': 'equal',
  '{': 'bracket_left',
  '}': 'bracket_right',
  ':': 'semicolon',
  '"': 'apostrophe',
  '~': 'grave_accent',
  '|': 'backslash',
  '<': 'comma',
  '>': 'dot',
  '?': 'slash',
};

/** Faster than a guest on a software processor reads its keyboard, keys are lost. */
const KEY_INTERVAL_MS = 120;

/** QEMU key names, pressed together, that make one character. */
export function keysOf(character: string): string[] {
  if (/[a-z0-9]/.test(character)) return [character];
  if (/[A-Z]/.test(character)) return ['shift', character.toLowerCase()];
  const plain = PLAIN[character];
  if (plain !== undefined) return [plain];
  const shifted = SHIFTED[character];
  if (shifted !== undefined) return ['shift', shifted];
  throw new Error(`no key of a US keyboard makes ${JSON.stringify(character)}`);
}

/** Types text on the machine's keyboard. */
export async function typeText(vm: Vm, text: string): Promise<void> {
  for (const character of text) await press(vm, ...keysOf(character));
}

/** Presses keys together, e.g. `press(vm, 'f10')`. */
export async function press(vm: Vm, ...keys: string[]): Promise<void> {
  await vm.pressKeys(keys);
  await sleep(KEY_INTERVAL_MS);
}
