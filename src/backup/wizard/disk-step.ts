import { errorLine } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import { problemLines, spansOf, wrapText } from '../../lib/tui/cell-text.ts';
import type { AnyHost } from '../../lib/tui/field.ts';
import type { KeyPress, Line, PageKey, PageSize } from '../../lib/tui/page.ts';
import { Table } from '../../lib/tui/table.ts';
import type { Partition } from '../../schema/disk-layout.ts';
import type { MachineDisk } from '../../schema/machine.ts';
import type { BackupContext, StepView } from './step-view.ts';
import type { DiskContents } from './wizard-parts.ts';

const DISK_ROWS_MAX = 6;
const PROBLEM_ROWS_MAX = 5;

interface Looked {
  contents: DiskContents | undefined;
  problem: string;
  /** By partition number. */
  used: Map<number, number | 'failed'>;
}

/** Step 1: the disk, and what of it. */
export class DiskStep implements StepView {
  readonly step = 'disk';
  readonly title = 'Disk and partitions';
  readonly #context: BackupContext;
  readonly #disks: Table<MachineDisk>;
  readonly #partitions: Table<Partition>;
  readonly #looked = new Map<string, Looked>();
  #all: MachineDisk[] | undefined;
  #problem = '';
  #focus: 'disks' | 'partitions' = 'disks';
  #signal: AbortSignal | undefined;

  constructor(context: BackupContext) {
    this.#context = context;
    this.#disks = new Table<MachineDisk>({
      id: (disk) => disk.name,
      empty: 'No disk was found: check its cable and the firmware settings (F5 looks again)',
      columns: [
        { title: 'Disk', text: (disk) => disk.name, min: 8 },
        { title: 'Size', text: (disk) => formatBytes(disk.sizeBytes), min: 8, align: 'right' },
        { title: 'Model', text: (disk) => disk.model, min: 10 },
        { title: 'Serial', text: (disk) => disk.serial, min: 8, drop: 1 },
        { title: 'Bus', text: (disk) => disk.bus, drop: 2 },
      ],
    });
    const used = ({ number }: Partition) => this.#usedText(number);
    this.#partitions = new Table<Partition>({
      id: ({ number }) => String(number),
      selectable: true,
      empty: 'no partitions: the disk is backed up as it is, every block of it',
      columns: [
        { title: 'No', text: ({ number }) => String(number), align: 'right' },
        { title: 'File system', text: ({ filesystem }) => filesystem.kind },
        { title: 'Label', text: ({ filesystem, name }) => filesystem.label || name, min: 10, max: 24 },
        { title: 'Size', text: ({ sizeBytes }) => formatBytes(sizeBytes), min: 8, align: 'right' },
        { title: 'Used', text: used, min: 8, align: 'right' },
        { title: 'Kind', text: (partition) => this.#kindOf(partition), drop: 1 },
      ],
    });
  }

  onShown(host: AnyHost, signal: AbortSignal): void {
    this.#signal = signal;
    if (this.#all === undefined) void this.#readDisks(host);
    else this.#readCurrent(host);
  }

  keys(): readonly PageKey[] {
    const hasProblems = (this.#current?.contents?.problems.length ?? 0) > 0;
    return [
      { key: 'Tab', label: this.#focus === 'disks' ? 'Partitions' : 'Disks' },
      ...(hasProblems
        ? [{ key: 'F4', label: this.#context.draft.force ? 'Refuse unclean' : 'Take as it is' }]
        : []),
      { key: 'F5', label: 'System only' },
      { key: 'F6', label: 'Whole disk' },
    ];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    const { draft } = this.#context;
    const layout = this.#current?.contents?.layout;
    if (key.name === 'tab' || key.name === 'backtab') {
      this.#focus = this.#focus === 'disks' ? 'partitions' : 'disks';
    } else if (key.name === 'f4') draft.force = !draft.force;
    else if (key.name === 'f5' && this.#disks.rows.length === 0) void this.#readDisks(host);
    else if (key.name === 'f5' && layout !== undefined) {
      this.#choose(this.#context.parts.suggestedPartitions(layout));
    } else if (key.name === 'f6' && layout !== undefined) this.#choose(draft.partitions);
    else if (this.#focus === 'disks') {
      const before = this.#disks.current?.name;
      if (!this.#disks.onKey(key)) return false;
      if (this.#disks.current?.name !== before) this.#changeDisk(host);
    } else {
      if (!this.#partitions.onKey(key)) return false;
      draft.chosen = [...this.#partitions.chosen].map(Number);
    }
    return true;
  }

  render(size: PageSize): Line[] {
    if (this.#problem !== '') return problemLines(this.#problem, size.columns);
    if (this.#all === undefined) return ['  Looking for disks …'];
    const lines: Line[] = [];
    const shownDisks = Math.min(DISK_ROWS_MAX, Math.max(1, this.#disks.rows.length)) + 1;
    const isFocused = this.#focus === 'disks';
    lines.push(
      ...indented(this.#disks.render({ ...narrow(size), rows: shownDisks }, { focused: isFocused })),
    );
    if (!isFocused && this.#disks.current !== undefined) this.#markChosen(lines);
    const protectedOnes = this.#all.filter((disk) => !isUsable(disk)).map((disk) => disk.name);
    if (protectedOnes.length > 0) {
      const why = 'the boot medium, mounted or read-only';
      lines.push([{ text: `   Not listed: ${protectedOnes.join(', ')} (${why})`, tone: 'muted' }]);
    }
    lines.push('', ...this.#contentLines(size, size.rows - lines.length - 1));
    return lines;
  }

  async beforeNext(): Promise<string> {
    const current = this.#current;
    if (current?.contents === undefined) {
      return current?.problem
        ? 'This disk cannot be backed up; choose another one'
        : 'The disk is still being read; wait a moment';
    }
    const { problems } = current.contents;
    if (problems.length === 0 || this.#context.draft.force || this.#wrongChosen().length === 0) return '';
    return 'See the problem above; correct it, leave that partition out, or press F4 to take it as it is';
  }

  /** With the cursor elsewhere the chosen disk must still be seen. */
  #markChosen(lines: Line[]): void {
    const { name } = this.#disks.current!;
    const at = lines.findIndex(
      (line) => typeof line !== 'string' && line.some(({ text }) => text.trim() === name),
    );
    if (at < 0) return;
    const spans = lines[at] as readonly { text: string }[];
    lines[at] = [
      { text: ' ►', tone: 'good' },
      ...spans.slice(1).map(({ text }) => ({ text, tone: 'heading' as const })),
    ];
  }

  #contentLines(size: PageSize, rows: number): Line[] {
    const disk = this.#disks.current;
    const current = this.#current;
    if (disk === undefined) return [];
    if (current?.contents === undefined) {
      return current?.problem ? problemLines(current.problem, size.columns) : [`  Reading ${disk.name} …`];
    }
    const { layout, problems, warnings } = current.contents;
    const shownProblems = [...problems, ...warnings]
      .flatMap((text) => wrapText(`! ${text}`, size.columns - 4))
      .slice(0, PROBLEM_ROWS_MAX)
      .map((text): Line => [{ text: `  ${text}`, tone: 'warning' }]);
    if (problems.length > 0 && this.#context.draft.force) {
      shownProblems.push([{ text: '  It is taken as it is; the image says so.', tone: 'warning' }]);
    }
    const table = layout.table === 'none' ? 'no partition table' : layout.table.toUpperCase();
    const tableRows = Math.max(2, rows - shownProblems.length - 2);
    return [
      [
        { text: `  What is on ${disk.name}  `, tone: 'heading' },
        { text: `(${table})`, tone: 'muted' },
      ],
      ...indented(
        this.#partitions.render(
          { ...narrow(size), rows: tableRows },
          { focused: this.#focus === 'partitions' },
        ),
      ),
      ...shownProblems,
    ];
  }

  get #current(): Looked | undefined {
    return this.#looked.get(this.#disks.current?.name ?? '');
  }

  /** Chosen partitions that a problem names, or all when one is about the disk. */
  #wrongChosen(): number[] {
    const { chosen } = this.#context.draft;
    const problems = this.#current?.contents?.problems ?? [];
    const named = problems.map((text) => /^Partition (\d+) /.exec(text)?.[1]);
    if (named.includes(undefined)) return chosen.length > 0 ? chosen : [0];
    return chosen.filter((number) => named.includes(String(number)));
  }

  #usedText(number: number): string {
    const used = this.#current?.used.get(number);
    if (used === undefined) return '…';
    return used === 'failed' ? '?' : formatBytes(used);
  }

  #kindOf({ number }: Partition): string {
    const layout = this.#current?.contents?.layout;
    const isSystem = layout !== undefined && this.#context.parts.suggestedPartitions(layout).includes(number);
    return isSystem && (layout?.partitions.length ?? 0) > 1 ? 'system' : '';
  }

  async #readDisks(host: AnyHost): Promise<void> {
    try {
      this.#problem = '';
      this.#all = await this.#context.parts.disks();
      this.#disks.setRows(this.#all.filter(isUsable));
      const { draft } = this.#context;
      this.#disks.moveTo(draft.disk);
      // What was chosen of the same disk before stays, and what the boot parameters said of any.
      const isOther = draft.disk !== '' && this.#disks.current?.name !== draft.disk;
      draft.disk = this.#disks.current?.name ?? '';
      if (isOther) this.#changeDisk(host);
      else this.#readCurrent(host);
    } catch (error) {
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  #changeDisk(host: AnyHost): void {
    const { draft } = this.#context;
    draft.force = false;
    draft.disk = this.#disks.current?.name ?? '';
    draft.partitions = [];
    draft.chosen = [];
    this.#partitions.setRows([]);
    this.#showContents();
    this.#readCurrent(host);
  }

  #readCurrent(host: AnyHost): void {
    const disk = this.#disks.current;
    if (disk === undefined || this.#signal === undefined) return;
    const looked = this.#looked.get(disk.name) ?? { contents: undefined, problem: '', used: new Map() };
    this.#looked.set(disk.name, looked);
    void this.#look(disk, looked, { host, signal: this.#signal });
  }

  async #look(
    disk: MachineDisk,
    looked: Looked,
    { host, signal }: { host: AnyHost; signal: AbortSignal },
  ): Promise<void> {
    const { parts } = this.#context;
    try {
      if (looked.contents === undefined) {
        looked.contents = await parts.contents(disk);
        looked.problem = '';
        this.#showContents();
        host.refresh();
      }
      for (const partition of looked.contents.layout.partitions) {
        if (signal.aborted) return;
        if (looked.used.has(partition.number)) continue;
        const used = await parts.usedBytes(disk, partition, signal).catch(() => 'failed' as const);
        if (signal.aborted) return;
        looked.used.set(partition.number, used);
        host.refresh();
      }
    } catch (error) {
      looked.problem = errorLine(error);
      host.refresh();
    }
  }

  #showContents(): void {
    const { draft } = this.#context;
    const layout = this.#current?.contents?.layout;
    if (layout === undefined || draft.disk !== this.#disks.current?.name) return;
    this.#partitions.setRows(layout.partitions);
    draft.partitions = layout.partitions.map(({ number }) => number);
    const kept = draft.chosen.filter((number) => draft.partitions.includes(number));
    this.#choose(kept.length > 0 ? kept : draft.partitions);
  }

  #choose(numbers: readonly number[]): void {
    this.#partitions.chosen.clear();
    for (const number of numbers) this.#partitions.chosen.add(String(number));
    this.#context.draft.chosen = [...numbers];
  }
}

function isUsable(disk: MachineDisk): boolean {
  return !disk.bootMedium;
}

function narrow(size: PageSize): PageSize {
  return { columns: size.columns - 2, rows: size.rows };
}

function indented(lines: readonly Line[]): Line[] {
  return lines.map((line) => [{ text: '  ' }, ...spansOf(line)]);
}
