import type { AnyHost } from '../../../lib/tui/field.ts';
import type { Form } from '../../../lib/tui/form.ts';
import type { CellPlace, KeyPress, Line, PageKey, PageSize } from '../../../lib/tui/page.ts';
import type { ConsoleApi, ImageDetails } from '../../console-api.ts';
import type { ComputerView } from '../../console-core.ts';
import type { WizardModel, WizardStep } from './wizard-model.ts';

/** What the wizard's pages share. */
export interface WizardContext {
  readonly model: WizardModel;
  readonly api: ConsoleApi;
  /** Waiting and busy targets, as they were seen last. */
  computers: ComputerView[];
  /** Of the draft's image, once it was read. */
  image: ImageDetails | undefined;
}

/** One page of the wizard; the frame around it has Back, Next and Cancel. */
export interface WizardStepView {
  readonly step: WizardStep;
  readonly title: string;
  readonly optional?: boolean;
  render(size: PageSize): Line[];
  keys(): readonly PageKey[];
  /** @returns whether the key was used; Enter that was not goes to the next page. */
  onKey(key: KeyPress, host: AnyHost): boolean;
  cursor?(size: PageSize): CellPlace | undefined;
  /** @param signal aborts when the page is left or covered. */
  onShown?(host: AnyHost, signal: AbortSignal): void;
  /** Work before the page is left for the next one; false stays. */
  beforeNext?(host: AnyHost): Promise<boolean>;
  /** Next was refused: problems are shown at their fields from now on. */
  showProblems?(): void;
}

export interface FormStepOptions {
  step: WizardStep;
  title: string;
  optional?: boolean;
  form: Form;
  /** Before each drawing: notes that depend on other fields. */
  refresh?: () => void;
}

/** A page that is a form; problems stand at fields that were touched, and at all of them once Next was refused. */
export class FormStep implements WizardStepView {
  readonly step: WizardStep;
  readonly title: string;
  readonly optional: boolean;
  readonly form: Form;
  readonly #model: WizardModel;
  readonly #refresh: (() => void) | undefined;

  constructor(context: WizardContext, options: FormStepOptions) {
    this.step = options.step;
    this.title = options.title;
    this.optional = options.optional ?? false;
    this.form = options.form;
    this.#model = context.model;
    this.#refresh = options.refresh;
  }

  render(size: PageSize): Line[] {
    this.#refresh?.();
    this.form.showProblems(this.#model.problems());
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

  showProblems(): void {
    this.form.setProblems(this.#model.problemsOf(this.step));
  }
}
