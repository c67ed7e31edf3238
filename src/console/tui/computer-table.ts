import { formatBytes } from '../../lib/progress.ts';
import type { Tone } from '../../lib/tui/page.ts';
import { Table } from '../../lib/tui/table.ts';
import type { ComputerView } from '../console-core.ts';
import { leftText, rateText, stateTone } from './job-words.ts';
import type { LiveConsole } from './live-console.ts';

/** The first disk in short: `500 GB +1` when there are two. */
export function diskText(computer: Pick<ComputerView, 'disks'>): string {
  const [first, ...more] = computer.disks;
  if (first === undefined) return 'none';
  return `${formatBytes(first.sizeBytes)}${more.length === 0 ? '' : ` +${more.length}`}`;
}

export function firmwareText(firmware: string): string {
  return firmware === 'uefi' ? 'UEFI' : firmware === 'bios' ? 'BIOS' : firmware;
}

/** The computers connected now, in the order of their names. */
export function computerTable(live: LiveConsole): Table<ComputerView> {
  const stateOf = ({ computerId, state }: ComputerView) => live.target(computerId)?.state ?? state;
  return new Table<ComputerView>({
    id: ({ computerId }) => computerId,
    empty: 'None yet. Start target computers from the network or from a medium exported in Tools.',
    columns: [
      { title: 'Name', min: 10, max: 24, text: ({ name }) => name },
      { title: 'MAC address', min: 17, max: 17, drop: 2, text: ({ macs }) => macs[0] ?? '' },
      { title: 'IP address', min: 13, max: 15, drop: 1, text: ({ address }) => address },
      { title: 'Model', min: 10, max: 32, drop: 4, text: ({ model }) => model },
      { title: 'Disk', min: 7, align: 'right', text: diskText },
      { title: 'Boot', min: 4, drop: 3, text: ({ firmware }) => firmwareText(firmware) },
      { title: 'State', min: 12, max: 22, text: stateOf, tone: (row): Tone => stateTone(stateOf(row)) },
      {
        title: 'Rate',
        min: 8,
        align: 'right',
        text: ({ computerId }) => rateText(live.target(computerId)?.bytesPerSecond ?? 0),
      },
      {
        title: 'Left',
        min: 5,
        align: 'right',
        text: ({ computerId }) => leftText(live.target(computerId)?.leftSeconds ?? null),
      },
    ],
  });
}

const NAMES = new Intl.Collator('en', { numeric: true });

/** By name, numbers as numbers: PC-2 before PC-10. */
export function sortedComputers(computers: readonly ComputerView[]): ComputerView[] {
  return computers.toSorted((a, b) => NAMES.compare(a.name, b.name));
}
