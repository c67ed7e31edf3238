import type { AnyHost } from '../../../lib/tui/field.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { WIZARD_STEPS, type WizardModel, type WizardStep } from './wizard-model.ts';
import type { WizardStepView } from './wizard-step.ts';

/** The heading and an empty line under it. */
const HEADING_ROWS = 2;
/** An empty line and what is wrong. */
const NOTE_ROWS = 2;

/** How the wizard ended: a job was started, or the settings were only saved. */
export type WizardEnd = { jobId: string } | { saved: string };

/** The frame of the deployment wizard: one page of it at a time, with Back, Next and Cancel. */
export class WizardPage implements Page<WizardEnd> {
  readonly title: string;
  readonly #model: WizardModel;
  readonly #views: ReadonlyMap<WizardStep, WizardStepView>;
  #shown = new AbortController();
  #note = '';
  #isBusy = false;

  constructor(model: WizardModel, options: { title: string; views: readonly WizardStepView[] }) {
    this.title = options.title;
    this.#model = model;
    this.#views = new Map(options.views.map((view) => [view.step, view]));
  }

  get helpTopic(): string {
    return `wizard-${this.#model.step}`;
  }

  render(size: PageSize): Line[] {
    const { stepNumber } = this.#model;
    const heading: Line = [
      { text: `  ${stepNumber} of ${WIZARD_STEPS.length}  `, tone: 'muted' },
      { text: this.#view.title, tone: 'heading' },
      { text: this.#view.optional === true ? '  (optional)' : '', tone: 'muted' },
    ];
    const lines: Line[] = [
      heading,
      '',
      ...this.#view.render(this.#viewSize(size)).slice(0, this.#viewSize(size).rows),
    ];
    while (lines.length < size.rows - 1) lines.push('');
    const note = this.#isBusy ? 'One moment …' : this.#note === '' ? '' : `! ${this.#note}`;
    return [...lines, [{ text: `  ${note}`, tone: this.#isBusy ? 'muted' : 'bad' }]];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const place = this.#view.cursor?.(this.#viewSize(size));
    return place === undefined ? undefined : { row: place.row + HEADING_ROWS, column: place.column };
  }

  keys(): readonly PageKey[] {
    const { stepNumber } = this.#model;
    return [
      ...this.#view.keys(),
      ...(stepNumber > 1 ? [{ key: 'F7', label: 'Back' }] : []),
      ...(stepNumber < WIZARD_STEPS.length ? [{ key: 'F8', label: 'Next' }] : []),
      { key: 'Esc', label: 'Cancel' },
    ];
  }

  onShown(host: PageHost<WizardEnd>): void {
    this.#shown.abort();
    this.#shown = new AbortController();
    this.#view.onShown?.(host, this.#shown.signal);
  }

  onHidden(): void {
    this.#shown.abort();
  }

  onKey(key: KeyPress, host: PageHost<WizardEnd>): void {
    if (this.#isBusy) {
      // A share that does not answer must not hold the person here.
      if (key.name === 'escape') void this.#cancel(host);
      return;
    }
    this.#note = '';
    if (key.name === 'f7') this.#move(() => this.#model.back(), host);
    else if (key.name === 'f8') void this.#next(host);
    else if (this.#view.onKey(key, host)) return;
    else if (key.name === 'enter') void this.#next(host);
    else if (key.name === 'escape') void this.#cancel(host);
  }

  /** Shows the page of the first problem; true when there is one. */
  showFirstProblem(host: AnyHost): boolean {
    const [problem] = this.#model.problems();
    if (problem === undefined) return false;
    const step = this.#model.stepOf(problem);
    this.#move(() => this.#model.goTo(step), host);
    this.#refuse();
    return true;
  }

  get #view(): WizardStepView {
    return this.#views.get(this.#model.step)!;
  }

  #viewSize(size: PageSize): PageSize {
    return { columns: size.columns, rows: Math.max(1, size.rows - HEADING_ROWS - NOTE_ROWS) };
  }

  #move(go: () => void, host: PageHost<WizardEnd>): void {
    go();
    this.onShown(host);
    host.refresh();
  }

  async #next(host: PageHost<WizardEnd>): Promise<void> {
    if (this.#model.problemsOf(this.#model.step).length > 0) {
      this.#refuse();
      return;
    }
    if (this.#view.beforeNext !== undefined) {
      this.#isBusy = true;
      host.refresh();
      const ready = await this.#view.beforeNext(host).catch(async (error: unknown) => {
        await host.showError(error);
        return false;
      });
      this.#isBusy = false;
      host.refresh();
      if (!ready) return;
    }
    this.#move(() => this.#model.next(), host);
  }

  #refuse(): void {
    this.#view.showProblems?.();
    const [problem] = this.#model.problemsOf(this.#model.step);
    this.#note = problem?.message ?? '';
  }

  async #cancel(host: PageHost<WizardEnd>): Promise<void> {
    const isSure =
      !this.#model.isChanged ||
      (await host.confirm('Cancel the wizard', 'Leave the wizard? What was entered is lost.'));
    if (isSure) host.close();
  }
}
