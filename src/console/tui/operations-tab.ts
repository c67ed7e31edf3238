import type { AnyHost } from '../../lib/tui/field.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, PageKey, PageSize } from '../../lib/tui/page.ts';
import type { Table } from '../../lib/tui/table.ts';
import type { ConsoleApi } from '../console-api.ts';
import type { ComputerView, JobSnapshot } from '../console-core.ts';
import { ComputerPage } from './computer-page.ts';
import { computerTable, sortedComputers } from './computer-table.ts';
import { JobPage } from './job-page.ts';
import { JobsPage } from './jobs-page.ts';
import type { LiveConsole } from './live-console.ts';
import { type MenuEntry, MenuList } from './menu-list.ts';
import { runningJobsTable } from './running-jobs.ts';
import { wakePage } from './wake-page.ts';

const JOBS_SHOWN_MAX = 4;

type Section = 'menu' | 'jobs' | 'computers';

/** What to start, what runs, and who is there. The arrows go through all three. */
export class OperationsTab {
  readonly #api: ConsoleApi;
  readonly #live: LiveConsole;
  readonly #menu: MenuList;
  readonly #jobs: Table<JobSnapshot> = runningJobsTable();
  readonly #computers: Table<ComputerView>;
  #section: Section = 'menu';

  constructor(options: { api: ConsoleApi; live: LiveConsole; menu: readonly MenuEntry[] }) {
    this.#api = options.api;
    this.#live = options.live;
    this.#menu = new MenuList(options.menu);
    this.#computers = computerTable(options.live);
  }

  /** Takes over what the console says now. */
  take(): void {
    this.#jobs.setRows(this.#live.running());
    this.#computers.setRows(sortedComputers(this.#live.computers));
    if (!this.#sections().includes(this.#section)) this.#section = 'menu';
  }

  render(size: PageSize): Line[] {
    const { columns } = size;
    const lines: Line[] = [...this.#menu.render(this.#section === 'menu'), ''];
    if (this.#jobs.rows.length > 0) {
      const rows = 1 + Math.min(JOBS_SHOWN_MAX, this.#jobs.rows.length);
      lines.push([{ text: ' Running jobs', tone: 'heading' }]);
      lines.push(...this.#jobs.render({ columns, rows }, { focused: this.#section === 'jobs' }), '');
    }
    lines.push(this.#computersHeading());
    const rows = size.rows - lines.length;
    const focused = this.#section === 'computers';
    if (rows > 1) lines.push(...this.#computers.render({ columns, rows }, { focused }));
    return lines;
  }

  keys(): readonly PageKey[] {
    const open = { menu: 'Open', jobs: 'Open job', computers: 'Details' }[this.#section];
    return [
      { key: 'Enter', label: open },
      { key: 'F5', label: 'Jobs' },
      { key: 'F6', label: 'Wake' },
    ];
  }

  /** @returns whether the key was used. */
  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name === 'f5') void host.open(new JobsPage(this.#api));
    else if (key.name === 'f6') void runAction({ run: () => wakePage(this.#api, host) }, host);
    else if (key.name === 'enter') this.#enter(host);
    else return this.#leaveSection(key) || this.#part().onKey(key);
    return true;
  }

  #computersHeading(): Line {
    const { computers } = this.#live;
    const waiting = computers.filter(({ jobId }) => jobId === null).length;
    const counts = computers.length === 0 ? '' : `   ${computers.length} connected, ${waiting} waiting`;
    return [
      { text: ' Connected computers', tone: 'heading' },
      { text: counts, tone: 'muted' },
    ];
  }

  #part(): MenuList | Table<JobSnapshot> | Table<ComputerView> {
    return { menu: this.#menu, jobs: this.#jobs, computers: this.#computers }[this.#section];
  }

  #sections(): Section[] {
    return [
      'menu',
      ...(this.#jobs.rows.length > 0 ? (['jobs'] as const) : []),
      ...(this.#computers.rows.length > 0 ? (['computers'] as const) : []),
    ];
  }

  /** Up and Down at the edge of a section go on in the next one. */
  #leaveSection(key: KeyPress): boolean {
    const sections = this.#sections();
    const at = sections.indexOf(this.#section);
    const part = this.#part();
    const next =
      key.name === 'down' && part.atLast
        ? sections[at + 1]
        : key.name === 'up' && part.atFirst
          ? sections[at - 1]
          : undefined;
    if (next === undefined) return false;
    this.#section = next;
    return true;
  }

  #enter(host: AnyHost): void {
    if (this.#section === 'menu') {
      const entry = this.#menu.current;
      if (entry !== undefined) void runAction({ run: () => entry.open(host) }, host);
    } else if (this.#section === 'jobs') {
      const job = this.#jobs.current;
      if (job !== undefined) void host.open(new JobPage(job, this.#api));
    } else {
      const computer = this.#computers.current;
      if (computer !== undefined) {
        void host.open(new ComputerPage(computer, { api: this.#api, live: this.#live }));
      }
    }
  }
}
