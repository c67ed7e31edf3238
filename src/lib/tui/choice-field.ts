import { cutText } from './cell-text.ts';
import type { AnyHost, Field, FieldOptions } from './field.ts';
import type { KeyPress, Line, Span } from './page.ts';

export interface Choice<T extends string> {
  value: T;
  label: string;
  /** Said behind the label in grey. */
  hint?: string;
}

export interface ChoiceFieldOptions<T extends string> extends FieldOptions {
  value: T;
  choices: readonly Choice<T>[];
  onChange?: (value: T) => void;
}

/** One of several, one a line: `(•) label`; the arrows move and Space or Enter chooses. */
export class ChoiceField<T extends string> implements Field {
  readonly name: string;
  readonly label: string;
  readonly focusable = true;
  problem = '';
  readonly #options: ChoiceFieldOptions<T>;
  #value: T;
  #at = 0;

  constructor(options: ChoiceFieldOptions<T>) {
    this.name = options.name;
    this.label = options.label;
    this.#options = options;
    this.#value = options.value;
    this.#at = Math.max(0, this.#index());
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    this.#value = value;
    this.#at = Math.max(0, this.#index());
  }

  hidden(): boolean {
    return this.#options.hidden?.() ?? false;
  }

  onKey(key: KeyPress, _host: AnyHost): boolean {
    const { choices } = this.#options;
    if (key.name === 'up' && this.#at > 0) this.#at -= 1;
    else if (key.name === 'down' && this.#at < choices.length - 1) this.#at += 1;
    else if (key.name === 'space' || (key.name === 'enter' && this.#at !== this.#index())) this.#choose();
    else return false;
    return true;
  }

  render(columns: number, focused: boolean): Line[] {
    const lines: Line[] = this.#options.choices.map((choice, i) => {
      const chosen = choice.value === this.#value;
      const spans: Span[] = [
        { text: chosen ? '(•) ' : '( ) ', tone: chosen ? 'good' : 'muted' },
        { text: choice.label, ...(focused && i === this.#at ? { tone: 'selected' as const } : {}) },
      ];
      if (choice.hint !== undefined) spans.push({ text: `  ${choice.hint}`, tone: 'muted' });
      return spans;
    });
    const { hint } = this.#options;
    if (focused && hint !== undefined) lines.push([{ text: cutText(hint, columns), tone: 'muted' }]);
    return lines;
  }

  cursor(): { row: number; column: number } {
    return { row: this.#at, column: 1 };
  }

  #index(): number {
    return this.#options.choices.findIndex((choice) => choice.value === this.#value);
  }

  #choose(): void {
    const choice = this.#options.choices[this.#at];
    if (choice === undefined) return;
    this.#value = choice.value;
    this.problem = '';
    this.#options.onChange?.(choice.value);
  }
}

export interface CheckFieldOptions extends FieldOptions {
  value?: boolean;
  /** Said behind the box. */
  text: string;
  onChange?: (value: boolean) => void;
}

/** `[x] text`, changed with Space. */
export class CheckField implements Field {
  readonly name: string;
  readonly label: string;
  readonly focusable = true;
  problem = '';
  value: boolean;
  readonly #options: CheckFieldOptions;

  constructor(options: CheckFieldOptions) {
    this.name = options.name;
    this.label = options.label;
    this.value = options.value ?? false;
    this.#options = options;
  }

  hidden(): boolean {
    return this.#options.hidden?.() ?? false;
  }

  onKey(key: KeyPress, _host: AnyHost): boolean {
    if (key.name !== 'space') return false;
    this.value = !this.value;
    this.problem = '';
    this.#options.onChange?.(this.value);
    return true;
  }

  render(columns: number, focused: boolean): Line[] {
    const lines: Line[] = [
      [
        { text: this.value ? '[x] ' : '[ ] ', tone: this.value ? 'good' : 'muted' },
        { text: this.#options.text, ...(focused ? { tone: 'selected' as const } : {}) },
      ],
    ];
    const { hint } = this.#options;
    if (focused && hint !== undefined) lines.push([{ text: cutText(hint, columns), tone: 'muted' }]);
    return lines;
  }

  cursor(): { row: number; column: number } {
    return { row: 0, column: 1 };
  }
}
