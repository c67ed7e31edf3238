import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../lib/tui/page.ts';
import { Table } from '../../lib/tui/table.ts';
import { plural } from '../commands/text-table.ts';
import type { KnownComputer } from '../console-api.ts';

export interface KnownComputersOptions {
  title: string;
  helpTopic: string;
  /** What F2 does with those that are chosen, or with the one under the cursor. */
  action: string;
  computers: readonly KnownComputer[];
  /** A key of the caller's own; it closes the page with `other`. */
  other?: PageKey;
}

/** Computers that were connected once and are not now; the result is those that were chosen. */
export class KnownComputersPage implements Page<KnownComputer[] | 'other'> {
  readonly title: string;
  readonly helpTopic: string;
  readonly #options: KnownComputersOptions;
  readonly #table: Table<KnownComputer>;

  constructor(options: KnownComputersOptions) {
    this.#options = options;
    this.title = options.title;
    this.helpTopic = options.helpTopic;
    this.#table = new Table({
      id: ({ computerId }) => computerId,
      selectable: true,
      rows: options.computers,
      empty: 'None: every computer that this console knows is connected.',
      columns: [
        { title: 'Computer', text: ({ name }) => name, min: 17, max: 30 },
        { title: 'MAC addresses', text: ({ macs }) => macs.join(' '), min: 17, max: 53, drop: 2 },
        { title: 'Model', text: ({ model }) => model, min: 10, max: 40, drop: 1 },
        {
          title: 'Last seen (UTC)',
          text: ({ lastSeen }) => lastSeen.slice(0, 16).replace('T', ' '),
          min: 16,
        },
      ],
    });
  }

  render(size: PageSize): Line[] {
    const count = this.#table.chosen.size;
    const chosen = count === 0 ? '' : `  ${plural(count, 'computer')} chosen`;
    const table = this.#table.render({ columns: size.columns, rows: Math.max(2, size.rows - 2) });
    return [...table, '', [{ text: chosen, tone: 'heading' }]];
  }

  keys(): readonly PageKey[] {
    const { action, other } = this.#options;
    return [
      { key: 'Space', label: 'Select' },
      { key: 'A', label: 'All' },
      { key: 'F2', label: action },
      ...(other === undefined ? [] : [other]),
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<KnownComputer[] | 'other'>): void {
    if (key.name === 'escape') host.close();
    else if (key.name === this.#options.other?.key.toLowerCase()) host.close('other');
    else if (key.name === 'f2' || key.name === 'enter') this.#take(host);
    else this.#table.onKey(key);
  }

  #take(host: PageHost<KnownComputer[] | 'other'>): void {
    const { current } = this.#table;
    const chosen = this.#table.chosenRows();
    if (chosen.length > 0) host.close(chosen);
    else if (current !== undefined) host.close([current]);
  }
}
