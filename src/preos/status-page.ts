import { MENU_HINT, type ScreenView } from '../lib/screen.ts';
import { padText, wrapText } from '../lib/tui/cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../lib/tui/page.ts';
import { percentText, progressSpans } from '../lib/tui/progress-spans.ts';
import type { Call } from './face.ts';

const LABEL_COLUMNS = 12;
const BAR_COLUMNS_MAX = 50;
const BAR_COLUMNS_MIN = 20;
const REFRESH_MS = 250;
const EMPTY_VIEW: ScreenView = {
  title: 'TotalDeploy',
  rows: [],
  activity: 'Starting',
  problems: [],
  hints: [],
};

export interface StatusPageOptions {
  /** What the keys call for; a key without a call is not shown. */
  onCall(call: Call): void;
  /** `name` where the key press is called otherwise than the key bar says. */
  keys: readonly { key: string; name?: string; label: string; call: Call }[];
}

/** What happens on this computer now; the page below all others where full screens are shown. */
export class StatusPage implements Page<void> {
  readonly #options: StatusPageOptions;
  #view = EMPTY_VIEW;
  #host: PageHost<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  #at = 0;

  constructor(options: StatusPageOptions) {
    this.#options = options;
  }

  get title(): string {
    return this.#view.title;
  }

  get helpTopic(): string {
    return 'preos.status';
  }

  /** Draws soon, a few times a second at most. */
  show(view: ScreenView): void {
    this.#view = view;
    this.#at = Math.max(0, Math.min(this.#at, (view.choices?.items.length ?? 1) - 1));
    this.#hasChanged = true;
  }

  onShown(host: PageHost<void>): void {
    this.#host = host;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      if (this.#hasChanged) this.#host?.refresh();
      this.#hasChanged = false;
    }, REFRESH_MS);
  }

  onHidden(): void {
    clearInterval(this.#timer);
  }

  keys(): readonly PageKey[] {
    const choose = (this.#view.choices?.items.length ?? 0) === 0 ? [] : [{ key: 'Enter', label: 'Choose' }];
    return [...choose, ...this.#options.keys.map(({ key, label }) => ({ key, label }))];
  }

  onKey(key: KeyPress, _host: PageHost<void>): void {
    const items = this.#view.choices?.items ?? [];
    const found = this.#options.keys.find((one) => (one.name ?? one.key.toLowerCase()) === key.name);
    if (items.length > 0 && key.name === 'up') this.#at = Math.max(0, this.#at - 1);
    else if (items.length > 0 && key.name === 'down') this.#at = Math.min(items.length - 1, this.#at + 1);
    else if (items.length > 0 && key.name === 'enter') this.#pick(this.#at);
    else if (/^[1-9]$/.test(key.name) && Number(key.name) <= items.length) this.#pick(Number(key.name) - 1);
    else if (found !== undefined) this.#options.onCall(found.call);
    else if (key.name === 'enter') this.#options.onCall({ kind: 'menu' });
  }

  #pick(index: number): void {
    this.#at = index;
    this.#options.onCall({ kind: 'choice', index });
  }

  render(size: PageSize): Line[] {
    const view = this.#view;
    const hasChoices = (view.choices?.items.length ?? 0) > 0;
    // Enter takes a choice then; the key bar has the menu's own key.
    const hints = view.hints.filter((hint) => !hasChoices || hint !== MENU_HINT);
    const tail = hints.flatMap((hint) => wrapText(hint, size.columns - 4)).map(mutedLine);
    const middle = [...this.#progressLines(size), ...problemLines(view, size), ...this.#choiceLines(size)];
    const rowsMax = Math.max(2, size.rows - middle.length - Math.min(tail.length, 3) - 3);
    const lines: Line[] = ['', ...rowLines(view, size).slice(0, rowsMax), '', ...middle];
    const shownTail = tail.slice(0, Math.max(0, size.rows - lines.length - 1));
    while (lines.length < size.rows - shownTail.length) lines.push('');
    return [...lines.slice(0, size.rows - shownTail.length), ...shownTail];
  }

  #progressLines(size: PageSize): Line[] {
    const { activity, fraction, rate = '' } = this.#view;
    const lines: Line[] = wrapText(activity, size.columns - 4).map((text) => [
      { text: '  ' },
      { text, tone: 'heading' },
    ]);
    if (fraction === undefined) return rate === '' ? lines : [...lines, `  ${rate}`];
    const columns = Math.max(BAR_COLUMNS_MIN, Math.min(BAR_COLUMNS_MAX, size.columns - rate.length - 14));
    const tone = fraction >= 1 ? 'good' : 'plain';
    const bar = [
      { text: '  ' },
      ...progressSpans(fraction, columns, tone),
      { text: ` ${percentText(fraction)}` },
    ];
    const fits = columns + rate.length + 12 <= size.columns;
    return fits ? [...lines, [...bar, { text: `  ${rate}` }]] : [...lines, bar, `  ${rate}`];
  }

  #choiceLines(size: PageSize): Line[] {
    const { choices } = this.#view;
    if (choices === undefined || choices.items.length === 0) return [];
    const shown = Math.max(3, size.rows - 14);
    const top = Math.max(0, Math.min(this.#at - shown + 1, choices.items.length - shown));
    const items = choices.items.slice(top, top + shown).map((item, i): Line => {
      const index = top + i;
      const text = padText(` ${String(index + 1).padStart(2)}  ${item}`, size.columns - 4);
      return [{ text: '  ' }, { text, tone: index === this.#at ? 'selected' : 'plain' }];
    });
    return ['', [{ text: '  ' }, { text: choices.title, tone: 'heading' }], ...items];
  }
}

function mutedLine(text: string): Line {
  return [{ text: `  ${text}`, tone: 'muted' }];
}

function rowLines(view: ScreenView, size: PageSize): Line[] {
  return view.rows.flatMap((row) =>
    wrapText(row.value, size.columns - LABEL_COLUMNS - 5).map((text, i): Line => {
      const label = padText(i === 0 ? row.label : '', LABEL_COLUMNS);
      return [{ text: `  ${label}  `, tone: 'muted' }, { text }];
    }),
  );
}

function problemLines(view: ScreenView, size: PageSize): Line[] {
  if (view.problems.length === 0) return [];
  const lines = view.problems.slice(0, 5).flatMap((problem) =>
    wrapText(problem, size.columns - 6).map(
      (text, i): Line => [
        { text: `  ${i === 0 ? '!' : ' '} `, tone: 'bad' },
        { text, tone: 'bad' },
      ],
    ),
  );
  return ['', ...lines];
}
