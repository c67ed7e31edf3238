import { errorLine, TdError } from '../../../lib/errors.ts';
import { CheckField } from '../../../lib/tui/choice-field.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { runAction } from '../../../lib/tui/form-page.ts';
import { ButtonRow } from '../../../lib/tui/note-field.ts';
import type { CellPlace, KeyPress, Line, PageKey, PageSize } from '../../../lib/tui/page.ts';
import type { DeployPlan } from '../../console-api.ts';
import { boundText } from './draft-fields.ts';
import { planLines, ScrolledLines } from './plan-lines.ts';
import { startDeployment } from './start-deployment.ts';
import { deployParamsOf, templateOf } from './wizard-draft.ts';
import { FormStep, type WizardContext, type WizardStepView } from './wizard-step.ts';

export interface SummaryOptions {
  /** Shows the page of the first problem; false when there is none. */
  showFirstProblem: (host: AnyHost) => boolean;
  /** Name of the template that is edited: saving under it replaces it. */
  editedName?: string;
}

/** Page 13: what would happen, what would not, saving, and the start. */
export class SummaryStep implements WizardStepView {
  readonly step = 'summary';
  readonly title = 'Summary';
  readonly #context: WizardContext;
  readonly #options: SummaryOptions;
  readonly #form: FormStep;
  readonly #scrolled = new ScrolledLines();
  #plan: DeployPlan | undefined;
  #problem = '';
  /** The template that saving replaces without a question. */
  #ownName: string | undefined;

  constructor(context: WizardContext, options: SummaryOptions) {
    this.#context = context;
    this.#ownName = options.editedName;
    this.#options = options;
    const { save } = context.model.draft;
    const hidden = () => !save.wanted;
    const check = (key: 'wanted' | 'offeredOnTargets', field: { label: string; text: string }) =>
      new CheckField({
        ...{ ...field, name: '', value: save[key], hidden: () => key !== 'wanted' && hidden() },
        onChange: (value) => {
          save[key] = value;
        },
      });
    const form = new Form({
      fields: [
        check('wanted', { label: 'Template', text: 'Save deployment settings' }),
        boundText(save, 'name', { name: 'name', label: 'Name', hidden }),
        boundText(save, 'comment', { name: 'comment', label: 'Comment', hidden }),
        check('offeredOnTargets', { label: 'Offer it', text: 'on the screens of waiting targets' }),
        new ButtonRow([
          { label: 'Start', press: (host) => this.#run(host, () => this.#start(host)) },
          { label: 'Save without starting', press: (host) => this.#run(host, () => this.#saveOnly(host)) },
        ]),
      ],
    });
    this.#form = new FormStep(context, { step: 'summary', title: this.title, form });
  }

  onShown(host: AnyHost): void {
    void this.#load(host);
  }

  render(size: PageSize): Line[] {
    const form = this.#form.render({ columns: size.columns, rows: 8 });
    const above = this.#scrolled.render(this.#planLines(size.columns), size.rows - form.length - 1);
    while (above.length < size.rows - form.length) above.push('');
    return [...above, ...form];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const rows = this.#form.render({ columns: size.columns, rows: 8 }).length;
    const place = this.#form.cursor({ columns: size.columns, rows: 8 });
    return place === undefined ? undefined : { row: size.rows - rows + place.row, column: place.column };
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F2', label: 'Start' },
      { key: 'F3', label: 'Save' },
      { key: 'PgUp/PgDn', label: 'Scroll' },
    ];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name === 'f2') void this.#run(host, () => this.#start(host));
    else if (key.name === 'f3') void this.#run(host, () => this.#saveOnly(host));
    else if (!this.#scrolled.onKey(key.name)) return this.#form.onKey(key, host);
    return true;
  }

  showProblems(): void {
    this.#form.showProblems();
  }

  #run(host: AnyHost, run: () => Promise<void>): Promise<void> {
    return runAction({ run }, host);
  }

  async #load(host: AnyHost): Promise<void> {
    this.#problem = '';
    const problems = this.#context.model
      .problems()
      .filter((one) => this.#context.model.stepOf(one) !== 'summary');
    try {
      // The name has its own place below; what it says must not hide the plan.
      const inline = { ...templateOf(this.#context.model.draft), name: 'plan' };
      this.#plan =
        problems.length > 0
          ? undefined
          : await this.#context.api.call('plan', { ...deployParamsOf(this.#context.model.draft), inline });
      this.#problem = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    } catch (error) {
      this.#plan = undefined;
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  #planLines(columns: number): Line[] {
    return planLines({ plan: this.#plan, problem: this.#problem }, columns);
  }

  async #start(host: AnyHost): Promise<void> {
    const { api, model } = this.#context;
    const { draft } = model;
    if (this.#options.showFirstProblem(host)) return;
    if (draft.targetPartition !== undefined) {
      throw new TdError(
        'refused',
        'Cannot start: replacing one partition is not applied by this version, and anything else would clear the disk; go back to the target disk',
      );
    }
    const [problem] = this.#plan?.problems ?? [];
    if (problem !== undefined) throw new TdError('refused', `Cannot start: ${problem}`);
    if (draft.save.wanted && !(await this.#save(host))) return;
    const { run = {}, targetDisk = 'auto' } = templateOf(draft);
    const { waitFor = 0, waitSeconds = 0, joinLate = false, wake = false } = run;
    const chosen = draft.targets.mode === 'chosen' ? draft.targets.chosen : undefined;
    const request = {
      ...{ params: deployParamsOf(draft), image: draft.image, diskRule: targetDisk },
      ...{ chosen, waitFor, waitSeconds, joinLate, wake, asks: this.#plan?.asks },
    };
    const jobId = await startDeployment(host, { api, request });
    if (jobId !== undefined) host.close({ jobId });
  }

  async #saveOnly(host: AnyHost): Promise<void> {
    const { save } = this.#context.model.draft;
    if (!save.wanted) {
      save.wanted = true;
      throw new TdError('usage', 'Cannot save: check "Save deployment settings" and give a name');
    }
    if (this.#options.showFirstProblem(host) || !(await this.#save(host))) return;
    host.close({ saved: save.name.trim() });
  }

  /** False when a template of that name is to stay. */
  async #save(host: AnyHost): Promise<boolean> {
    const { api, model } = this.#context;
    const template = templateOf(model.draft);
    const there = (await api.call('template.list', {})).some(
      (one) => one.name.toLowerCase() === template.name.toLowerCase(),
    );
    const question = `There is a template "${template.name}" already. Replace it?`;
    if (
      there &&
      template.name !== this.#ownName &&
      !(await host.confirm('Save deployment settings', question))
    )
      return false;
    await api.call('template.save', { template, replace: there });
    this.#ownName = template.name;
    return true;
  }
}
