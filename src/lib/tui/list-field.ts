import { cutText, padText } from './cell-text.ts';
import type { AnyHost, Field, FieldOptions } from './field.ts';
import type { KeyPress, Line } from './page.ts';

const ROWS_SHOWN_MAX = 8;

export interface ListFieldOptions<Item> extends FieldOptions {
  items?: readonly Item[];
  /** One line about an item. */
  describe: (item: Item) => string;
  /** Opens a page; resolves with the new item, or undefined when it was left. `item` is undefined for Add. */
  edit: (item: Item | undefined, host: AnyHost) => Promise<Item | undefined>;
  /** Shown when the list is empty. */
  empty?: string;
  max?: number;
  onChange?: (items: readonly Item[]) => void;
}

/** Items that are added (Insert or `a`), edited (Enter or `e`) and deleted (Delete or `d`). */
export class ListField<Item> implements Field {
  readonly name: string;
  readonly label: string;
  readonly focusable = true;
  problem = '';
  #items: Item[];
  readonly #options: ListFieldOptions<Item>;
  #at = 0;
  #top = 0;

  constructor(options: ListFieldOptions<Item>) {
    this.name = options.name;
    this.label = options.label;
    this.#options = options;
    this.#items = [...(options.items ?? [])];
  }

  get items(): readonly Item[] {
    return this.#items;
  }

  set items(items: readonly Item[]) {
    this.#items = [...items];
    this.#changed();
  }

  hidden(): boolean {
    return this.#options.hidden?.() ?? false;
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.ctrl) return false;
    const item = this.#items[this.#at];
    if (key.name === 'up' && this.#at > 0) this.#at -= 1;
    else if (key.name === 'down' && this.#at < this.#items.length - 1) this.#at += 1;
    else if (key.name === 'insert' || key.name === 'a') void this.#edit(undefined, host);
    else if ((key.name === 'enter' || key.name === 'e') && item !== undefined) void this.#edit(item, host);
    else if ((key.name === 'delete' || key.name === 'd') && item !== undefined) this.#delete();
    else return false;
    return true;
  }

  render(columns: number, focused: boolean): Line[] {
    const { describe, empty = 'none' } = this.#options;
    if (this.#at < this.#top) this.#top = this.#at;
    if (this.#at >= this.#top + ROWS_SHOWN_MAX) this.#top = this.#at - ROWS_SHOWN_MAX + 1;
    const lines: Line[] = this.#items.slice(this.#top, this.#top + ROWS_SHOWN_MAX).map((item, i) => {
      const current = focused && this.#top + i === this.#at;
      return [{ text: padText(describe(item), columns), ...(current ? { tone: 'selected' as const } : {}) }];
    });
    if (lines.length === 0) lines.push([{ text: `(${empty})`, tone: 'muted' }]);
    const hidden = this.#items.length - ROWS_SHOWN_MAX;
    if (hidden > 0) lines.push([{ text: `${this.#items.length} in all`, tone: 'muted' }]);
    if (focused) lines.push(this.#actions());
    const { hint } = this.#options;
    if (focused && hint !== undefined) lines.push([{ text: cutText(hint, columns), tone: 'muted' }]);
    return lines;
  }

  cursor(): { row: number; column: number } {
    return { row: this.#at - this.#top, column: 0 };
  }

  #actions(): Line {
    const some = this.#items.length > 0;
    return [
      { text: 'a', tone: 'key' },
      { text: ' Add', tone: 'muted' },
      ...(some
        ? ([
            { text: '   ' },
            { text: 'e', tone: 'key' },
            { text: ' Edit   ', tone: 'muted' },
            { text: 'd', tone: 'key' },
            { text: ' Delete', tone: 'muted' },
          ] as const)
        : []),
    ];
  }

  async #edit(item: Item | undefined, host: AnyHost): Promise<void> {
    const { edit, max = Number.POSITIVE_INFINITY } = this.#options;
    try {
      if (item === undefined && this.#items.length >= max) {
        await host.message(this.label, `There can be ${max} at most; delete one first.`);
        return;
      }
      const edited = await edit(item, host);
      if (edited === undefined) return;
      const at = item === undefined ? this.#items.length : this.#items.indexOf(item);
      this.#items[at < 0 ? this.#items.length : at] = edited;
      this.#at = at < 0 ? this.#items.length - 1 : at;
      this.#changed();
    } catch (error) {
      await host.showError(error);
    } finally {
      host.refresh();
    }
  }

  #delete(): void {
    this.#items.splice(this.#at, 1);
    this.#changed();
  }

  #changed(): void {
    this.#at = Math.max(0, Math.min(this.#at, this.#items.length - 1));
    this.problem = '';
    this.#options.onChange?.(this.#items);
  }
}
