import type { AnyHost } from '../../lib/tui/field.ts';
import type { Form } from '../../lib/tui/form.ts';
import type { CellPlace, KeyPress, Line, PageKey, PageSize } from '../../lib/tui/page.ts';
import { type BackupDraft, type BackupStep, type DraftProblem, draftProblems } from './backup-draft.ts';
import type { WizardParts } from './wizard-parts.ts';

/** What the steps of the wizard share. */
export interface BackupContext {
  readonly draft: BackupDraft;
  readonly parts: WizardParts;
  /** Whether this computer may be shut down or restarted afterwards. */
  readonly canPower: boolean;
  /** The folder the image goes to, on a disk or share that is mounted for it if need be. */
  openFolder(signal: AbortSignal): Promise<string>;
}

/** One page of the wizard; the frame around it has Back, Next and Cancel. */
export interface StepView {
  readonly step: BackupStep;
  readonly title: string;
  render(size: PageSize): Line[];
  keys(): readonly PageKey[];
  /** @returns whether the key was used; Enter that was not goes to the next page. */
  onKey(key: KeyPress, host: AnyHost): boolean;
  cursor?(size: PageSize): CellPlace | undefined;
  /** @param signal aborts when the step is left. */
  onShown?(host: AnyHost, signal: AbortSignal): void;
  /** Work before the step is left for the next one; a text says why it may not be left. */
  beforeNext?(signal: AbortSignal): Promise<string>;
  /** Next was refused: problems are shown at their fields; returns one that has no field. */
  showProblems?(): string;
}

/** A step that is a form: a field's problem is shown once it was touched, all of them after Next was refused. */
export abstract class FormStepView implements StepView {
  abstract readonly step: BackupStep;
  abstract readonly title: string;
  protected abstract readonly form: Form;
  protected readonly context: BackupContext;

  constructor(context: BackupContext) {
    this.context = context;
  }

  render(size: PageSize): Line[] {
    this.form.showProblems(this.#problems());
    return this.form.render(size);
  }

  cursor(size: PageSize): CellPlace | undefined {
    return this.form.cursor(size);
  }

  keys(): readonly PageKey[] {
    return [];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    return this.form.onKey(key, host);
  }

  showProblems(): string {
    return this.form.setProblems(this.#problems())[0]?.message ?? '';
  }

  #problems(): DraftProblem[] {
    return draftProblems(this.context.draft).filter(({ step }) => step === this.step);
  }
}
