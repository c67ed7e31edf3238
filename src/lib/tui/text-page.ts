import { wrapText } from './cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from './page.ts';

const TEXT_COLUMNS_MAX = 96;

/** A text that may be longer than the page. Lines that begin with `# ` are headings. */
export class TextPage implements Page {
  readonly title: string;
  readonly helpTopic: string;
  readonly #text: string;
  #top = 0;
  #pageRows = 10;
  #rowsMax = 0;

  constructor(title: string, text: string, options: { helpTopic?: string } = {}) {
    this.title = title;
    this.helpTopic = options.helpTopic ?? '';
    this.#text = text;
  }

  render(size: PageSize): Line[] {
    const lines = this.#text.split('\n').flatMap((paragraph): Line[] => {
      const heading = paragraph.startsWith('# ');
      const text = heading ? paragraph.slice(2) : paragraph;
      return wrapText(text, Math.min(TEXT_COLUMNS_MAX, size.columns - 4)).map((line) =>
        heading ? [{ text: `  ${line}`, tone: 'heading' }] : `  ${line}`,
      );
    });
    this.#pageRows = Math.max(1, size.rows - 2);
    this.#rowsMax = Math.max(0, lines.length - (size.rows - 1));
    this.#top = Math.min(this.#top, this.#rowsMax);
    return ['', ...lines.slice(this.#top, this.#top + size.rows - 1)];
  }

  keys(): readonly PageKey[] {
    const more = this.#rowsMax > 0 ? [{ key: 'PgUp/PgDn', label: 'Scroll' }] : [];
    return [...more, { key: 'Esc', label: 'Back' }];
  }

  onKey(key: KeyPress, host: PageHost): void {
    if (key.name === 'escape' || key.name === 'enter') {
      host.close();
      return;
    }
    const moved = {
      up: this.#top - 1,
      down: this.#top + 1,
      pageup: this.#top - this.#pageRows,
      pagedown: this.#top + this.#pageRows,
      space: this.#top + this.#pageRows,
      home: 0,
      end: this.#rowsMax,
    }[key.name];
    if (moved !== undefined) this.#top = Math.max(0, Math.min(this.#rowsMax, moved));
  }
}
