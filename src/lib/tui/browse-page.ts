import { errorLine } from '../errors.ts';
import { formatBytes } from '../progress.ts';
import { cutText, spansOf } from './cell-text.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from './page.ts';
import { Table } from './table.ts';

export interface BrowsedFolder {
  path: string;
  /** Absent at the root. */
  parent?: string;
  freeBytes: number;
  writable: boolean;
  entries: { name: string; kind: 'folder' | 'file'; sizeBytes: number; changedAt: string }[];
  /** Folders to jump to from everywhere. */
  places?: { name: string; path: string }[];
}

export interface BrowsePageOptions {
  title: string;
  helpTopic: string;
  /** Folder it begins with. */
  path: string;
  choose: 'file' | 'folder';
  list: (path: string) => Promise<BrowsedFolder>;
}

type Row = { name: string; kind: 'parent' | 'folder' | 'file'; sizeBytes: number; changedAt: string };

/** Folders and files of a computer; the result is the chosen path. */
export class BrowsePage implements Page<string> {
  readonly title: string;
  readonly helpTopic: string;
  readonly #options: BrowsePageOptions;
  readonly #table: Table<Row>;
  #folder: BrowsedFolder | undefined;
  #problem = '';
  #asked = '';

  constructor(options: BrowsePageOptions) {
    this.title = options.title;
    this.helpTopic = options.helpTopic;
    this.#options = options;
    this.#table = new Table<Row>({
      id: ({ kind, name }) => `${kind}/${name}`,
      empty: 'Empty folder',
      columns: [
        {
          title: 'Name',
          min: 24,
          text: ({ name, kind }) => (kind === 'file' ? name : `${name}/`),
          tone: ({ kind }) => (kind === 'file' ? 'plain' : 'heading'),
        },
        {
          title: 'Size',
          min: 9,
          align: 'right',
          text: ({ kind, sizeBytes }) => (kind === 'file' ? formatBytes(sizeBytes) : ''),
        },
        { title: 'Changed', min: 16, text: ({ changedAt }) => changedAt.slice(0, 16).replace('T', ' ') },
      ],
    });
  }

  onShown(host: PageHost<string>): void {
    if (this.#folder === undefined) void this.#go(this.#options.path, host);
  }

  render(size: PageSize): Line[] {
    const folder = this.#folder;
    const path = cutText(folder?.path ?? this.#options.path, size.columns - 24);
    const place = folder?.places?.find(
      (one) => folder.path === one.path || folder.path.startsWith(`${one.path}/`),
    );
    const free =
      folder === undefined
        ? ''
        : `  ${formatBytes(folder.freeBytes)} free${place === undefined ? '' : ` in storage ${place.name}`}`;
    const lines: Line[] = [
      '',
      [
        { text: `  ${path}`, tone: 'heading' },
        { text: free, tone: 'muted' },
      ],
      '',
    ];
    if (this.#problem !== '') lines.push([{ text: `  ! ${this.#problem}`, tone: 'bad' }], '');
    if (folder === undefined) return [...lines, ...(this.#problem === '' ? ['  Reading …'] : [])];
    const table = this.#table.render({ columns: size.columns - 1, rows: size.rows - lines.length });
    return [...lines, ...table.map((line): Line => [{ text: ' ' }, ...spansOf(line)])];
  }

  keys(): readonly PageKey[] {
    const places = this.#folder?.places?.length ? [{ key: 'F3', label: 'Next storage' }] : [];
    const choose = this.#options.choose === 'folder' ? [{ key: 'F2', label: 'Choose this folder' }] : [];
    return [
      { key: 'Enter', label: this.#options.choose === 'file' ? 'Open or choose' : 'Open' },
      { key: 'Backspace', label: 'Up' },
      ...places,
      ...choose,
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost<string>): void {
    if (key.name === 'escape') host.close();
    else if (this.#folder === undefined || this.#table.onKey(key)) return;
    else if (key.name === 'enter') this.#enter(host);
    else if (key.name === 'f3') this.#nextPlace(host);
    else if (key.name === 'f2' && this.#options.choose === 'folder') host.close(this.#folder.path);
    else if ((key.name === 'backspace' || key.name === 'left') && this.#folder.parent !== undefined) {
      void this.#go(this.#folder.parent, host);
    }
  }

  /** From place to place and round again. */
  #nextPlace(host: PageHost<string>): void {
    const { places = [] } = this.#folder!;
    // Where it is going to, not where it is: keys come faster than a share answers.
    const path = this.#asked;
    const at = places.findIndex((place) => path === place.path || path.startsWith(`${place.path}/`));
    const next = places[(at + 1) % places.length];
    if (next !== undefined) void this.#go(next.path, host);
  }

  #enter(host: PageHost<string>): void {
    const row = this.#table.current;
    const folder = this.#folder;
    if (row === undefined || folder === undefined) return;
    const path = `${folder.path.replace(/\/$/, '')}/${row.name}`;
    if (row.kind === 'parent') void this.#go(folder.parent ?? folder.path, host);
    else if (row.kind === 'folder') void this.#go(path, host);
    else if (this.#options.choose === 'file') host.close(path);
  }

  async #go(path: string, host: PageHost<string>): Promise<void> {
    this.#asked = path;
    const from = this.#folder?.path ?? '';
    try {
      const folder = await this.#options.list(path);
      if (this.#asked !== path) return;
      this.#folder = folder;
      this.#problem = '';
      this.#table.setRows([
        ...(folder.parent === undefined
          ? []
          : [{ name: '..', kind: 'parent' as const, sizeBytes: 0, changedAt: '' }]),
        ...folder.entries,
      ]);
      this.#table.onKey({ name: 'home', text: '', ctrl: false, shift: false });
      const child = from.slice(from.lastIndexOf('/') + 1);
      if (from.startsWith(path) && child !== '') this.#table.moveTo(`folder/${child}`);
    } catch (error) {
      if (this.#asked !== path) return;
      this.#problem = errorLine(error);
    }
    host.refresh();
  }
}
