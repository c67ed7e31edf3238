import { wrapText } from './cell-text.ts';
import type { AnyHost, Field } from './field.ts';
import type { KeyPress, Line, Tone } from './page.ts';

/** Text between fields; broken at the form's width. */
export class Note implements Field {
  readonly name = '';
  readonly label: string;
  readonly focusable = false;
  problem = '';
  /** May be changed at any time; empty makes an empty line. */
  text: string;
  readonly #tone: Tone;
  readonly #hidden: (() => boolean) | undefined;

  constructor(text: string, options: { label?: string; tone?: Tone; hidden?: () => boolean } = {}) {
    this.text = text;
    this.label = options.label ?? '';
    this.#tone = options.tone ?? 'plain';
    this.#hidden = options.hidden;
  }

  hidden(): boolean {
    return this.#hidden?.() ?? false;
  }

  render(columns: number): Line[] {
    return wrapText(this.text, columns).map((text) => [{ text, tone: this.#tone }]);
  }

  onKey(): boolean {
    return false;
  }
}

export interface Button {
  label: string;
  press: (host: AnyHost) => void | Promise<void>;
}

/** Buttons in a row: Left and Right move, Enter or Space presses. */
export class ButtonRow implements Field {
  readonly name = '';
  readonly label = '';
  readonly focusable = true;
  problem = '';
  readonly #buttons: readonly Button[];
  #at = 0;

  constructor(buttons: readonly Button[]) {
    this.#buttons = buttons;
  }

  render(_columns: number, focused: boolean): Line[] {
    return [
      this.#buttons.flatMap((button, i) => [
        {
          text: `[ ${button.label} ]`,
          tone: focused && i === this.#at ? ('selected' as const) : ('plain' as const),
        },
        { text: '  ' },
      ]),
    ];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name === 'left' && this.#at > 0) this.#at -= 1;
    else if (key.name === 'right' && this.#at < this.#buttons.length - 1) this.#at += 1;
    else if (key.name === 'enter' || key.name === 'space') void this.#press(host);
    else return false;
    return true;
  }

  async #press(host: AnyHost): Promise<void> {
    try {
      await this.#buttons[this.#at]?.press(host);
    } catch (error) {
      await host.showError(error);
    }
  }
}
