import { errorLine } from '../../../lib/errors.ts';
import { formatBytes } from '../../../lib/progress.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { runAction } from '../../../lib/tui/form-page.ts';
import type { KeyPress, Line, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { poll } from '../../../lib/tui/poll.ts';
import { Table } from '../../../lib/tui/table.ts';
import { plural } from '../../commands/text-table.ts';
import type { KnownComputer } from '../../console-api.ts';
import type { ComputerView } from '../../console-core.ts';
import { KnownComputersPage } from '../known-computers-page.ts';
import { StartOptionsPage } from './start-options-page.ts';
import type { TargetsDraft } from './wizard-draft.ts';
import type { WizardContext, WizardStepView } from './wizard-step.ts';

type TargetState = 'ready' | 'busy' | 'gone' | 'off';

interface TargetRow extends Pick<ComputerView, 'computerId' | 'name' | 'address' | 'model' | 'firmware'> {
  mac: string;
  disk: string;
  state: TargetState;
}

/** Page 1: which computers; live, those that vanish while they are chosen, and those that are still switched off. */
export class TargetsStep implements WizardStepView {
  readonly step = 'targets';
  readonly title = 'Select target computers';
  readonly #context: WizardContext;
  readonly #table: Table<TargetRow>;
  /** Taken from those the console knows, by id. */
  readonly #added = new Map<string, KnownComputer>();
  #problem = '';
  #note = '';

  constructor(context: WizardContext) {
    this.#context = context;
    this.#table = new Table<TargetRow>({
      id: (row) => row.computerId,
      selectable: true,
      empty: 'No target computers are connected. Start them from the network or from boot media.',
      columns: [
        { title: 'Computer', text: (row) => row.name, min: 17, max: 30 },
        { title: 'MAC address', text: (row) => row.mac, min: 17, drop: 4 },
        { title: 'IP address', text: (row) => row.address, min: 15, max: 39 },
        { title: 'Model', text: (row) => row.model, min: 10, max: 30, drop: 2 },
        { title: 'Disk', text: (row) => row.disk, min: 8, max: 30, align: 'right' },
        { title: 'Firmware', text: (row) => row.firmware, drop: 3 },
        { title: 'State', text: (row) => row.state, min: 5, tone: ({ state }) => STATE_TONES[state] },
      ],
    });
    this.#setRows();
  }

  onShown(host: AnyHost, signal: AbortSignal): void {
    void poll(host, { signal, work: () => this.#load() });
  }

  render(size: PageSize): Line[] {
    const summary = this.#summary();
    const rows = Math.max(3, size.rows - summary.length - 1);
    return [...this.#table.render({ columns: size.columns, rows }), '', ...summary];
  }

  keys(): readonly PageKey[] {
    const choose = this.#isAll
      ? []
      : [
          { key: 'Space', label: 'Select' },
          { key: 'A', label: 'All' },
        ];
    const known = this.#isAll ? [] : [{ key: 'F6', label: 'Add known' }];
    return [...choose, { key: 'F5', label: 'Options' }, ...known];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    this.#note = '';
    if (key.name === 'f5') {
      const open = () => host.open(new StartOptionsPage(this.#context));
      void runAction({ run: async () => void (await open()) }, host).then(() => this.#setRows());
      return true;
    }
    if (key.name === 'f6' && !this.#isAll) {
      void runAction({ run: () => this.#addKnown(host) }, host);
      return true;
    }
    if (key.name !== 'space' && key.name !== 'a') return this.#table.onKey(key);
    if (this.#isAll)
      this.#note = 'All computers that are connected at the start are deployed; F5 changes that';
    else if (key.name === 'a') this.#chooseAll();
    else if (
      this.#table.current?.state === 'busy' &&
      !this.#table.chosen.has(this.#table.current.computerId)
    ) {
      this.#note = `${this.#table.current.name} is busy with another job`;
    } else this.#table.onKey(key);
    if (!this.#isAll) this.#keepChosen();
    return true;
  }

  get #isAll(): boolean {
    return this.#context.model.draft.targets.mode === 'connected';
  }

  async #addKnown(host: AnyHost): Promise<void> {
    const known = await this.#context.api.call('computers.known', {});
    // A master that was backed up is none to overwrite by a slip.
    const computers = known.filter((one) => one.role === 'agent');
    const added = await host.open(
      new KnownComputersPage({
        ...{ title: 'Add known computers', helpTopic: 'wizard-known', action: 'Add', computers },
      }),
    );
    if (added === undefined || added === 'other') return;
    const { chosen } = this.#context.model.draft.targets;
    for (const computer of added) {
      this.#added.set(computer.computerId, computer);
      chosen.set(computer.computerId, computer.name);
    }
    this.#setRows();
  }

  async #load(): Promise<void> {
    try {
      const computers = await this.#context.api.call('computers', {});
      this.#context.computers = computers.filter((one) => one.role === 'agent');
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
    this.#setRows();
  }

  /** Connected computers in the order of their names, then chosen ones that are not here. */
  #setRows(): void {
    const { chosen } = this.#context.model.draft.targets;
    const connected = this.#context.computers.map(targetRow);
    const here = new Set(connected.map((row) => row.computerId));
    const away = [...chosen]
      .filter(([computerId]) => !here.has(computerId))
      .map(([computerId, name]) => awayRow(computerId, name, this.#added.get(computerId)));
    connected.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
    this.#table.setRows([...connected, ...(this.#isAll ? [] : away)]);
    this.#table.chooseAll(false);
    const ids = this.#isAll ? connected.filter(isReady).map((row) => row.computerId) : chosen.keys();
    for (const computerId of ids) this.#table.chosen.add(computerId);
  }

  #chooseAll(): void {
    const rows = this.#table.rows.filter((row) => isReady(row) || row.state === 'off');
    const all = rows.every((row) => this.#table.chosen.has(row.computerId));
    this.#table.chooseAll(false);
    if (!all) for (const row of rows) this.#table.chosen.add(row.computerId);
  }

  #keepChosen(): void {
    const { targets } = this.#context.model.draft;
    targets.chosen = new Map(this.#table.chosenRows().map((row) => [row.computerId, row.name]));
  }

  #summary(): Line[] {
    const { targets } = this.#context.model.draft;
    const ready = this.#table.rows.filter(isReady).length;
    const lines: Line[] = [];
    if (this.#problem !== '') lines.push([{ text: `  ! ${this.#problem}`, tone: 'bad' }]);
    if (this.#note !== '') lines.push([{ text: `  ! ${this.#note}`, tone: 'warning' }]);
    const count = (state: TargetState) => this.#table.rows.filter((row) => row.state === state).length;
    const [gone, off] = [count('gone'), count('off')];
    const waits = `up to ${targets.waitMinutes} min`;
    if (gone > 0) {
      const text = `  ${plural(gone, 'chosen computer')} gone; the deployment waits for them ${waits}`;
      lines.push([{ text, tone: 'warning' }]);
    }
    if (off > 0 && !targets.wake) {
      const text = `  ${plural(off, 'chosen computer')} off; F5 can wake them, they are waited for ${waits}`;
      lines.push([{ text, tone: 'warning' }]);
    }
    const who = this.#isAll
      ? `All computers that are connected at the start (now ${ready})`
      : `${targets.chosen.size} of ${plural(this.#table.rows.length, 'computer')} chosen`;
    return [
      ...lines,
      [{ text: `  ${who}`, tone: 'heading' }],
      [{ text: `  ${startText(targets, gone + off)}`, tone: 'muted' }],
    ];
  }
}

const STATE_TONES = { ready: 'good', busy: 'muted', gone: 'warning', off: 'muted' } as const;

function isReady(row: TargetRow): boolean {
  return row.state === 'ready';
}

function targetRow(computer: ComputerView): TargetRow {
  const { computerId, name, address, model, firmware, macs, disks, jobId } = computer;
  const [first] = disks;
  const more = disks.length > 1 ? ` +${disks.length - 1}` : '';
  return {
    ...{ computerId, name, address, model, firmware },
    mac: macs[0] ?? '',
    disk: first === undefined ? 'no disk' : `${formatBytes(first.sizeBytes)}${more}`,
    state: jobId === null ? 'ready' : 'busy',
  };
}

function awayRow(computerId: string, name: string, known: KnownComputer | undefined): TargetRow {
  const facts = { computerId, name, address: '', firmware: '', disk: '' };
  if (known === undefined) return { ...facts, model: '', mac: '', state: 'gone' };
  return { ...facts, model: known.model, mac: known.macs[0] ?? '', state: 'off' };
}

/** How the deployment begins, in one line. @param awayCount chosen computers that are not connected. */
function startText(targets: TargetsDraft, awayCount: number): string {
  const { mode, chosen, waitMinutes, wake, joinLate, allOrNothing } = targets;
  // All that are chosen are waited for, whatever number was given.
  const waitFor = Math.max(Number(targets.waitFor) || 0, awayCount > 0 ? chosen.size : 0);
  const begin =
    waitFor === 0
      ? 'Starts at once'
      : `Starts when ${plural(waitFor, 'computer')} ${waitFor === 1 ? 'is' : 'are'} connected, or after ${waitMinutes} min`;
  return [
    begin,
    ...(wake ? ['wakes them first'] : []),
    ...(joinLate && mode === 'connected' ? ['later ones join'] : []),
    ...(allOrNothing ? ['all or nothing'] : []),
  ].join(', ');
}
