import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'vitest';
import { silentLog } from '../../../../lib/log.ts';
import type { HelpTexts, Page } from '../../../../lib/tui/page.ts';
import { PageStack } from '../../../../lib/tui/page-stack.ts';
import { pictureText, screenPicture } from '../../../../lib/tui/screen-lines.ts';
import { WIZARD_HELP } from '../wizard-help.ts';

const SIZE = { columns: 80, rows: 25 };

/** Pages without a terminal: keys go in, the screen comes out as text. */
export class PageDriver<Result> {
  readonly #stack: PageStack;
  /** What the page closes with. */
  readonly closed: Promise<Result | undefined>;

  constructor(page: Page<Result>, help: HelpTexts = WIZARD_HELP) {
    this.#stack = new PageStack({ help, logger: silentLog, onChange: () => {} });
    this.closed = this.#stack.open(page);
  }

  /** Presses keys by their names, e.g. `f8`, `enter`, `ctrl-u`. */
  async press(...names: string[]): Promise<void> {
    for (const name of names) {
      const ctrl = name.startsWith('ctrl-');
      const key = ctrl ? name.slice(5) : name;
      const text = key === 'space' ? ' ' : key.length === 1 && !ctrl ? key : '';
      this.#stack.onKey({ name: key.toLowerCase(), text, ctrl, shift: false });
      await this.settle();
    }
  }

  /** Types into the field with the cursor, instead of what is there. */
  async fill(text: string): Promise<void> {
    await this.press('ctrl-u');
    this.#stack.onKey({ name: 'paste', text, ctrl: false, shift: false });
    await this.settle();
  }

  /** Lets answers of the console arrive. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i += 1) await setImmediate();
  }

  screen(size = SIZE): string {
    const pages = this.#stack.pages;
    return pictureText(screenPicture({ size, title: 'TotalDeploy', pages, hasHelp: this.#stack.hasHelp() }));
  }

  cursor(): { row: number; column: number } | undefined {
    const pages = this.#stack.pages;
    return screenPicture({ size: SIZE, title: '', pages, hasHelp: true }).cursor;
  }

  leave(): void {
    this.#stack.closeAll();
  }
}

/** Compares a screen with `screens/NAME.txt`; with UPDATE_GOLDENS=1 it is written anew and the test fails. */
export function expectScreen(screen: string, name: string): void {
  const path = join(import.meta.dirname, 'screens', `${name}.txt`);
  if (process.env.UPDATE_GOLDENS === '1') {
    writeFileSync(path, `${screen}\n`);
    expect.soft(name, 'the golden screen was written anew; look at it').toBe('');
    return;
  }
  expect(`${screen}\n`).toBe(readFileSync(path, 'utf8'));
}
