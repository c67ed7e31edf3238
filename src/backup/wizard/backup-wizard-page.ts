import { errorLine } from '../../lib/errors.ts';
import { problemLines } from '../../lib/tui/cell-text.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import type { BackupRequest } from '../../preos/role.ts';
import { BACKUP_STEPS, draftProblems } from './backup-draft.ts';
import type { BackupContext, StepView } from './step-view.ts';

const HEADING_ROWS = 2;
const NOTE_ROWS_MAX = 3;

/** `Back up computer`: one step at a time, forward and back without losing what was entered. */
export class BackupWizardPage implements Page<BackupRequest | 'left'> {
  readonly title = 'Back up computer';
  readonly #context: BackupContext;
  readonly #views: readonly StepView[];
  readonly #request: () => BackupRequest;
  #at: number;
  #note: string;
  #busy: AbortController | undefined;
  #shown = new AbortController();

  /**
   * @param options.problem why the last backup failed; the wizard then begins at its end.
   * @param options.request makes the request of a draft without problems.
   */
  constructor(
    context: BackupContext,
    options: { views: readonly StepView[]; problem: string; request: () => BackupRequest },
  ) {
    this.#context = context;
    this.#views = options.views;
    this.#note = options.problem;
    this.#request = options.request;
    this.#at = options.problem === '' ? 0 : BACKUP_STEPS.length - 1;
  }

  get helpTopic(): string {
    const step = BACKUP_STEPS[this.#at]!;
    return `backup.${step === 'image' ? 'options' : step}`;
  }

  onShown(host: PageHost<BackupRequest | 'left'>): void {
    this.#shown.abort();
    this.#shown = new AbortController();
    this.#view.onShown?.(host, this.#shown.signal);
  }

  onHidden(): void {
    this.#shown.abort();
  }

  keys(): readonly PageKey[] {
    if (this.#busy !== undefined) return [{ key: 'Esc', label: 'Cancel' }];
    const isLast = this.#at === BACKUP_STEPS.length - 1;
    return [
      ...this.#view.keys(),
      ...(this.#at > 0 ? [{ key: 'F7', label: 'Back' }] : []),
      ...(isLast ? [] : [{ key: 'F8', label: 'Next' }]),
      { key: 'Esc', label: 'Leave' },
    ];
  }

  render(size: PageSize): Line[] {
    const note = this.#noteLines(size);
    const rows = Math.max(1, size.rows - HEADING_ROWS - note.length - 1);
    const lines: Line[] = [
      [
        { text: `  ${this.#at + 1} of ${BACKUP_STEPS.length}  `, tone: 'muted' },
        { text: this.#view.title, tone: 'heading' },
      ],
      '',
      ...this.#view.render({ columns: size.columns, rows }).slice(0, rows),
    ];
    while (lines.length < size.rows - note.length) lines.push('');
    return [...lines, ...note];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const rows = Math.max(1, size.rows - HEADING_ROWS - this.#noteLines(size).length - 1);
    const place = this.#view.cursor?.({ columns: size.columns, rows });
    return place === undefined ? undefined : { row: place.row + HEADING_ROWS, column: place.column };
  }

  onKey(key: KeyPress, host: PageHost<BackupRequest | 'left'>): void {
    if (this.#busy !== undefined) {
      if (key.name === 'escape') this.#busy.abort();
      return;
    }
    const isLast = this.#at === BACKUP_STEPS.length - 1;
    if (key.name === 'f7' && this.#at > 0) this.#go(this.#at - 1, host);
    else if (key.name === 'f8' && !isLast) void this.#next(host);
    else if (key.name === 'f2' && isLast) this.#start(host);
    else if (this.#view.onKey(key, host)) this.#note = '';
    else if (key.name === 'enter' && !isLast) void this.#next(host);
    else if (key.name === 'escape') void this.#leave(host);
  }

  get #view(): StepView {
    return this.#views[this.#at]!;
  }

  #noteLines(size: PageSize): Line[] {
    if (this.#busy !== undefined) return [[{ text: '  One moment …', tone: 'muted' }]];
    if (this.#note === '') return [''];
    return problemLines(this.#note, size.columns).slice(0, NOTE_ROWS_MAX);
  }

  #go(at: number, host: PageHost<BackupRequest | 'left'>): void {
    this.#at = at;
    this.#note = '';
    this.onShown(host);
    host.refresh();
  }

  async #next(host: PageHost<BackupRequest | 'left'>): Promise<void> {
    const view = this.#view;
    const wrong = draftProblems(this.#context.draft).filter(({ step }) => step === view.step);
    if (wrong.length > 0) {
      this.#note = view.showProblems === undefined ? wrong[0]!.message : view.showProblems();
      return;
    }
    const busy = new AbortController();
    this.#busy = busy;
    host.refresh();
    const signal = AbortSignal.any([busy.signal, host.signal]);
    const problem = await (view.beforeNext?.(signal) ?? Promise.resolve('')).catch((error: unknown) =>
      signal.aborted ? 'Cancelled' : errorLine(error),
    );
    this.#busy = undefined;
    if (host.signal.aborted) return;
    if (problem === '') this.#go(this.#at + 1, host);
    else this.#note = problem;
    host.refresh();
  }

  /** Goes to the first step that is wrong, else starts. */
  #start(host: PageHost<BackupRequest | 'left'>): void {
    const [problem] = draftProblems(this.#context.draft);
    if (problem === undefined) {
      host.close(this.#request());
      return;
    }
    this.#go(BACKUP_STEPS.indexOf(problem.step), host);
    const view = this.#view;
    this.#note = view.showProblems === undefined ? problem.message : view.showProblems();
  }

  async #leave(host: PageHost<BackupRequest | 'left'>): Promise<void> {
    if (await host.confirm(this.title, 'Leave the backup? What was entered is lost.')) host.close('left');
  }
}
