import { cellText, padText } from './cell-text.ts';
import type { KeyPress, Line, PageSize, Span, Tone } from './page.ts';

export interface TableColumn<Row> {
  title: string;
  text: (row: Row) => string;
  tone?: (row: Row) => Tone | undefined;
  align?: 'left' | 'right';
  /** Columns it gets at least; it grows up to `max` when there is room. Default: the title's length. */
  min?: number;
  /** Default: as long as its longest text. */
  max?: number;
  /** In a narrow terminal columns with a higher number go first; 0 (default) always stays. */
  drop?: number;
}

export interface TableOptions<Row> {
  columns: readonly TableColumn<Row>[];
  rows?: readonly Row[];
  /** Names a row over updates: cursor and selection stay with it. */
  id: (row: Row) => string;
  /** `[x]` before each row, changed with Space; `a` chooses all or none. */
  selectable?: boolean;
  /** Shown instead of rows when there are none. */
  empty?: string;
  /** A text that takes the place of all columns from the one with this title on, e.g. why a row has no numbers. */
  tail?: { from: string; text: (row: Row) => string; tone?: Tone };
}

const GAP_COLUMNS = 2;
const MARK_COLUMNS = 4;

/** Rows under headings, with a cursor, scrolling, and selection by `[x]`. */
export class Table<Row> {
  readonly #options: TableOptions<Row>;
  #rows: readonly Row[];
  #at = 0;
  #top = 0;
  #pageRows = 10;
  /** Ids of the chosen rows. */
  readonly chosen = new Set<string>();

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.#rows = options.rows ?? [];
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** The row under the cursor. */
  get current(): Row | undefined {
    return this.#rows[this.#at];
  }

  get atFirst(): boolean {
    return this.#at <= 0;
  }

  get atLast(): boolean {
    return this.#at >= this.#rows.length - 1;
  }

  /** Replaces the rows; cursor and selection stay with theirs, ids that are gone are no longer chosen. */
  setRows(rows: readonly Row[]): void {
    const { id } = this.#options;
    const current = this.current === undefined ? undefined : id(this.current);
    this.#rows = rows;
    const found = current === undefined ? -1 : rows.findIndex((row) => id(row) === current);
    if (found >= 0) this.#at = found;
    this.#at = Math.max(0, Math.min(this.#at, rows.length - 1));
    if (this.chosen.size === 0) return;
    const ids = new Set(rows.map(id));
    for (const one of this.chosen) if (!ids.has(one)) this.chosen.delete(one);
  }

  chosenRows(): Row[] {
    return this.#rows.filter((row) => this.chosen.has(this.#options.id(row)));
  }

  /** Moves the cursor to a row. */
  moveTo(id: string): void {
    const found = this.#rows.findIndex((row) => this.#options.id(row) === id);
    if (found >= 0) this.#at = found;
  }

  /** @returns whether the key was used. */
  onKey(key: KeyPress): boolean {
    const last = this.#rows.length - 1;
    const moved = {
      up: this.#at - 1,
      down: this.#at + 1,
      pageup: this.#at - this.#pageRows,
      pagedown: this.#at + this.#pageRows,
      home: 0,
      end: last,
    }[key.name];
    if (moved !== undefined) {
      this.#at = Math.max(0, Math.min(last, moved));
      return true;
    }
    if (this.#options.selectable !== true || key.ctrl) return false;
    if (key.name === 'space') this.#toggle();
    else if (key.name === 'a') this.chooseAll(this.chosen.size < this.#rows.length);
    else return false;
    return true;
  }

  chooseAll(chosen: boolean): void {
    this.chosen.clear();
    if (chosen) for (const row of this.#rows) this.chosen.add(this.#options.id(row));
  }

  #toggle(): void {
    if (this.current === undefined) return;
    const id = this.#options.id(this.current);
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.#at = Math.min(this.#at + 1, this.#rows.length - 1);
  }

  /** Heading and as many rows as fit; fewer lines when there are fewer rows. */
  render(size: PageSize, options: { focused?: boolean } = {}): Line[] {
    const { focused = true } = options;
    const shown = Math.max(1, size.rows - 1);
    this.#pageRows = Math.max(1, shown - 1);
    this.#top = Math.max(0, Math.min(this.#top, this.#rows.length - shown));
    if (this.#at < this.#top) this.#top = this.#at;
    if (this.#at >= this.#top + shown) this.#top = this.#at - shown + 1;
    const visible = this.#rows.slice(this.#top, this.#top + shown);
    const mark = this.#options.selectable === true ? MARK_COLUMNS : 0;
    // The first and last column are margin and scroll mark.
    const layout = this.#layout(size.columns - mark - 2);
    const heading = layout.map(({ column, columns }) => padText(column.title, columns, column.align));
    const lines: Line[] = [[{ text: ` ${' '.repeat(mark)}${heading.join('  ')}`, tone: 'muted' }]];
    if (visible.length === 0)
      lines.push([{ text: ` ${this.#options.empty ?? 'Nothing here'}`, tone: 'muted' }]);
    visible.forEach((row, i) => {
      const current = focused && this.#top + i === this.#at;
      const scroll = this.#scrollMark(i, visible.length);
      lines.push(this.#line(row, { layout, columns: size.columns, current, scroll }));
    });
    return lines;
  }

  #line(
    row: Row,
    options: { layout: readonly Placed<Row>[]; columns: number; current: boolean; scroll: string },
  ): Line {
    const spans: Span[] = [{ text: ' ' }];
    if (this.#options.selectable === true) {
      const chosen = this.chosen.has(this.#options.id(row));
      spans.push({ text: chosen ? '[x] ' : '[ ] ', tone: chosen ? 'good' : 'muted' });
    }
    const { tail } = this.#options;
    const instead = tail?.text(row) ?? '';
    for (const [i, { column, columns }] of options.layout.entries()) {
      const gap = i === 0 ? '' : ' '.repeat(GAP_COLUMNS);
      if (instead !== '' && column.title === tail?.from) {
        const used = spans.reduce((sum, span) => sum + span.text.length, 0);
        const text = `${gap}${padText(instead, options.columns - used - gap.length - 1)}`;
        spans.push({ text, tone: tail.tone ?? 'plain' });
        break;
      }
      const tone = column.tone?.(row);
      const text = `${gap}${padText(column.text(row), columns, column.align)}`;
      spans.push(tone === undefined ? { text } : { text, tone });
    }
    const used = spans.reduce((sum, span) => sum + span.text.length, 0);
    spans.push({ text: ' '.repeat(Math.max(0, options.columns - used - 1)) });
    const shown = options.current
      ? spans.map((span) => ({ text: span.text, tone: 'selected' as const }))
      : spans;
    return [...shown, { text: options.scroll, tone: 'muted' }];
  }

  #scrollMark(i: number, shown: number): string {
    if (shown >= this.#rows.length) return ' ';
    if (i === 0 && this.#top > 0) return '▲';
    return i === shown - 1 && this.#top + shown < this.#rows.length ? '▼' : ' ';
  }

  /** Widths of the columns that fit; spare room goes to those that want more, first come first served. */
  #layout(columns: number): Placed<Row>[] {
    const wanted = this.#options.columns.map((column) => {
      const min = Math.max(column.min ?? 0, cellText(column.title).length);
      return { column, columns: min, natural: Math.max(min, this.#naturalColumns(column)) };
    });
    while (widthOf(wanted) > columns) {
      const dropped = wanted.reduce(
        (worst, one) => ((one.column.drop ?? 0) > (worst.column.drop ?? 0) ? one : worst),
        wanted[0]!,
      );
      if ((dropped.column.drop ?? 0) === 0) break;
      wanted.splice(wanted.indexOf(dropped), 1);
    }
    for (const one of wanted) {
      const spare = columns - widthOf(wanted);
      one.columns += Math.max(0, Math.min(spare, one.natural - one.columns));
    }
    return wanted;
  }

  #naturalColumns(column: TableColumn<Row>): number {
    let longest = 0;
    for (const row of this.#rows) longest = Math.max(longest, cellText(column.text(row)).length);
    return Math.min(column.max ?? Number.POSITIVE_INFINITY, longest);
  }
}

interface Placed<Row> {
  column: TableColumn<Row>;
  columns: number;
}

function widthOf(columns: readonly { columns: number }[]): number {
  return columns.reduce((sum, one) => sum + one.columns + GAP_COLUMNS, -GAP_COLUMNS);
}
