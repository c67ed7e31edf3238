import { cellText, cutText } from './cell-text.ts';
import type { AnyHost, Field, FieldOptions } from './field.ts';
import type { CellPlace, KeyPress, Line } from './page.ts';

const CHARACTERS_MAX = 1000;

export interface TextFieldOptions extends FieldOptions {
  value?: string;
  /** @returns the problem of a value, or an empty text. */
  check?: (value: string) => string;
  /** Most characters; default 1000. */
  max?: number;
  /** Columns of the box; default as wide as there is room, at most 50. */
  columns?: number;
  /** F4 lets the person choose; resolves with the new text, or undefined to leave it. */
  browse?: (current: string, host: AnyHost) => Promise<string | undefined>;
  onChange?: (value: string) => void;
}

/** One line of text. */
export class TextField implements Field {
  readonly name: string;
  readonly label: string;
  readonly focusable = true;
  problem = '';
  readonly #options: TextFieldOptions;
  #characters: string[];
  #at: number;
  #first = 0;
  #touched = false;

  constructor(options: TextFieldOptions) {
    this.name = options.name;
    this.label = options.label;
    this.#options = options;
    this.#characters = [...(options.value ?? '')];
    this.#at = this.#characters.length;
  }

  get value(): string {
    return this.#characters.join('');
  }

  set value(value: string) {
    this.#characters = [...value];
    this.#at = this.#characters.length;
    this.#first = 0;
    this.#changed();
  }

  /** What is shown; a password shows signs instead. */
  protected shown(characters: readonly string[]): string[] {
    // One column a character, whatever it is.
    return characters.map((character) => cellText(character).slice(0, 1) || '?');
  }

  hidden(): boolean {
    return this.#options.hidden?.() ?? false;
  }

  check(): void {
    this.problem = this.#options.check?.(this.value) ?? '';
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name === 'f4' && this.#options.browse !== undefined) {
      void this.#browse(host);
      return true;
    }
    if (!key.ctrl && key.text !== '') return this.#insert(key.text);
    const length = this.#characters.length;
    if (key.name === 'left') this.#at = Math.max(0, this.#at - 1);
    else if (key.name === 'right') this.#at = Math.min(length, this.#at + 1);
    else if (key.name === 'home') this.#at = 0;
    else if (key.name === 'end') this.#at = length;
    else if (key.name === 'backspace') this.#remove(this.#at - 1);
    else if (key.name === 'delete') this.#remove(this.#at);
    else if (key.name === 'u' && key.ctrl) this.value = '';
    else return false;
    return true;
  }

  render(columns: number, focused: boolean): Line[] {
    const width = this.#boxColumns(columns);
    this.#scroll(width);
    const shown = this.shown(this.#characters).slice(this.#first, this.#first + width);
    const lines: Line[] = [
      [
        { text: '[', tone: 'muted' },
        { text: shown.join('').padEnd(width, focused ? '_' : ' '), tone: focused ? 'input' : 'plain' },
        { text: ']', tone: 'muted' },
        ...(this.#options.browse !== undefined && focused
          ? [{ text: ' F4 Browse', tone: 'muted' as const }]
          : []),
      ],
    ];
    const { hint } = this.#options;
    if (focused && hint !== undefined) lines.push([{ text: cutText(hint, columns), tone: 'muted' }]);
    return lines;
  }

  cursor(columns: number): CellPlace {
    this.#scroll(this.#boxColumns(columns));
    return { row: 0, column: 1 + this.#at - this.#first };
  }

  #boxColumns(columns: number): number {
    const room = columns - 2 - (this.#options.browse === undefined ? 0 : 10);
    return Math.max(4, Math.min(this.#options.columns ?? 50, room));
  }

  #scroll(width: number): void {
    // Room for the cursor behind the last character.
    if (this.#at < this.#first) this.#first = this.#at;
    if (this.#at - this.#first >= width) this.#first = this.#at - width + 1;
  }

  #insert(text: string): boolean {
    const characters = [...text.replace(/[\x00-\x1f\x7f]+/g, ' ')];
    const room = (this.#options.max ?? CHARACTERS_MAX) - this.#characters.length;
    const taken = characters.slice(0, Math.max(0, room));
    this.#characters.splice(this.#at, 0, ...taken);
    this.#at += taken.length;
    this.#changed();
    return true;
  }

  #remove(at: number): void {
    if (at < 0 || at >= this.#characters.length) return;
    this.#characters.splice(at, 1);
    if (at < this.#at) this.#at -= 1;
    this.#changed();
  }

  #changed(): void {
    this.#touched = true;
    this.check();
    this.#options.onChange?.(this.value);
  }

  /** Whether the person changed it. */
  get touched(): boolean {
    return this.#touched;
  }

  async #browse(host: AnyHost): Promise<void> {
    try {
      const chosen = await this.#options.browse?.(this.value, host);
      if (chosen !== undefined) this.value = chosen;
    } catch (error) {
      await host.showError(error);
    }
    host.refresh();
  }
}

/** Text that is not shown. */
export class PasswordField extends TextField {
  protected override shown(characters: readonly string[]): string[] {
    return characters.map(() => '*');
  }
}

export interface NumberFieldOptions extends FieldOptions {
  value: number;
  min: number;
  max: number;
  /** Said behind the box, e.g. `seconds`. */
  unit?: string;
  onChange?: (value: number) => void;
}

/** A whole number; its box is as wide as its largest value. */
export class NumberField implements Field {
  readonly name: string;
  readonly label: string;
  readonly focusable = true;
  problem = '';
  readonly #options: NumberFieldOptions;
  readonly #text: TextField;

  constructor(options: NumberFieldOptions) {
    this.name = options.name;
    this.label = options.label;
    this.#options = options;
    const { name, label, value, max, hint, onChange } = options;
    this.#text = new TextField({
      ...{ name, label, value: String(value), columns: String(max).length + 1, max: String(max).length },
      ...(hint === undefined ? {} : { hint }),
      onChange: () => {
        this.check();
        if (this.problem === '') onChange?.(this.value);
      },
    });
  }

  /** NaN while no number stands there. */
  get value(): number {
    return /^-?\d+$/.test(this.#text.value) ? Number(this.#text.value) : Number.NaN;
  }

  set value(value: number) {
    this.#text.value = String(value);
  }

  hidden(): boolean {
    return this.#options.hidden?.() ?? false;
  }

  check(): void {
    const { min, max } = this.#options;
    const inside = this.value >= min && this.value <= max;
    this.problem = inside ? '' : `a whole number from ${min} to ${max}`;
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    return this.#text.onKey(key, host);
  }

  render(columns: number, focused: boolean): Line[] {
    const [box = '', ...hint] = this.#text.render(columns, focused);
    const { unit } = this.#options;
    return unit === undefined || typeof box === 'string'
      ? [box, ...hint]
      : [[...box, { text: ` ${unit}` }], ...hint];
  }

  cursor(columns: number): CellPlace {
    return this.#text.cursor(columns);
  }
}
