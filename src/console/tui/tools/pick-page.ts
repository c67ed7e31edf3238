import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';

export interface PickChoice {
  value: string;
  text: string;
}

export interface PickPageOptions {
  title: string;
  helpTopic: string;
  /** First line, which stands for the empty value. */
  all: string;
  choices: readonly PickChoice[];
}

/** One of a list; its result is the value. */
export class PickPage implements Page<string> {
  readonly title: string;
  readonly helpTopic: string;
  readonly #table: Table<PickChoice>;

  constructor({ title, helpTopic, all, choices }: PickPageOptions) {
    this.title = title;
    this.helpTopic = helpTopic;
    this.#table = new Table({
      id: ({ value }) => value,
      columns: [{ title: '', text: ({ text }) => text, max: 200 }],
      rows: [{ value: '', text: all }, ...choices],
    });
  }

  render(size: PageSize): Line[] {
    return this.#table.render(size);
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Enter', label: 'Choose' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<string>): void {
    if (key.name === 'escape') host.close();
    else if (key.name === 'enter') host.close(this.#table.current?.value ?? '');
    else this.#table.onKey(key);
  }
}
