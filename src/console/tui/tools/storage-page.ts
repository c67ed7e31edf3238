import { errorLine } from '../../../lib/errors.ts';
import { formatBytes } from '../../../lib/progress.ts';
import { problemLines } from '../../../lib/tui/cell-text.ts';
import { runAction } from '../../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import type { ConsoleApi, StoragePlace } from '../../console-api.ts';
import { AddSharePage } from '../wizard/add-share-page.ts';
import { browsePath } from './path-field.ts';
import { WhileShown } from './while-shown.ts';

const LOOK_INTERVAL_MS = 5000;

/** The places for images. */
export class StoragePage implements Page {
  readonly title = 'Image storage';
  readonly helpTopic = 'image-storage';
  readonly #api: ConsoleApi;
  readonly #table: Table<StoragePlace>;
  readonly #shown = new WhileShown(LOOK_INTERVAL_MS, () => this.#look());
  #problem = '';
  #isRead = false;

  constructor(api: ConsoleApi) {
    this.#api = api;
    this.#table = new Table<StoragePlace>({
      id: ({ id }) => id,
      columns: [
        { title: '', text: ({ isDefault }) => (isDefault ? '•' : ''), min: 1, tone: () => 'good' },
        { title: 'Name', text: ({ id }) => id, min: 12, max: 30 },
        { title: 'Kind', text: ({ kind }) => KINDS[kind], min: 12 },
        { title: 'Place', text: ({ source }) => source, min: 20, max: 60 },
        {
          title: 'Free',
          text: (place) => (place.problem === '' ? formatBytes(place.freeBytes) : ''),
          ...{ min: 8, align: 'right' },
        },
        { title: 'State', text: stateOf, min: 9, tone: (place) => (place.problem === '' ? 'good' : 'bad') },
      ],
    });
  }

  onShown(host: PageHost): void {
    this.#shown.start(host);
  }

  onHidden(): void {
    this.#shown.stop();
  }

  render(size: PageSize): Line[] {
    if (!this.#isRead) return ['', '  Looking at the places …'];
    const problem = this.#problem || (this.#table.current?.problem ?? '');
    const below: Line[] = [
      [
        { text: '  •', tone: 'good' },
        { text: ' new images go here', tone: 'muted' },
      ],
      ...problemLines(problem, size.columns),
    ];
    const rows = size.rows - below.length - 2;
    return ['', ...this.#table.render({ columns: size.columns, rows }), '', ...below];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'F4', label: 'Add folder' },
      { key: 'F5', label: 'Add share' },
      { key: 'F6', label: 'Make default' },
      { key: 'Del', label: 'Remove' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const place = this.#table.current;
    const act = (run: () => Promise<unknown>) =>
      void runAction(
        {
          run: async () => {
            await run();
            await this.#look();
          },
        },
        host,
      );
    if (key.name === 'escape') host.close();
    else if (key.name === 'f4') act(() => this.#addFolder(host));
    else if (key.name === 'f5' || key.name === 'insert') act(() => host.open(new AddSharePage(this.#api)));
    else if (key.name === 'f6' && place !== undefined) {
      act(() => this.#api.call('storage.default', { id: place.id }));
    } else if (key.name === 'delete' && place !== undefined) act(() => this.#remove(place, host));
    else this.#table.onKey(key);
  }

  async #addFolder(host: PageHost): Promise<void> {
    const options = { choose: 'folder', path: '/', helpTopic: this.helpTopic, host } as const;
    const source = await browsePath(this.#api, options);
    if (source !== undefined) await this.#api.call('storage.add', { kind: 'folder', source });
  }

  async #remove(place: StoragePlace, host: PageHost): Promise<void> {
    const text = `Forget "${place.id}" (${place.source})? The images in it stay where they are.`;
    if (await host.confirm('Remove a place', text)) await this.#api.call('storage.remove', { id: place.id });
  }

  async #look(): Promise<void> {
    try {
      this.#table.setRows(await this.#api.call('storage.list', {}));
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
    this.#isRead = true;
  }
}

const KINDS: Record<StoragePlace['kind'], string> = {
  folder: 'Folder',
  usb: 'USB disk',
  smb: 'Windows share',
  nfs: 'NFS',
};

function stateOf({ problem, writable }: StoragePlace): string {
  if (problem !== '') return 'problem';
  return writable === false ? 'read only' : 'ready';
}
