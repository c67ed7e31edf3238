import { errorLine } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import { cutText, wrapText } from '../../lib/tui/cell-text.ts';
import type { AnyHost } from '../../lib/tui/field.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { poll } from '../../lib/tui/poll.ts';
import { percentText, progressSpans, progressText } from '../../lib/tui/progress-spans.ts';
import { Table } from '../../lib/tui/table.ts';
import type { ConsoleApi } from '../console-api.ts';
import type { JobSnapshot } from '../console-core.ts';
import type { DeploySnapshot, TargetView } from '../deploy-view.ts';
import { isEnded } from '../store.ts';
import {
  groupState,
  jobFraction,
  jobLeftSeconds,
  jobStateText,
  jobTitle,
  leftText,
  rateText,
  stateTone,
} from './job-words.ts';
import { ReportPage } from './report-page.ts';

const BAR_COLUMNS = 10;
const GROUP_BAR_COLUMNS = 40;
/** What a whole job says, above the table. */
const HEAD_ROWS = 5;
/** About the computer under the cursor, below it. */
const FOOT_ROWS = 3;

const NAMES_SHOWN_MAX = 20;

/** Failed first: those are what a person has to look at. */
const ORDER: Readonly<Record<string, number>> = { failed: 0, 'lost contact': 1, cancelled: 2, done: 4 };

/** A running or ended job: the group, then one line a computer. */
export class JobPage implements Page {
  readonly helpTopic = 'job';
  readonly #api: ConsoleApi;
  readonly #table: Table<TargetView>;
  #job: JobSnapshot;
  #problem = '';
  #hidden = new AbortController();

  constructor(job: JobSnapshot, api: ConsoleApi) {
    this.#api = api;
    this.#job = job;
    this.#table = targetTable();
    this.#take(job);
  }

  get title(): string {
    return this.#job.kind === 'deploy' ? 'Deployment' : 'Backup';
  }

  onShown(host: PageHost): void {
    this.#hidden = new AbortController();
    void poll(host, { signal: this.#hidden.signal, work: () => this.#update() });
  }

  onHidden(): void {
    this.#hidden.abort();
  }

  render(size: PageSize): Line[] {
    const head = this.#head(size);
    if (this.#job.kind === 'capture') return [...head, ...this.#captureLines(size)];
    const rows = size.rows - head.length - FOOT_ROWS - 1;
    const table = this.#table.render({ columns: size.columns, rows });
    while (table.length < rows) table.push('');
    return [...head, ...table, '', ...this.#foot(size)];
  }

  keys(): readonly PageKey[] {
    const ended = isEnded(this.#job.state);
    const deploys = this.#job.kind === 'deploy';
    const failed = this.#failed().length > 0;
    return [
      ...(ended && deploys ? [{ key: 'F2', label: 'Report' }] : []),
      ...(deploys && failed ? [{ key: 'F6', label: 'Retry failed' }] : []),
      ...(!ended && deploys ? [{ key: 'F7', label: 'Cancel computer' }] : []),
      ...(ended ? [] : [{ key: 'F8', label: 'Cancel job' }]),
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const offered = this.keys().some((one) => one.key.toLowerCase() === key.name);
    const run = {
      f2: () => this.#report(host),
      f6: () => this.#retry(host),
      f7: () => this.#cancelOne(host),
      f8: () => this.#cancelAll(host),
    }[key.name];
    if (key.name === 'escape') host.close();
    else if (run !== undefined && offered) void runAction({ run }, host);
    else this.#table.onKey(key);
  }

  async #update(): Promise<void> {
    try {
      this.#take(await this.#api.call('job', { jobId: this.#job.id }));
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
  }

  #take(job: JobSnapshot): void {
    this.#job = job;
    if (job.kind !== 'deploy') return;
    const rank = ({ state }: TargetView) => ORDER[state] ?? 3;
    this.#table.setRows(job.targets.toSorted((a, b) => rank(a) - rank(b)));
  }

  #head(size: PageSize): Line[] {
    const job = this.#job;
    const lines: Line[] = [
      '',
      [
        { text: `  ${cutText(jobTitle(job), size.columns - 26)}   `, tone: 'heading' },
        { text: jobStateText(job.state), tone: stateTone(job.state) },
      ],
      [{ text: '  ' }, ...this.#groupBar(size)],
      [{ text: `  ${this.#counts()}`, tone: 'muted' }],
    ];
    const problem = this.#problem || job.error;
    lines.push(problem === '' ? '' : [{ text: `  ! ${cutText(problem, size.columns - 6)}`, tone: 'bad' }]);
    while (lines.length < HEAD_ROWS) lines.push('');
    return lines;
  }

  #groupBar(size: PageSize): Line & object[] {
    const fraction = jobFraction(this.#job);
    const columns = Math.min(GROUP_BAR_COLUMNS, size.columns - 40);
    const rate = isEnded(this.#job.state) ? '' : rateText(this.#job.bytesPerSecond);
    const left = leftText(jobLeftSeconds(this.#job));
    return [
      ...progressSpans(fraction, columns, isEnded(this.#job.state) ? stateTone(this.#job.state) : 'plain'),
      { text: ` ${percentText(fraction)}` },
      { text: rate === '' ? '' : `   ${rate}` },
      { text: left === '' ? '' : `   ${left} left` },
    ];
  }

  #counts(): string {
    const job = this.#job;
    if (job.kind === 'capture') return `${formatBytes(job.doneBytes)} of ${formatBytes(job.totalBytes)} read`;
    const { done, failed, running } = groupState(job);
    const parts = [
      `${done} done`,
      `${running} to go`,
      ...(failed > 0 ? [`${failed} failed or cancelled`] : []),
    ];
    return parts.join('   ');
  }

  #captureLines(size: PageSize): Line[] {
    const job = this.#job;
    if (job.kind !== 'capture') return [];
    const row = (label: string, value: string): Line => [
      { text: `  ${label.padEnd(14)}`, tone: 'muted' },
      { text: cutText(value, size.columns - 18) },
    ];
    return [
      row('Computer', job.name),
      row('Image', job.image),
      row('Step', [job.step, job.detail].filter((part) => part !== '').join(': ')),
      row('Received', formatBytes(job.receivedBytes)),
    ];
  }

  /** What the line of a computer has no room for. */
  #foot(size: PageSize): Line[] {
    const target = this.#table.current;
    if (target === undefined) return ['', '', ''];
    const why = target.reason || target.slow || target.detail;
    const facts = [target.name, target.address, target.disk].filter((fact) => fact !== '').join('   ');
    const tone = target.reason !== '' ? 'bad' : target.slow !== '' ? 'warning' : 'plain';
    const [first = '', ...more] = wrapText(why, size.columns - 4);
    const second = more.length === 0 ? '' : cutText(more.join(' '), size.columns - 4);
    return [
      [{ text: `  ${facts}`, tone: 'muted' }],
      [{ text: `  ${first}`, tone }],
      [{ text: `  ${second}`, tone }],
    ];
  }

  #failed(): TargetView[] {
    if (this.#job.kind !== 'deploy') return [];
    return this.#job.targets.filter(({ state }) => state === 'failed' || state === 'cancelled');
  }

  async #report(host: PageHost): Promise<void> {
    await host.open(await ReportPage.load(this.#api, this.#job.id));
  }

  async #retry(host: PageHost): Promise<void> {
    const failed = this.#failed();
    const more = failed.length > NAMES_SHOWN_MAX ? ` and ${failed.length - NAMES_SHOWN_MAX} more` : '';
    const names = failed.slice(0, NAMES_SHOWN_MAX).map(({ name }) => name);
    if (
      !(await host.confirm(
        'Retry failed',
        `Deploy again to ${failed.length} that failed or were cancelled?\n\n${names.join(', ')}${more}`,
      ))
    )
      return;
    const computers = failed.map(({ computerId }) => computerId);
    const { jobId } = await this.#api.call('retry', { jobId: this.#job.id, computers });
    this.#take(await this.#api.call('job', { jobId }));
  }

  async #cancelOne(host: PageHost): Promise<void> {
    const target = this.#table.current;
    if (target === undefined) return;
    const text = `Cancel the deployment of ${target.name}? Its disk stays unfinished and will not start. The others go on.`;
    if (!(await host.confirm('Cancel computer', text))) return;
    await this.#api.call('cancel', { jobId: this.#job.id, computer: target.computerId });
    await this.#update();
  }

  async #cancelAll(host: PageHost): Promise<void> {
    const text =
      this.#job.kind === 'capture'
        ? 'Cancel this backup? What was received is deleted.'
        : `Cancel the whole deployment? ${openTargets(this.#job)} computers are not done; their disks stay unfinished and will not start.`;
    if (!(await host.confirm('Cancel job', text))) return;
    await this.#api.call('cancel', { jobId: this.#job.id });
    await this.#update();
  }
}

function openTargets(job: DeploySnapshot): number {
  return groupState(job).running;
}

function targetTable(): Table<TargetView> {
  const ended = ({ state }: TargetView) =>
    state === 'failed' || state === 'cancelled' || state === 'lost contact';
  const fraction = ({ state, doneBytes, totalBytes }: TargetView) =>
    state === 'done' ? 1 : totalBytes > 0 ? doneBytes / totalBytes : 0;
  return new Table<TargetView>({
    id: ({ computerId }) => computerId,
    empty: 'Waiting for computers',
    tail: { from: 'Progress', text: (row) => (ended(row) ? row.reason : ''), tone: 'plain' },
    columns: [
      { title: 'Computer', min: 12, max: 24, text: ({ name }) => name },
      { title: 'IP address', min: 13, max: 15, drop: 2, text: ({ address }) => address },
      {
        title: 'State',
        min: 15,
        max: 20,
        text: ({ state, slow }) => (slow === '' ? state : `${state}, slow`),
        tone: ({ state, slow }) => (slow === '' ? stateTone(state) : 'warning'),
      },
      {
        title: 'Progress',
        min: BAR_COLUMNS + 6,
        text: (row) => progressText(fraction(row), BAR_COLUMNS),
      },
      { title: 'Rate', min: 9, align: 'right', text: ({ bytesPerSecond }) => rateText(bytesPerSecond) },
      { title: 'Left', min: 5, align: 'right', text: ({ leftSeconds }) => leftText(leftSeconds) },
      {
        title: 'Remark',
        min: 16,
        drop: 3,
        max: 70,
        text: ({ slow, detail }) => slow || detail,
        tone: ({ slow }) => (slow === '' ? 'muted' : 'warning'),
      },
    ],
  });
}

/** Opens the page of a job that runs or ran a short while ago. @throws TdError `not-found`. */
export async function openJob(host: AnyHost, api: ConsoleApi, jobId: string): Promise<void> {
  await host.open(new JobPage(await api.call('job', { jobId }), api));
}
