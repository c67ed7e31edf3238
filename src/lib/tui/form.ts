import { cellText, padText, wrapText } from './cell-text.ts';
import type { AnyHost, Field } from './field.ts';
import type { CellPlace, KeyPress, Line, PageSize } from './page.ts';

const LABEL_COLUMNS_MAX = 26;
const MARGIN = '  ';

export interface FormOptions {
  fields: readonly Field[];
  /** A few words above the fields. */
  intro?: string;
}

interface Drawn {
  field: Field;
  top: number;
  lines: Line[];
}

/** Fields under each other with one aligned column of labels; scrolls to the one with the cursor. */
export class Form {
  readonly fields: readonly Field[];
  intro: string;
  readonly #touched = new Set<string>();
  #focused: Field | undefined;
  #top = 0;

  constructor(options: FormOptions) {
    this.fields = options.fields;
    this.intro = options.intro ?? '';
    this.#focused = this.#focusable()[0];
  }

  get focused(): Field | undefined {
    return this.#focused;
  }

  /** Puts the cursor on the field of this name. */
  focus(name: string): void {
    this.#focused = this.#focusable().find((field) => field.name === name) ?? this.#focused;
  }

  /** Checks every field that is shown and puts the cursor on the first wrong one. */
  check(): boolean {
    const shown = this.#shown();
    for (const field of shown) field.check?.();
    const wrong = shown.find((field) => field.problem !== '');
    if (wrong !== undefined) this.#focused = wrong;
    return wrong === undefined;
  }

  /**
   * Shows problems at the fields whose names are their paths or the beginning of them.
   *
   * @returns the problems that belong to none.
   */
  setProblems(problems: readonly { path: string; message: string }[]): { path: string; message: string }[] {
    const rest: { path: string; message: string }[] = [];
    let first: Field | undefined;
    for (const { name } of this.fields) this.#touched.add(name);
    for (const problem of problems) {
      const field = this.#shown().find(({ name }) => belongsTo(problem, name));
      if (field === undefined) rest.push(problem);
      else {
        field.problem ||= problem.message;
        first ??= field;
      }
    }
    if (first !== undefined) this.#focused = first;
    return rest;
  }

  /** Replaces what is shown at each field by its first problem, once it was touched or {@link setProblems} was called. */
  showProblems(problems: readonly { path: string; message: string }[]): void {
    for (const field of this.fields) {
      if (field.name === '') continue;
      const problem = problems.find((one) => belongsTo(one, field.name));
      field.problem = this.#touched.has(field.name) ? (problem?.message ?? '') : '';
    }
  }

  /** @returns whether the key was used. */
  onKey(key: KeyPress, host: AnyHost): boolean {
    const name = this.#focused?.name ?? '';
    const used = this.#use(key, host);
    if (used) this.#touched.add(name);
    return used;
  }

  #use(key: KeyPress, host: AnyHost): boolean {
    this.#keepFocus();
    if (this.#focused?.onKey(key, host) === true) return true;
    const step = { up: -1, backtab: -1, down: 1, tab: 1, enter: 1 }[key.name];
    if (step === undefined) return false;
    return this.#move(step, key.name === 'tab' || key.name === 'backtab');
  }

  render(size: PageSize): Line[] {
    this.#keepFocus();
    const { drawn, intro } = this.#draw(size);
    const all: Line[] = [...intro, ...drawn.flatMap(({ lines }) => lines)];
    const focused = drawn.find(({ field }) => field === this.#focused);
    if (focused !== undefined) this.#scroll(focused, { rows: size.rows, total: all.length });
    return all.slice(this.#top, this.#top + size.rows);
  }

  cursor(size: PageSize): CellPlace | undefined {
    const { drawn } = this.#draw(size);
    const focused = drawn.find(({ field }) => field === this.#focused);
    const label = this.#labelColumns();
    const wide = focused?.field.label === '';
    const start = wide ? MARGIN.length : MARGIN.length + label + 2;
    const place = focused?.field.cursor?.(size.columns - start - 1);
    if (focused === undefined || place === undefined) return undefined;
    return { row: focused.top + place.row - this.#top, column: start + place.column };
  }

  #draw(size: PageSize): { drawn: Drawn[]; intro: Line[] } {
    const intro: Line[] =
      this.intro === ''
        ? []
        : [...wrapText(this.intro, size.columns - 4).map((text) => `${MARGIN}${text}`), ''];
    const drawn: Drawn[] = [];
    let top = intro.length;
    for (const field of this.#shown()) {
      const lines = this.#fieldLines(field, size.columns);
      drawn.push({ field, top, lines });
      top += lines.length;
    }
    return { drawn, intro };
  }

  #fieldLines(field: Field, columns: number): Line[] {
    const label = this.#labelColumns();
    const focused = field === this.#focused;
    const wide = field.label === '';
    const start = wide ? MARGIN.length : MARGIN.length + label + 2;
    const lines = field.render(Math.max(8, columns - start - 1), focused).map((line, i): Line => {
      const spans = typeof line === 'string' ? [{ text: line }] : line;
      if (wide) return [{ text: MARGIN }, ...spans];
      const text = `${MARGIN}${padText(i === 0 ? field.label : '', label)}  `;
      return [{ text, tone: focused && i === 0 ? 'heading' : 'plain' }, ...spans];
    });
    if (field.problem !== '') {
      for (const text of wrapText(`! ${field.problem}`, Math.max(8, columns - start - 1))) {
        lines.push([{ text: ' '.repeat(start) }, { text, tone: 'bad' }]);
      }
    }
    return lines;
  }

  #labelColumns(): number {
    const longest = Math.max(0, ...this.fields.map((field) => cellText(field.label).length));
    return Math.min(LABEL_COLUMNS_MAX, longest);
  }

  #scroll(focused: Drawn, options: { rows: number; total: number }): void {
    const { rows, total } = options;
    const end = focused.top + focused.lines.length;
    if (end > this.#top + rows) this.#top = end - rows;
    if (focused.top < this.#top) this.#top = focused.top;
    // The words above the first field come back with it.
    if (focused.field === this.#focusable()[0] && end <= rows) this.#top = 0;
    this.#top = Math.max(0, Math.min(this.#top, total - rows));
  }

  #move(step: number, around: boolean): boolean {
    const fields = this.#focusable();
    const at = this.#focused === undefined ? -1 : fields.indexOf(this.#focused);
    const next = at + step;
    if (!around && (next < 0 || next >= fields.length)) return false;
    this.#focused?.check?.();
    this.#focused = fields[(next + fields.length) % fields.length];
    return true;
  }

  #keepFocus(): void {
    const fields = this.#focusable();
    if (this.#focused === undefined || !fields.includes(this.#focused)) this.#focused = fields[0];
  }

  #shown(): Field[] {
    return this.fields.filter((field) => field.hidden?.() !== true);
  }

  #focusable(): Field[] {
    return this.#shown().filter((field) => field.focusable);
  }
}

function belongsTo({ path }: { path: string }, name: string): boolean {
  return name !== '' && (path === name || path.startsWith(`${name}.`));
}
