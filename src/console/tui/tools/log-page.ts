import { errorLine } from '../../../lib/errors.ts';
import { cutText } from '../../../lib/tui/cell-text.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage, runAction } from '../../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize, Tone } from '../../../lib/tui/page.ts';
import { Table, type TableColumn } from '../../../lib/tui/table.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import { TextPage } from '../../../lib/tui/text-page.ts';
import type { ConsoleApi, LogFilter } from '../../console-api.ts';
import type { ConsoleEvent } from '../../store.ts';
import { pathField } from './path-field.ts';
import { PickPage } from './pick-page.ts';
import { WhileShown } from './while-shown.ts';

const LOOK_INTERVAL_MS = 1000;
const EVENTS_MAX = 2000;
const LEVELS = ['info', 'warn', 'error'] as const;
const LEVEL_WORDS = { info: 'all', warn: 'warnings and errors', error: 'errors' } as const;
const TONES: Record<ConsoleEvent['level'], Tone> = { info: 'plain', warn: 'warning', error: 'bad' };

type Filter = Pick<LogFilter, 'jobId' | 'computer' | 'level' | 'text'>;

/** What happened, live: all of it, one job, one computer. */
export class LogPage implements Page {
  readonly title = 'View log';
  readonly helpTopic = 'log';
  readonly #api: ConsoleApi;
  readonly #folder: string;
  readonly #table: Table<ConsoleEvent>;
  #filter: Filter = {};
  readonly #shown = new WhileShown(LOOK_INTERVAL_MS, () => this.#look());
  #events: ConsoleEvent[] = [];
  #problem = '';
  /** The newest line stays in view until the person goes up. */
  #follows = true;

  constructor(api: ConsoleApi, options: { folder: string }) {
    this.#api = api;
    this.#folder = options.folder;
    const columns: TableColumn<ConsoleEvent>[] = [
      { title: 'Time (UTC)', text: ({ at }) => at.slice(0, 19).replace('T', ' '), min: 19 },
      { title: 'Job', text: ({ jobId }) => jobId ?? '', drop: 1 },
      { title: 'What', text: ({ text }) => text, tone: ({ level }) => TONES[level] },
    ];
    this.#table = new Table({ id: ({ id }) => String(id), empty: 'Nothing that fits', columns });
  }

  onShown(host: PageHost): void {
    this.#shown.start(host);
  }

  onHidden(): void {
    this.#shown.stop();
  }

  render(size: PageSize): Line[] {
    const { jobId, computer, level = 'info', text = '' } = this.#filter;
    const facts: [label: string, value: string][] = [
      ['Job', jobId ?? 'all'],
      ['Computer', computer ?? 'all'],
      ['Level', LEVEL_WORDS[level]],
      ['Text', text === '' ? 'any' : `"${text}"`],
    ];
    const head: Line = facts.flatMap(([label, value]) => [
      { text: `  ${label} `, tone: 'muted' as const },
      { text: cutText(value, 24) },
    ]);
    const below: Line[] =
      this.#problem === ''
        ? [
            [
              {
                text: this.#follows
                  ? '  New lines appear by themselves. Enter shows a line in full.'
                  : '  Press End for the newest. Enter shows a line in full.',
                tone: 'muted',
              },
            ],
          ]
        : [[{ text: `  ! ${this.#problem}`, tone: 'bad' }]];
    return [head, ...this.#table.render({ columns: size.columns, rows: size.rows - 2 }), ...below];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F2', label: 'Save' },
      { key: 'F3', label: 'Job' },
      { key: 'F4', label: 'Computer' },
      { key: 'F5', label: 'Text' },
      { key: 'F6', label: 'Level' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const actions: Record<string, () => Promise<void>> = {
      f2: () => this.#save(host),
      f3: () => this.#chooseJob(host),
      f4: () => this.#chooseComputer(host),
      f5: () => this.#chooseText(host),
      f6: async () => this.#setFilter({ level: nextLevel(this.#filter.level) }),
      enter: () => this.#showWhole(host),
    };
    const run = actions[key.name];
    if (key.name === 'escape') host.close();
    else if (run !== undefined) void runAction({ run }, host);
    else if (this.#table.onKey(key)) this.#follows = this.#table.atLast;
  }

  async #look(): Promise<void> {
    const filter = this.#filter;
    try {
      const afterId = this.#events.at(-1)?.id;
      const params = { ...filter, limit: EVENTS_MAX, ...(afterId === undefined ? {} : { afterId }) };
      const news = await this.#api.call('log', params);
      if (filter !== this.#filter) return;
      this.#problem = '';
      if (news.length === 0 && this.#table.rows.length > 0) return;
      this.#events = [...this.#events, ...news].slice(-EVENTS_MAX);
      this.#table.setRows(this.#events);
      if (this.#follows) this.#table.onKey({ name: 'end', text: '', ctrl: false, shift: false });
    } catch (error) {
      this.#problem = errorLine(error);
    }
  }

  async #setFilter(change: { [Name in keyof Filter]: Filter[Name] | undefined }): Promise<void> {
    const next = { ...this.#filter, ...change };
    const set = Object.entries(next).filter(([, value]) => value !== undefined && value !== '');
    this.#filter = Object.fromEntries(set) as Filter;
    this.#events = [];
    this.#table.setRows([]);
    this.#follows = true;
    await this.#look();
  }

  async #chooseJob(host: PageHost): Promise<void> {
    const jobs = await this.#api.call('job.history', { limit: 500 });
    const chosen = await host.open(
      new PickPage({
        ...{ title: 'Log of which job?', helpTopic: this.helpTopic, all: 'All jobs' },
        choices: jobs.map((job) => ({
          value: job.id,
          text: `${job.createdAt.slice(0, 16).replace('T', ' ')}  ${job.kind.padEnd(7)}  ${job.image}  ${job.state}`,
        })),
      }),
    );
    if (chosen !== undefined) await this.#setFilter({ jobId: chosen });
  }

  async #chooseComputer(host: PageHost): Promise<void> {
    const computers = await this.#api.call('computers', {});
    const chosen = await host.open(
      new PickPage({
        ...{ title: 'Log of which computer?', helpTopic: this.helpTopic, all: 'All computers' },
        choices: computers.map(({ name, address, model }) => ({
          value: name,
          text: `${name.padEnd(16)}  ${address.padEnd(15)}  ${model}`,
        })),
      }),
    );
    if (chosen !== undefined) await this.#setFilter({ computer: chosen });
  }

  async #chooseText(host: PageHost): Promise<void> {
    const text = new TextField({ name: 'text', label: 'Text', value: this.#filter.text ?? '', max: 500 });
    const show = (page: PageHost<string>) => page.close(text.value);
    const chosen = await host.open(
      new FormPage<string>({
        ...{ title: 'Only lines with this text', helpTopic: this.helpTopic },
        form: new Form({ intro: 'Upper and lower case are alike. Empty shows all lines.', fields: [text] }),
        actions: [
          { key: 'F2', label: 'Show', run: show },
          { key: 'Enter', label: 'Show', run: show },
        ],
      }),
    );
    if (chosen !== undefined) await this.#setFilter({ text: chosen });
  }

  async #showWhole(host: PageHost): Promise<void> {
    const event = this.#table.current;
    if (event === undefined) return;
    const { at, level, kind, jobId, computerId, text } = event;
    const facts = [`# ${at.replace('T', ' ')}`, text, '', `Level: ${level} (${kind})`];
    if (jobId !== null) facts.push(`Job: ${jobId}`);
    if (computerId !== null) facts.push(`Computer: ${computerId}`);
    await host.open(new TextPage('Log line', facts.join('\n'), { helpTopic: this.helpTopic }));
  }

  async #save(host: PageHost): Promise<void> {
    const path = pathField(this.#api, {
      ...{ name: 'path', label: 'New file', value: `${this.#folder}/totaldeploy-log.txt` },
      ...{ choose: 'new-file', helpTopic: this.helpTopic },
    });
    const form = new Form({ intro: 'Saves every line that the filter lets through.', fields: [path] });
    const run = async (page: PageHost<number>) => {
      if (!form.check()) return;
      page.close((await this.#api.call('log.save', { ...this.#filter, path: path.value })).lines);
    };
    const lines = await host.open(
      new FormPage<number>({
        ...{ title: 'Save log', helpTopic: this.helpTopic, form },
        actions: [{ key: 'F2', label: 'Save', run }],
      }),
    );
    if (lines !== undefined) await host.message('Saved', `${lines} lines are in ${path.value}`);
  }
}

function nextLevel(level: Filter['level']): Filter['level'] {
  const next = LEVELS[(LEVELS.indexOf(level ?? 'info') + 1) % LEVELS.length];
  return next === 'info' ? undefined : next;
}
