import { wrapText } from './cell-text.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from './page.ts';
import { TextField } from './text-field.ts';

const TEXT_COLUMNS_MAX = 90;

/** What a question needs below its text. */
const ANSWER_ROWS = 6;

function textLines(text: string, size: PageSize): string[] {
  const lines = wrapText(text, Math.min(TEXT_COLUMNS_MAX, size.columns - 4)).map((line) => `  ${line}`);
  const max = Math.max(1, size.rows - ANSWER_ROWS);
  return lines.length > max ? [...lines.slice(0, max - 1), '  …'] : lines;
}

/** A few words that are read and left. */
export class MessagePage implements Page {
  readonly title: string;
  readonly helpTopic = '';
  readonly dialog = true;
  readonly #text: string;
  readonly #bad: boolean;

  constructor(title: string, text: string, options: { bad?: boolean } = {}) {
    this.title = title;
    this.#text = text;
    this.#bad = options.bad ?? false;
  }

  render(size: PageSize): Line[] {
    const lines = textLines(this.#text, size);
    return ['', ...lines.map((text): Line => (this.#bad ? [{ text, tone: 'bad' }] : text))];
  }

  keys(): readonly PageKey[] {
    return [{ key: 'Enter', label: 'Continue' }];
  }

  onKey(key: KeyPress, host: PageHost): void {
    if (['enter', 'escape', 'space'].includes(key.name)) host.close();
  }
}

/** A question that is answered with yes only on purpose: by `y`, or by typing what is asked for. */
export class ConfirmPage implements Page<boolean> {
  readonly title: string;
  readonly helpTopic = '';
  readonly dialog = true;
  readonly #text: string;
  readonly #typed: string | undefined;
  readonly #field: TextField;

  constructor(title: string, text: string, options: { typed?: string } = {}) {
    this.title = title;
    this.#text = text;
    this.#typed = options.typed;
    this.#field = new TextField({ name: 'typed', label: '', columns: 30, max: 200 });
  }

  render(size: PageSize): Line[] {
    const lines: Line[] = ['', ...textLines(this.#text, size), ''];
    if (this.#typed === undefined) return lines;
    lines.push(
      [{ text: '  Type ' }, { text: this.#typed, tone: 'key' }, { text: ' to confirm, then Enter.' }],
      '',
    );
    const box = this.#field.render(40, true)[0]!;
    lines.push([{ text: '  ' }, ...(typeof box === 'string' ? [{ text: box }] : box)]);
    if (this.#field.problem !== '') lines.push([{ text: `  ! ${this.#field.problem}`, tone: 'bad' }]);
    return lines;
  }

  cursor(size: PageSize): CellPlace | undefined {
    if (this.#typed === undefined) return undefined;
    return { row: textLines(this.#text, size).length + 4, column: 2 + this.#field.cursor(40).column };
  }

  keys(): readonly PageKey[] {
    const yes = this.#typed === undefined ? { key: 'Y', label: 'Yes' } : { key: 'Enter', label: 'Confirm' };
    return [yes, { key: this.#typed === undefined ? 'N' : 'Esc', label: 'No' }];
  }

  onKey(key: KeyPress, host: PageHost<boolean>): void {
    if (key.name === 'escape') host.close(false);
    else if (this.#typed === undefined) {
      if (key.name === 'y') host.close(true);
      else if (key.name === 'n') host.close(false);
    } else if (key.name === 'enter') {
      if (this.#field.value.trim() === this.#typed) host.close(true);
      else this.#field.problem = `that is not ${this.#typed}`;
    } else {
      this.#field.onKey(key, host);
      this.#field.problem = '';
    }
  }
}
