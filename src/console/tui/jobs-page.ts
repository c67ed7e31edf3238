import { errorLine, TdError } from '../../lib/errors.ts';
import { cutText, spansOf } from '../../lib/tui/cell-text.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { poll } from '../../lib/tui/poll.ts';
import { Table } from '../../lib/tui/table.ts';
import type { ConsoleApi, JobSummary } from '../console-api.ts';
import { openJob } from './job-page.ts';
import { jobStateText, stateTone } from './job-words.ts';
import { ReportPage } from './report-page.ts';

const JOBS_SHOWN_MAX = 500;

/** All jobs that are known, the newest first. */
export class JobsPage implements Page {
  readonly title = 'Jobs';
  readonly helpTopic = 'jobs';
  readonly #api: ConsoleApi;
  readonly #table: Table<JobSummary>;
  #problem = '';
  #hidden = new AbortController();

  constructor(api: ConsoleApi) {
    this.#api = api;
    this.#table = new Table<JobSummary>({
      id: ({ id }) => id,
      empty: 'No job has been run yet',
      columns: [
        { title: 'Started', min: 16, text: ({ createdAt }) => createdAt.slice(0, 16).replace('T', ' ') },
        { title: 'Job', min: 6, text: ({ kind }) => (kind === 'capture' ? 'backup' : 'deploy') },
        { title: 'Image', min: 14, max: 40, text: ({ image }) => image },
        { title: 'Template', min: 10, max: 30, drop: 2, text: ({ template }) => template },
        {
          title: 'State',
          min: 11,
          text: ({ state }) => jobStateText(state),
          tone: ({ state }) => stateTone(state),
        },
        { title: 'Done', min: 9, align: 'right', text: doneText },
        { title: 'Remark', min: 10, max: 80, drop: 1, text: ({ error }) => error, tone: () => 'muted' },
      ],
    });
  }

  onShown(host: PageHost): void {
    this.#hidden = new AbortController();
    void poll(host, { signal: this.#hidden.signal, work: () => this.#update() });
  }

  onHidden(): void {
    this.#hidden.abort();
  }

  render(size: PageSize): Line[] {
    const problem: Line =
      this.#problem === '' ? '' : [{ text: `  ! ${cutText(this.#problem, size.columns - 6)}`, tone: 'bad' }];
    const table = this.#table.render({ columns: size.columns - 1, rows: size.rows - 2 });
    return [problem, ...table.map((line): Line => [{ text: ' ' }, ...spansOf(line)])];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Enter', label: 'Open' },
      { key: 'F2', label: 'Report' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const job = this.#table.current;
    if (key.name === 'escape') host.close();
    else if (key.name === 'enter' && job !== undefined)
      void runAction({ run: () => this.#open(job, host) }, host);
    else if (key.name === 'f2' && job !== undefined) {
      void runAction(
        { run: async () => void (await host.open(await ReportPage.load(this.#api, job.id))) },
        host,
      );
    } else this.#table.onKey(key);
  }

  /** Jobs the console no longer holds in memory have left a report. */
  async #open(job: JobSummary, host: PageHost): Promise<void> {
    try {
      await openJob(host, this.#api, job.id);
    } catch (error) {
      if (!(error instanceof TdError && error.code === 'not-found')) throw error;
      await host.open(await ReportPage.load(this.#api, job.id));
    }
  }

  async #update(): Promise<void> {
    try {
      this.#table.setRows(await this.#api.call('job.history', { limit: JOBS_SHOWN_MAX }));
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
  }
}

function doneText({ kind, done, failed, total }: JobSummary): string {
  if (kind === 'capture') return '';
  return `${done}/${total}${failed > 0 ? ` !${failed}` : ''}`;
}
