import { errorLine, TdError } from '../../lib/errors.ts';
import { Form } from '../../lib/tui/form.ts';
import { FormPage, runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { TextField } from '../../lib/tui/text-field.ts';
import { imageNameSchema } from '../../schema/image-manifest.ts';
import type { Template } from '../../schema/template.ts';
import type { ConsoleApi, DeployPlan } from '../console-api.ts';
import { planLines, ScrolledLines } from './wizard/plan-lines.ts';
import { startDeployment } from './wizard/start-deployment.ts';

/** What a template would do now, and its start on all connected computers; its result is the job's id. */
export class TemplateSummaryPage implements Page<string> {
  readonly title: string;
  readonly helpTopic = 'template-summary';
  readonly #template: Template;
  readonly #api: ConsoleApi;
  readonly #scrolled = new ScrolledLines();
  #plan: DeployPlan | undefined;
  #problem = '';

  constructor(template: Template, api: ConsoleApi) {
    this.title = `Template "${template.name}"`;
    this.#template = template;
    this.#api = api;
  }

  onShown(host: PageHost<string>): void {
    void this.#load(host);
  }

  render(size: PageSize): Line[] {
    const { comment } = this.#template;
    const head: Line[] = [
      '',
      [{ text: `  ${comment || 'Deploys to all connected computers.'}`, tone: 'heading' }],
      '',
    ];
    return [...head, ...this.#scrolled.render(this.#lines(size.columns), size.rows - head.length)];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F2', label: 'Start' },
      { key: 'F5', label: 'Look again' },
      { key: 'PgUp/PgDn', label: 'Scroll' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<string>): void {
    if (key.name === 'escape') host.close();
    else if (key.name === 'f2') void runAction({ run: () => this.#start(host) }, host);
    else if (key.name === 'f5') void this.#load(host);
    else this.#scrolled.onKey(key.name);
  }

  async #load(host: PageHost<string>): Promise<void> {
    try {
      this.#plan = await this.#api.call('plan', { template: this.#template.name, targets: 'all' });
      this.#problem = '';
    } catch (error) {
      this.#plan = undefined;
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  #lines(columns: number): Line[] {
    return planLines({ plan: this.#plan, problem: this.#problem }, columns);
  }

  async #start(host: PageHost<string>): Promise<void> {
    const problem = this.#problem || this.#plan?.problems?.[0];
    if (problem) throw new TdError('refused', `Cannot start: ${problem}`);
    const { name, image, targetDisk, run } = this.#template;
    const jobId = await startDeployment(host, {
      api: this.#api,
      request: {
        ...{ params: { template: name, targets: 'all' }, image, diskRule: targetDisk, chosen: undefined },
        ...{ waitFor: run.waitFor, waitSeconds: run.waitSeconds, joinLate: run.joinLate, wake: run.wake },
        asks: this.#plan?.asks,
      },
    });
    if (jobId !== undefined) host.close(jobId);
  }
}

/** Asks for the name of a template's copy. */
export class CopyTemplatePage extends FormPage<string> {
  constructor(original: string, taken: readonly string[]) {
    const isTaken = (name: string) => taken.some((one) => one.toLowerCase() === name.toLowerCase());
    const name = new TextField({
      ...{ name: 'name', label: 'Name of the copy', value: `${original} copy`, max: 120 },
      check: (value) => {
        if (isTaken(value.trim())) return 'there is a template of that name';
        return imageNameSchema.safeParse(value.trim()).error?.issues[0]?.message ?? '';
      },
    });
    super({
      ...{
        title: `Copy the template "${original}"`,
        helpTopic: 'templates',
        form: new Form({ fields: [name] }),
      },
      actions: [
        {
          ...{ key: 'F2', label: 'Copy' },
          run: (host) => {
            if (this.form.check()) host.close(name.value.trim());
          },
        },
      ],
    });
  }
}
