import { cutText } from '../../lib/tui/cell-text.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { Tabs } from '../../lib/tui/tabs.ts';
import type { ConsoleApi } from '../console-api.ts';
import type { ConsoleStatus } from '../console-status.ts';
import { LiveConsole } from './live-console.ts';
import { type MenuEntry, MenuList } from './menu-list.ts';
import { OperationsTab } from './operations-tab.ts';

export interface MainPageOptions {
  api: ConsoleApi;
  status: ConsoleStatus;
  operations: readonly MenuEntry[];
  tools: readonly MenuEntry[];
  /** What leaving does, e.g. that the console goes on. */
  leaveText: string;
}

/** The console's first page: Operations and Tools. Its result says that the person left it. */
export class MainPage implements Page<true> {
  readonly title = '';
  readonly live: LiveConsole;
  readonly #options: MainPageOptions;
  readonly #tabs = new Tabs(['Operations', 'Tools']);
  readonly #operations: OperationsTab;
  readonly #tools: MenuList;
  #hidden = new AbortController();

  constructor(options: MainPageOptions) {
    this.#options = options;
    this.live = new LiveConsole(options.api);
    this.#operations = new OperationsTab({ api: options.api, live: this.live, menu: options.operations });
    this.#tools = new MenuList(options.tools);
  }

  get helpTopic(): string {
    return this.#tabs.active === 0 ? 'operations' : 'tools';
  }

  onShown(host: PageHost<true>): void {
    this.#hidden = new AbortController();
    this.live.follow(host, { signal: this.#hidden.signal, onNews: () => this.#operations.take() });
  }

  onHidden(): void {
    this.#hidden.abort();
  }

  /** Takes over what was asked for elsewhere; for tests. */
  take(): void {
    this.#operations.take();
  }

  render(size: PageSize): Line[] {
    const { problem } = this.live;
    const line: Line =
      problem === '' ? '' : [{ text: `  ! ${cutText(problem, size.columns - 6)}`, tone: 'bad' }];
    const lines = [...this.#tabs.render(size.columns), line];
    const rest = { columns: size.columns, rows: size.rows - lines.length };
    return [
      ...lines,
      ...(this.#tabs.active === 0 ? this.#operations.render(rest) : this.#toolLines(rest.rows)),
    ];
  }

  keys(): readonly PageKey[] {
    const own = this.#tabs.active === 0 ? this.#operations.keys() : [{ key: 'Enter', label: 'Open' }];
    const other = this.#tabs.titles[1 - this.#tabs.active] ?? '';
    return [...own, { key: 'Tab', label: other }, { key: 'F10', label: 'Leave' }];
  }

  onKey(key: KeyPress, host: PageHost<true>): void {
    if (key.name === 'f10' || key.name === 'escape') void runAction({ run: () => this.#leave(host) }, host);
    else if (this.#tabs.onKey(key)) return;
    else if (this.#tabs.active === 0) this.#operations.onKey(key, host);
    else if (key.name === 'enter') {
      const tool = this.#tools.current;
      if (tool !== undefined) void runAction({ run: () => tool.open(host) }, host);
    } else this.#tools.onKey(key);
  }

  #toolLines(rows: number): Line[] {
    const { status } = this.#options;
    const fact = (label: string, value: string): Line => [
      { text: `   ${label.padEnd(14)}`, tone: 'muted' },
      { text: value },
    ];
    const menu = this.#tools.render(true);
    const facts: Line[] = [
      '',
      [{ text: ' This console', tone: 'heading' }],
      fact('Name', status.name),
      fact('Address', `${status.address} (${status.interface})`),
      fact('Images', status.imagesDir),
      fact('Data', status.dataDir),
      fact('Version', status.version),
    ];
    return menu.length + facts.length > rows ? menu : [...menu, ...facts];
  }

  async #leave(host: PageHost<true>): Promise<void> {
    const running = this.live.running().length;
    const jobs = running === 0 ? '' : ` ${running} job${running === 1 ? ' is' : 's are'} running.`;
    if (await host.confirm('Leave', `${this.#options.leaveText}${jobs}`)) host.close(true);
  }
}
