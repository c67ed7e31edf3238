import { errorLine } from '../../../lib/errors.ts';
import { problemLines } from '../../../lib/tui/cell-text.ts';
import { runAction } from '../../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import type { ConsoleApi, LicenceStatus } from '../../console-api.ts';
import { browsePath } from './path-field.ts';

type LicensedComputer = LicenceStatus['computers'][number];

/** What was bought and which computers use it. */
export class LicencePage implements Page {
  readonly title = 'Licences';
  readonly helpTopic = 'licences';
  readonly #api: ConsoleApi;
  readonly #table: Table<LicensedComputer>;
  #status: LicenceStatus | undefined;
  #problem = '';

  constructor(api: ConsoleApi) {
    this.#api = api;
    this.#table = new Table<LicensedComputer>({
      id: ({ computerId }) => computerId,
      empty: 'No computer uses a licence yet.',
      columns: [
        { title: 'Computer', text: ({ name }) => name, min: 20 },
        { title: 'Licence', text: ({ kind }) => kind, min: 11 },
        { title: 'Since', text: ({ since }) => since.slice(0, 10), min: 10 },
      ],
    });
  }

  onShown(host: PageHost): void {
    void this.#take(host, () => this.#api.call('licences', {}));
  }

  render(size: PageSize): Line[] {
    const head = ['', ...this.#head(size), ''];
    if (this.#status?.enforced !== true) return head;
    return [...head, ...this.#table.render({ columns: size.columns, rows: size.rows - head.length })];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F4', label: 'Load a licence' },
      ...(this.#status?.enforced === true ? [{ key: 'F6', label: 'Server for workstation' }] : []),
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    if (key.name === 'escape') host.close();
    else if (key.name === 'f4') void runAction({ run: () => this.#load(host) }, host);
    else if (key.name === 'f6' && this.#status?.enforced === true) {
      const substitute = this.#status.substitute === 'auto' ? 'ask' : 'auto';
      const set = () => this.#api.call('licences.substitute', { substitute });
      void runAction({ run: async () => this.#set(await set()) }, host);
    } else this.#table.onKey(key);
  }

  #head(size: PageSize): Line[] {
    if (this.#problem !== '') return [[{ text: `  ! ${this.#problem}`, tone: 'bad' }]];
    const status = this.#status;
    if (status === undefined) return ['  Reading …'];
    if (!status.enforced) return ['  No licence is loaded: the number of computers is not limited.'];
    const { server, workstation, substitute } = status;
    const fact = (label: string, value: string): Line => [
      { text: `  ${label.padEnd(14)}`, tone: 'muted' },
      { text: value },
    ];
    const problem = status.problem ?? '';
    return [
      ...problemLines(problem, size.columns),
      fact('Licence of', status.holder),
      fact('Servers', `${server.used} of ${server.bought} used`),
      fact('Workstations', `${workstation.used} of ${workstation.bought} used`),
      fact('When short', `a server licence stands in for a workstation one ${WAYS[substitute]}`),
    ];
  }

  async #load(host: PageHost): Promise<void> {
    const path = await browsePath(this.#api, { choose: 'file', path: '/', helpTopic: this.helpTopic, host });
    if (path !== undefined) this.#set(await this.#api.call('licences.load', { path }));
  }

  async #take(host: PageHost, ask: () => Promise<LicenceStatus>): Promise<void> {
    try {
      this.#set(await ask());
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  #set(status: LicenceStatus): void {
    this.#status = status;
    this.#table.setRows(status.computers);
  }
}

const WAYS: Record<LicenceStatus['substitute'], string> = { auto: 'by itself', ask: 'only when asked' };
