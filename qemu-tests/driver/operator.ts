import { join } from 'node:path';
import { press, typeText } from './keyboard.ts';
import { ensureDir, PICTURES_DIR } from './project-paths.ts';
import type { Vm } from './vm.ts';

const SEE_TIMEOUT_MS = 30_000;
/** A PC keyboard keeps 16 bytes, four keys pressed and let go, for a processor that is busy; more are lost. */
const KEYS_AT_ONCE = 4;
/** Longer texts scroll in their fields. */
const SHOWN_CHARS_MAX = 40;

/** A person before the screen and the keyboard of one machine. */
export class Operator {
  readonly #vm: Vm;

  constructor(vm: Vm) {
    this.#vm = vm;
  }

  /** Waits for words on the text screen; columns beside each other are one line. */
  async see(pattern: RegExp, timeoutMs = SEE_TIMEOUT_MS): Promise<void> {
    await this.#vm.expectScreen(pattern, timeoutMs);
  }

  /** Presses keys after each other; `ctrl+u` are two at once. */
  async keys(...names: string[]): Promise<void> {
    for (const name of names) await press(this.#vm, ...name.split('+'));
  }

  async type(text: string): Promise<void> {
    await typeText(this.#vm, text);
  }

  /** Replaces what is in the field that has the cursor, not faster than it is shown. */
  async fill(text: string, options: { secret?: boolean } = {}): Promise<void> {
    await this.keys('ctrl+u');
    await this.see(/\[_+\]/);
    for (let end = 0; end < text.length; ) {
      const start = end;
      end = Math.min(end + KEYS_AT_ONCE, text.length);
      await this.type(text.slice(start, end));
      const typed = options.secret === true ? '*'.repeat(end) : text.slice(0, end);
      const begin = end > SHOWN_CHARS_MAX ? '' : '\\[';
      await this.see(new RegExp(`${begin}${RegExp.escape(typed.slice(-SHOWN_CHARS_MAX))}[_\\]]`));
    }
  }

  /** Keeps a picture of the screen as `vga-NAME.png`. */
  async picture(name: string): Promise<void> {
    await this.#vm.screenshot(join(ensureDir(PICTURES_DIR), `vga-${name}.png`));
  }
}

/** Entries of the tools menu, from the top. */
export const TOOLS = {
  backupIso: 0,
  pxeFiles: 1,
  agentIso: 2,
  consoleIso: 3,
  stick: 4,
  checkImage: 5,
  log: 6,
  templatePath: 7,
  storage: 8,
  pxeServer: 9,
  licences: 10,
  webPage: 11,
  network: 12,
  pin: 13,
} as const;

/** From the tools menu to one of its entries. */
export async function openTool(person: Operator, tool: keyof typeof TOOLS, title: RegExp): Promise<void> {
  await person.see(/Export Backup Agent +ISO/);
  await person.keys('home', ...new Array(TOOLS[tool]).fill('down'), 'ret');
  await person.see(title);
}
