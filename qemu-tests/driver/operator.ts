import { join } from 'node:path';
import { press, typeText } from './keyboard.ts';
import { ensureDir, PICTURES_DIR } from './project-paths.ts';
import type { Vm } from './vm.ts';

const SEE_TIMEOUT_MS = 30_000;

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

  /** Replaces what is in the field that has the cursor, and waits until it is there. */
  async fill(text: string, options: { secret?: boolean } = {}): Promise<void> {
    await this.keys('ctrl+u');
    await this.type(text);
    const shown = options.secret === true ? '*'.repeat(text.length) : text;
    await this.see(new RegExp(`\\[${RegExp.escape(shown)}[_ \\]]`));
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
