import { formatBytes } from '../../../lib/progress.ts';
import { wrapText } from '../../../lib/tui/cell-text.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import type { KeyPress, Line, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import type { DiskLayout, Partition } from '../../../schema/disk-layout.ts';
import type { ImageDetails } from '../../console-api.ts';
import type { WizardContext, WizardStepView } from './wizard-step.ts';

/** What a partition is for, by its type: GPT, then MBR. */
const ROLES: Readonly<Record<string, string>> = {
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B': 'EFI system',
  ef: 'EFI system',
  '21686148-6449-6E6F-744E-656564454649': 'BIOS boot',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE': 'reserved',
  'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC': 'recovery',
  '27': 'recovery',
};

/** Page 3: which disk of the image and which of its partitions; system and active ones are chosen at first. */
export class PartitionsStep implements WizardStepView {
  readonly step = 'partitions';
  readonly title = 'Disk/partition selection';
  readonly #context: WizardContext;
  readonly #table: Table<Partition>;
  #shownImage: ImageDetails | undefined;
  #shownDisk = -1;
  /** What was chosen on the image's other disks, for the way back to them. */
  readonly #choices = new Map<number, 'all' | number[]>();

  constructor(context: WizardContext) {
    this.#context = context;
    this.#table = new Table<Partition>({
      id: (one) => String(one.number),
      selectable: true,
      empty: 'This disk has no partitions; only its boot area can be deployed.',
      columns: [
        { title: 'No.', text: (one) => String(one.number), align: 'right' },
        { title: 'File system', text: (one) => one.filesystem.kind, min: 11 },
        { title: 'Label', text: (one) => one.filesystem.label || one.name, min: 16, max: 36 },
        { title: 'Size', text: (one) => formatBytes(one.sizeBytes), min: 9, align: 'right' },
        { title: 'Used', text: (one) => this.#usedText(one), min: 9, align: 'right' },
        { title: 'Role', text: (one) => this.#roleText(one), min: 15 },
      ],
    });
  }

  onShown(): void {
    this.#follow();
  }

  render(size: PageSize): Line[] {
    this.#follow();
    const { image } = this.#context;
    const { draft } = this.#context.model;
    if (image === undefined) return keptLines(draft.partitions, size);
    const warning = this.#warning();
    const below: Line[] = [
      ...(warning === '' ? [] : wrapText(`! ${warning}`, size.columns - 4)).map(
        (text): Line => [{ text: `  ${text}`, tone: 'warning' }],
      ),
      [{ text: `  ${this.#summary()}`, tone: 'heading' }],
    ];
    const disks = image.disks.map((disk, i): Line => {
      const shown = i === draft.disk;
      return [
        { text: `  ${shown ? '(•)' : '( )'} `, tone: shown ? 'good' : 'muted' },
        { text: diskText(disk, i), tone: shown ? 'heading' : 'plain' },
      ];
    });
    const boot: Line = [
      { text: ' [x] ', tone: 'good' },
      { text: 'Boot area (MBR, partition table and loader): always deployed', tone: 'muted' },
    ];
    const rows = Math.max(2, size.rows - disks.length - below.length - 3);
    const table = this.#table.render({ columns: size.columns, rows });
    return [...disks, '', ...table, boot, '', ...below];
  }

  keys(): readonly PageKey[] {
    if (this.#context.image === undefined) return [];
    const disks = this.#context.image.disks.length > 1 ? [{ key: '←→', label: 'Disk' }] : [];
    return [{ key: 'Space', label: 'Select' }, { key: 'A', label: 'All' }, ...disks];
  }

  onKey(key: KeyPress, _host: AnyHost): boolean {
    const { draft } = this.#context.model;
    const disks = this.#context.image?.disks.length ?? 0;
    const step = { left: -1, right: 1 }[key.name];
    if (step !== undefined && disks > 1) {
      this.#choices.set(draft.disk, draft.partitions);
      draft.disk = (draft.disk + step + disks) % disks;
      draft.partitions = this.#choices.get(draft.disk) ?? [];
      return true;
    }
    if (this.#context.image === undefined || !this.#table.onKey(key)) return false;
    if (key.name === 'space' || key.name === 'a') this.#keepChosen();
    return true;
  }

  /** Takes over the image that was chosen meanwhile, with what it suggests. */
  #follow(): void {
    const { image } = this.#context;
    const { draft } = this.#context.model;
    if (image === undefined || (image === this.#shownImage && draft.disk === this.#shownDisk)) return;
    if (draft.disk >= image.disks.length) draft.disk = 0;
    const isNew = draft.partitions !== 'all' && draft.partitions.length === 0;
    if (image !== this.#shownImage) this.#choices.clear();
    this.#shownImage = image;
    this.#shownDisk = draft.disk;
    const partitions = image.disks[draft.disk]?.partitions ?? [];
    const suggested = isNew ? (image.suggestedPartitions[draft.disk] ?? []) : draft.partitions;
    this.#table.chooseAll(false);
    this.#table.setRows(partitions);
    for (const one of partitions) {
      if (suggested === 'all' || suggested.includes(one.number)) this.#table.chosen.add(String(one.number));
    }
    this.#keepChosen();
  }

  #keepChosen(): void {
    const { draft } = this.#context.model;
    const numbers = this.#table.chosenRows().map((one) => one.number);
    draft.partitions = numbers.length === this.#table.rows.length ? 'all' : numbers;
  }

  #usedText(one: Partition): string {
    const { image } = this.#context;
    const at = this.#table.rows.indexOf(one);
    const used = image?.partitionUsedBytes[this.#shownDisk]?.[at] ?? null;
    return used === null ? 'not in it' : formatBytes(used);
  }

  #roleText(one: Partition): string {
    const isActive = this.#disk?.table === 'mbr' && one.attributes === '80';
    const suggested = this.#context.image?.suggestedPartitions[this.#shownDisk] ?? [];
    const isSystem =
      suggested.includes(one.number) && suggested.length < (this.#disk?.partitions.length ?? 0);
    const role = ROLES[one.typeId] ?? (isSystem ? 'system' : '');
    return [role, isActive ? 'active' : ''].filter((text) => text !== '').join(', ');
  }

  get #disk(): DiskLayout | undefined {
    return this.#context.image?.disks[this.#shownDisk];
  }

  /** The operating system and its loader must be deployed together. */
  #warning(): string {
    const suggested = this.#context.image?.suggestedPartitions[this.#shownDisk] ?? [];
    const left = this.#table.rows.filter(
      (one) => suggested.includes(one.number) && !this.#table.chosen.has(String(one.number)),
    );
    if (left.length === 0) return '';
    const names = left.map((one) =>
      [one.number, this.#roleText(one)].filter((text) => text !== '').join(' '),
    );
    const which = names.length === 1 ? `Partition ${names[0]} is` : `Partitions ${names.join('; ')} are`;
    return `${which} left out: the operating system may not start. System and loader must be deployed together.`;
  }

  #summary(): string {
    const rows = this.#table.chosenRows();
    const bytes = rows.reduce((sum, one) => sum + one.sizeBytes, 0);
    return `${rows.length} of ${this.#table.rows.length} partitions, ${formatBytes(bytes)}`;
  }
}

function diskText({ model, sizeBytes, table }: DiskLayout, at: number): string {
  const facts = [formatBytes(sizeBytes), table.toUpperCase(), model].filter((text) => text !== '');
  return `Disk ${at + 1}: ${facts.join(', ')}`;
}

function keptLines(partitions: 'all' | number[], size: PageSize): Line[] {
  const which = partitions === 'all' ? 'all partitions' : `partitions ${partitions.join(', ')}`;
  const text = `The image cannot be shown: its password is sealed in the template. The saved choice stays: ${which}.`;
  return wrapText(text, size.columns - 4).map((line) => `  ${line}`);
}
