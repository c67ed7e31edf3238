import { errorLine } from '../errors.ts';
import { formatBytes, formatSeconds } from '../progress.ts';
import { problemLines, wrapText } from './cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from './page.ts';
import { percentText, progressSpans } from './progress-spans.ts';

export interface TaskProgress {
  doneBytes: number;
  totalBytes: number;
  /** What is done now. */
  step?: string;
  /** Further lines below the bar. */
  lines?: readonly Line[];
}

export interface TaskPageOptions<Result> {
  title: string;
  helpTopic: string;
  /** What is done, in a few words above the bar. */
  text: string;
  /** Asked before Escape cancels; default a plain question. */
  cancelText?: string;
  run: (update: (progress: TaskProgress) => void, signal: AbortSignal) => Promise<Result>;
  /** The end as the person reads it; without it the page closes by itself. */
  result?: (result: Result) => readonly Line[];
}

/** Runs something long with a bar, rate and time left; Escape cancels. Its result is that of the work. */
export class TaskPage<Result> implements Page<Result> {
  readonly title: string;
  readonly helpTopic: string;
  readonly #options: TaskPageOptions<Result>;
  readonly #cancel = new AbortController();
  readonly #startMs = performance.now();
  #progress: TaskProgress = { doneBytes: 0, totalBytes: 0 };
  #state: 'new' | 'running' | 'cancelling' | 'done' | 'failed' = 'new';
  #result: Result | undefined;
  #problem = '';

  constructor(options: TaskPageOptions<Result>) {
    this.title = options.title;
    this.helpTopic = options.helpTopic;
    this.#options = options;
  }

  onShown(host: PageHost<Result>): void {
    if (this.#state === 'new') void this.#run(host);
  }

  render(size: PageSize): Line[] {
    const lines: Line[] = [
      '',
      ...wrapText(this.#options.text, size.columns - 4).map((text) => `  ${text}`),
      '',
    ];
    if (this.#state === 'done') return [...lines, ...(this.#options.result?.(this.#result as Result) ?? [])];
    if (this.#state === 'failed') return [...lines, ...problemLines(this.#problem, size.columns)];
    const { doneBytes, totalBytes, step = '', lines: more = [] } = this.#progress;
    if (totalBytes > 0) {
      const fraction = doneBytes / totalBytes;
      const bar = progressSpans(fraction, Math.min(60, size.columns - 14));
      lines.push([{ text: '  ' }, ...bar, { text: ` ${percentText(fraction)}` }], `  ${this.#rate()}`);
    }
    lines.push('', `  ${this.#state === 'cancelling' ? 'Cancelling …' : step}`, '', ...more);
    return lines;
  }

  keys(): readonly PageKey[] {
    if (this.#state === 'done' || this.#state === 'failed') return [{ key: 'Enter', label: 'Continue' }];
    return [{ key: 'Esc', label: 'Cancel' }];
  }

  onKey(key: KeyPress, host: PageHost<Result>): void {
    const ended = this.#state === 'done' || this.#state === 'failed';
    if (ended && ['enter', 'escape', 'space'].includes(key.name)) host.close(this.#result);
    else if (this.#state === 'running' && key.name === 'escape') void this.#askCancel(host);
  }

  async #askCancel(host: PageHost<Result>): Promise<void> {
    const text = this.#options.cancelText ?? 'Cancel what is running?';
    if (!(await host.confirm(this.title, text)) || this.#state !== 'running') return;
    this.#state = 'cancelling';
    this.#cancel.abort();
    host.refresh();
  }

  async #run(host: PageHost<Result>): Promise<void> {
    this.#state = 'running';
    const update = (progress: TaskProgress) => {
      this.#progress = progress;
      host.refresh();
    };
    try {
      this.#result = await this.#options.run(update, AbortSignal.any([this.#cancel.signal, host.signal]));
      this.#state = 'done';
      if (this.#options.result === undefined) host.close(this.#result);
    } catch (error) {
      this.#problem = this.#cancel.signal.aborted ? 'cancelled' : errorLine(error);
      this.#state = 'failed';
    }
    host.refresh();
  }

  #rate(): string {
    const { doneBytes, totalBytes } = this.#progress;
    const seconds = (performance.now() - this.#startMs) / 1000;
    const rate = seconds > 0 ? doneBytes / seconds : 0;
    const left = rate > 0 ? `   ${formatSeconds((totalBytes - doneBytes) / rate)} left` : '';
    return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}   ${formatBytes(rate)}/s${left}`;
  }
}
