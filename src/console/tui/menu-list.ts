import type { AnyHost } from '../../lib/tui/field.ts';
import type { KeyPress, Line } from '../../lib/tui/page.ts';

/** One thing that can be opened. */
export interface MenuEntry {
  label: string;
  /** What it is for, in a few words. */
  hint: string;
  open: (host: AnyHost) => void | Promise<void>;
}

/** Entries under each other; the caller opens the current one. */
export class MenuList {
  readonly entries: readonly MenuEntry[];
  #at = 0;

  constructor(entries: readonly MenuEntry[]) {
    this.entries = entries;
  }

  get current(): MenuEntry | undefined {
    return this.entries[this.#at];
  }

  get atFirst(): boolean {
    return this.#at === 0;
  }

  get atLast(): boolean {
    return this.#at >= this.entries.length - 1;
  }

  /** @returns whether the key was used. */
  onKey(key: KeyPress): boolean {
    const last = this.entries.length - 1;
    const moved = { up: this.#at - 1, down: this.#at + 1, home: 0, end: last }[key.name];
    if (moved === undefined) return false;
    this.#at = Math.max(0, Math.min(last, moved));
    return true;
  }

  render(focused: boolean): Line[] {
    const columns = Math.max(0, ...this.entries.map(({ label }) => label.length)) + 2;
    return this.entries.map((entry, i): Line => {
      const current = focused && i === this.#at;
      return [
        { text: '  ' },
        { text: ` ${entry.label.padEnd(columns)}`, tone: current ? 'selected' : 'plain' },
        { text: `  ${entry.hint}`, tone: 'muted' },
      ];
    });
  }
}
