import { problemLines, wrapText } from '../lib/tui/cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../lib/tui/page.ts';
import type { NetworkStatus } from './network-status.ts';

const REFRESH_MS = 250;
/** Long enough to be read, short enough where nobody is. */
const SHOWN_MS = 3000;

/** What came of network settings: the address, or why there is none yet. Goes on by itself once there is one. */
export class NetworkResultPage implements Page<'on' | 'change'> {
  readonly title = 'Network';
  readonly helpTopic = 'preos.network';
  readonly #status: () => NetworkStatus;
  #timer: NodeJS.Timeout | undefined;
  #usableSinceMs: number | undefined;

  constructor(status: () => NetworkStatus) {
    this.#status = status;
  }

  onShown(host: PageHost<'on' | 'change'>): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      host.refresh();
      if (this.#status().usable.length === 0) this.#usableSinceMs = undefined;
      else this.#usableSinceMs ??= performance.now();
      const isRead = this.#usableSinceMs !== undefined && performance.now() - this.#usableSinceMs >= SHOWN_MS;
      if (isRead) host.close('on');
    }, REFRESH_MS);
  }

  onHidden(): void {
    clearInterval(this.#timer);
  }

  keys(): readonly PageKey[] {
    const isUp = this.#status().usable.length > 0;
    return [
      { key: 'Enter', label: isUp ? 'Continue' : 'Continue without' },
      { key: 'Esc', label: 'Change settings' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<'on' | 'change'>): void {
    if (key.name === 'enter') host.close('on');
    else if (key.name === 'escape') host.close('change');
  }

  render(size: PageSize): Line[] {
    const { usable, activity, problems, rows } = this.#status();
    const isUp = usable.length > 0;
    const lines: Line[] = ['', [{ text: '  ' }, { text: activity, tone: isUp ? 'good' : 'heading' }], ''];
    for (const { name, address } of usable) lines.push(`  ${name} has the address ${address}.`);
    for (const problem of problems) lines.push(...problemLines(problem, size.columns));
    lines.push('');
    for (const { label, value } of rows) {
      wrapText(value, size.columns - 16).forEach((text, i) => {
        lines.push([{ text: `  ${(i === 0 ? label : '').padEnd(10)}  `, tone: 'muted' }, { text }]);
      });
    }
    return lines;
  }
}
