import { formatBytes } from '../../lib/progress.ts';
import { padText } from '../../lib/tui/cell-text.ts';
import { runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey } from '../../lib/tui/page.ts';
import type { ConsoleApi } from '../console-api.ts';
import type { ComputerView } from '../console-core.ts';
import { firmwareText } from './computer-table.ts';
import { leftText, rateText, stateTone } from './job-words.ts';
import type { LiveConsole } from './live-console.ts';

const LABEL_COLUMNS = 16;

/** Everything about one computer, and what can be done with it. */
export class ComputerPage implements Page {
  readonly helpTopic = 'computer';
  readonly #api: ConsoleApi;
  readonly #live: LiveConsole;
  #computer: ComputerView;
  #isHere = true;
  #hidden = new AbortController();

  constructor(computer: ComputerView, options: { api: ConsoleApi; live: LiveConsole }) {
    this.#computer = computer;
    this.#api = options.api;
    this.#live = options.live;
  }

  get title(): string {
    return this.#computer.name;
  }

  onShown(host: PageHost): void {
    this.#hidden = new AbortController();
    const onNews = () => {
      const found = this.#live.computers.find(({ computerId }) => computerId === this.#computer.computerId);
      this.#isHere = found !== undefined;
      if (found !== undefined) this.#computer = found;
    };
    this.#live.follow(host, { signal: this.#hidden.signal, onNews });
  }

  onHidden(): void {
    this.#hidden.abort();
  }

  render(): Line[] {
    const { name, macs, address, model, serial, firmware, memoryBytes, disks, role } = this.#computer;
    const row = (label: string, value: string): Line => [
      { text: `  ${padText(label, LABEL_COLUMNS)}`, tone: 'muted' },
      { text: value === '' ? '-' : value },
    ];
    return [
      '',
      [{ text: '  ' }, { text: name, tone: 'heading' }],
      '',
      row('IP address', address),
      ...macs.map((mac, i) => row(i === 0 ? 'MAC address' : '', mac)),
      row('Model', model),
      row('Serial number', serial),
      row('Firmware', firmwareText(firmware)),
      row('Memory', formatBytes(memoryBytes)),
      ...(disks.length === 0 ? [row('Disks', 'none')] : []),
      ...disks.map((disk, i) => {
        const parts = [disk.name, formatBytes(disk.sizeBytes), disk.model, disk.serial];
        return row(i === 0 ? 'Disks' : '', parts.filter((part) => part !== '').join('   '));
      }),
      '',
      row('Started as', role === 'backup' ? 'backup agent' : 'deploy agent'),
      row('Connected', this.#computer.connectedAt.slice(0, 19).replace('T', ' ')),
      ...this.#stateLines(),
    ];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F6', label: 'Wake' },
      { key: 'F7', label: 'Shut down' },
      { key: 'F8', label: 'Restart' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    if (key.name === 'escape') host.close();
    else if (key.name === 'f6') void runAction({ run: () => this.#wake(host) }, host);
    else if (key.name === 'f7') void runAction({ run: () => this.#power('shutdown', host) }, host);
    else if (key.name === 'f8') void runAction({ run: () => this.#power('restart', host) }, host);
  }

  #stateLines(): Line[] {
    const label = `  ${padText('State', LABEL_COLUMNS)}`;
    if (!this.#isHere) {
      return [
        [
          { text: label, tone: 'muted' },
          { text: 'not connected any more', tone: 'warning' },
        ],
      ];
    }
    const target = this.#live.target(this.#computer.computerId);
    const state = target?.state ?? this.#computer.state;
    const facts = target === undefined ? [] : [rateText(target.bytesPerSecond), leftText(target.leftSeconds)];
    const text = facts.filter((fact) => fact !== '').map((fact) => `   ${fact}`);
    const lines: Line[] = [
      [{ text: label, tone: 'muted' }, { text: state, tone: stateTone(state) }, { text: text.join('') }],
    ];
    const why = target === undefined ? '' : target.reason || target.slow || target.detail;
    if (why !== '') lines.push(`  ${' '.repeat(LABEL_COLUMNS)}${why}`);
    return lines;
  }

  async #wake(host: PageHost): Promise<void> {
    const { woken } = await this.#api.call('wake', { computers: [this.#computer.computerId] });
    await host.message(
      'Wake',
      woken.length === 0 ? 'Nothing was sent.' : `Wake-on-LAN packets were sent to ${woken.join(', ')}.`,
    );
  }

  async #power(action: 'shutdown' | 'restart', host: PageHost): Promise<void> {
    const verb = action === 'shutdown' ? 'Shut down' : 'Restart';
    const busy = this.#computer.jobId === null ? '' : ' It is in a running job, which will fail for it.';
    if (!(await host.confirm(verb, `${verb} ${this.#computer.name}?${busy}`))) return;
    await this.#api.call('power', { computers: [this.#computer.computerId], action });
  }
}
