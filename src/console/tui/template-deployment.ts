import { errorLine, TdError } from '../../lib/errors.ts';
import { problemLines } from '../../lib/tui/cell-text.ts';
import type { AnyHost } from '../../lib/tui/field.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { Table } from '../../lib/tui/table.ts';
import type { Template } from '../../schema/template.ts';
import type { ConsoleApi, TemplateEntry } from '../console-api.ts';
import { openJob } from './job-page.ts';
import { CopyTemplatePage, TemplateSummaryPage } from './template-pages.ts';
import { openWizard } from './wizard/open-wizard.ts';

/** Shows the saved templates; one that is started is followed by its job's page. */
export async function openTemplateDeployment(host: AnyHost, api: ConsoleApi): Promise<void> {
  const jobId = await host.open(new TemplatesPage(api));
  if (jobId !== undefined) await openJob(host, api, jobId);
}

/** The saved templates, with what can be done to them; its result is the id of the job that was started. */
export class TemplatesPage implements Page<string> {
  readonly title = 'Template deployment';
  readonly helpTopic = 'templates';
  readonly #api: ConsoleApi;
  readonly #table: Table<TemplateEntry>;
  #isLoaded = false;
  #problem = '';

  constructor(api: ConsoleApi) {
    this.#api = api;
    this.#table = new Table<TemplateEntry>({
      id: (entry) => entry.name,
      empty: 'No templates are saved. The summary of the deployment wizard saves one.',
      columns: [
        { title: 'Template', text: (entry) => entry.name, min: 20, max: 50 },
        { title: 'Master image', text: (entry) => entry.image, min: 14, max: 50 },
        { title: 'Comment', text: (entry) => entry.comment, min: 10, max: 60, drop: 2 },
        { title: 'Changed', text: (entry) => entry.changedAt.slice(0, 10), min: 10, drop: 1 },
        { title: 'Offered', text: (entry) => (entry.offeredOnTargets ? '[x]' : '[ ]') },
        {
          title: 'State',
          text: ({ problems }) => (problems.length === 0 ? 'ready' : 'broken'),
          tone: ({ problems }) => (problems.length === 0 ? 'good' : 'bad'),
          min: 6,
        },
      ],
    });
  }

  onShown(host: PageHost<string>): void {
    void this.#load(host);
  }

  render(size: PageSize): Line[] {
    const about = this.#about(size.columns);
    const rows = Math.max(3, size.rows - about.length - 3);
    return ['', ...this.#table.render({ columns: size.columns, rows }), '', ...about];
  }

  keys(): readonly PageKey[] {
    const some = this.#table.current !== undefined;
    return [
      ...(some
        ? [
            { key: 'Enter', label: 'Deploy' },
            { key: 'E', label: 'Edit' },
            { key: 'C', label: 'Copy' },
            { key: 'D', label: 'Delete' },
            { key: 'O', label: 'Offer' },
          ]
        : []),
      { key: 'N', label: 'New' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<string>): void {
    const entry = this.#table.current;
    if (key.name === 'escape') host.close();
    else if (this.#table.onKey(key)) return;
    else if (key.name === 'n') this.#run(host, () => openWizard(host, this.#api));
    else if (entry === undefined) return;
    else if (key.name === 'enter') this.#run(host, () => this.#deploy(host, entry));
    else if (key.name === 'e') this.#run(host, () => this.#edit(host, entry));
    else if (key.name === 'c') this.#run(host, () => this.#copy(host, entry));
    else if (key.name === 'd' || key.name === 'delete') this.#run(host, () => this.#delete(host, entry));
    else if (key.name === 'o' || key.name === 'space') this.#run(host, () => this.#offer(entry));
  }

  #run(host: PageHost<string>, run: () => Promise<void>): void {
    void runAction({ run }, host).then(() => this.#load(host));
  }

  async #load(host: PageHost<string>): Promise<void> {
    try {
      this.#table.setRows(await this.#api.call('template.list', {}));
      this.#isLoaded = true;
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  #about(columns: number): Line[] {
    if (!this.#isLoaded && this.#problem === '')
      return [[{ text: '  Reading the templates …', tone: 'muted' }]];
    const entry = this.#table.current;
    const problems = this.#problem === '' ? (entry?.problems ?? []) : [this.#problem];
    const bad = problems.flatMap((problem) => problemLines(problem, columns)).slice(0, 6);
    if (bad.length > 0) return bad;
    const offered = entry?.offeredOnTargets ?? false;
    const text = offered ? 'People at waiting targets can start it (custom deployment mode).' : '';
    return [[{ text: `  ${entry?.comment ?? ''}` }], [{ text: `  ${text}`, tone: 'muted' }]];
  }

  async #deploy(host: PageHost<string>, entry: TemplateEntry): Promise<void> {
    const [problem, ...others] = entry.problems;
    if (problem !== undefined) {
      const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
      throw new TdError('invalid', `Cannot deploy template "${entry.name}": ${problem}${more}; edit it`);
    }
    const template = await this.#template(entry);
    const jobId = await host.open(new TemplateSummaryPage(template, this.#api));
    if (jobId !== undefined) host.close(jobId);
  }

  async #edit(host: PageHost<string>, entry: TemplateEntry): Promise<void> {
    await openWizard(host, this.#api, { template: await this.#template(entry) });
  }

  async #copy(host: PageHost<string>, entry: TemplateEntry): Promise<void> {
    const template = await this.#template(entry);
    const taken = this.#table.rows.map((one) => one.name);
    const name = await host.open(new CopyTemplatePage(entry.name, taken));
    if (name === undefined) return;
    // People at the targets would see both without knowing which one is meant.
    await this.#api.call('template.save', { template: { ...template, name, offeredOnTargets: false } });
  }

  async #delete(host: PageHost<string>, entry: TemplateEntry): Promise<void> {
    const question = `Delete the template "${entry.name}"? Its settings are lost; images and jobs stay.`;
    if (!(await host.confirm('Delete a template', question))) return;
    await this.#api.call('template.delete', { name: entry.name });
  }

  async #offer(entry: TemplateEntry): Promise<void> {
    const template = await this.#template(entry);
    const offeredOnTargets = !template.offeredOnTargets;
    await this.#api.call('template.save', { template: { ...template, offeredOnTargets }, replace: true });
  }

  #template(entry: TemplateEntry): Promise<Template> {
    return this.#api.call('template.get', { name: entry.name });
  }
}
