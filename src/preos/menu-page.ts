import { padText, wrapText } from '../lib/tui/cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../lib/tui/page.ts';
import type { Countdown } from './countdown.ts';

const COUNT_MS = 250;

export interface MenuPageOptions<Choice extends string> {
  title: string;
  helpTopic: string;
  question: string;
  /** Told before anything else, one line each. */
  problems?: readonly string[];
  /** What came of something, one line each. */
  results?: readonly string[];
  items: readonly { choice: Choice; label: string; note?: string }[];
  /** What Escape answers; without it Escape does nothing. */
  onEscape?: Choice;
  countdown?: Countdown | undefined;
  /** What happens without an answer, e.g. `Deploy agent`. */
  countdownLabel?: string;
}

/** A short list to choose from with arrows and Enter, or by a digit. */
export class MenuPage<Choice extends string> implements Page<Choice> {
  readonly #options: MenuPageOptions<Choice>;
  #at = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MenuPageOptions<Choice>) {
    this.#options = options;
  }

  get title(): string {
    return this.#options.title;
  }

  get helpTopic(): string {
    return this.#options.helpTopic;
  }

  onShown(host: PageHost<Choice>): void {
    if (this.#options.countdown === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => host.refresh(), COUNT_MS);
  }

  onHidden(): void {
    clearInterval(this.#timer);
  }

  keys(): readonly PageKey[] {
    const leave = this.#options.onEscape === undefined ? [] : [{ key: 'Esc', label: 'Back' }];
    return [{ key: 'Enter', label: 'Choose' }, ...leave];
  }

  onKey(key: KeyPress, host: PageHost<Choice>): void {
    const { items, onEscape, countdown } = this.#options;
    countdown?.stop();
    const last = items.length - 1;
    if (key.name === 'up') this.#at = this.#at === 0 ? last : this.#at - 1;
    else if (key.name === 'down') this.#at = this.#at === last ? 0 : this.#at + 1;
    else if (key.name === 'home') this.#at = 0;
    else if (key.name === 'end') this.#at = last;
    else if (key.name === 'enter') host.close(items[this.#at]!.choice);
    else if (/^[1-9]$/.test(key.name) && Number(key.name) <= items.length) {
      host.close(items[Number(key.name) - 1]!.choice);
    } else if (key.name === 'escape' && onEscape !== undefined) host.close(onEscape);
  }

  render(size: PageSize): Line[] {
    const { question, problems = [], results = [], items, countdown, countdownLabel } = this.#options;
    const lines: Line[] = [''];
    for (const problem of problems) {
      wrapText(problem, size.columns - 6).forEach((text, i) => {
        lines.push([{ text: `  ${i === 0 ? '!' : ' '} ${text}`, tone: 'bad' }]);
      });
    }
    for (const result of results) {
      for (const text of wrapText(result, size.columns - 4)) lines.push(`  ${text}`);
    }
    if (problems.length + results.length > 0) lines.push('');
    lines.push([{ text: '  ' }, { text: question, tone: 'heading' }], '');
    const columns = Math.min(size.columns - 4, 60);
    items.forEach(({ label, note = '' }, i) => {
      const text = padText(` ${i + 1}  ${label}`, columns);
      lines.push([
        { text: '  ' },
        { text, tone: i === this.#at ? 'selected' : 'plain' },
        { text: note === '' ? '' : `  ${note}`, tone: 'muted' },
      ]);
    });
    const left = countdown?.secondsLeft;
    if (left !== undefined) {
      lines.push('', [{ text: `  Without a key in ${left} s: ${countdownLabel}`, tone: 'warning' }]);
    }
    return lines;
  }
}
