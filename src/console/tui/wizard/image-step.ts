import { errorLine } from '../../../lib/errors.ts';
import { formatBytes } from '../../../lib/progress.ts';
import { BrowsePage } from '../../../lib/tui/browse-page.ts';
import { problemLines } from '../../../lib/tui/cell-text.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { runAction } from '../../../lib/tui/form-page.ts';
import type { CellPlace, KeyPress, Line, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import { IMAGE_SUFFIX, type ImageEntry } from '../../image-library.ts';
import { AddSharePage } from './add-share-page.ts';
import { secretField } from './secret-field.ts';
import type { WizardContext, WizardStepView } from './wizard-step.ts';

const PASSWORD_LABEL = '  Image password  ';
const PASSWORD_COLUMNS = 44;

/** Page 2: the image that is deployed, from any place of images or by its path. */
export class ImageStep implements WizardStepView {
  readonly step = 'image';
  readonly title = 'Master image selection';
  readonly #context: WizardContext;
  readonly #table: Table<ImageEntry>;
  readonly #password: ReturnType<typeof secretField>;
  #isAtPassword = false;
  #isLoaded = false;
  #problem = '';

  constructor(context: WizardContext) {
    this.#context = context;
    const { draft } = context.model;
    this.#table = new Table<ImageEntry>({
      id: (image) => image.path,
      empty: 'No images here. Press F4 to choose a file, or F5 to add a share.',
      columns: [
        { title: '', text: (image) => (this.#isChosen(image) ? '(•)' : '( )'), min: 3, max: 3 },
        { title: 'Image', text: (image) => image.name, min: 20, max: 60 },
        {
          title: 'Created',
          text: (image) => image.createdAt.slice(0, 16).replace('T', ' '),
          min: 16,
          drop: 1,
        },
        { title: 'Disk', text: ({ diskBytes }) => bytesText(diskBytes), min: 8, align: 'right' },
        { title: 'Stored', text: ({ storedBytes }) => bytesText(storedBytes), min: 8, align: 'right' },
        { title: 'Comment', text: (image) => image.comment, drop: 3, max: 60 },
        { title: 'State', text: (image) => (image.problem === '' ? 'ready' : 'problem'), tone: stateTone },
      ],
    });
    this.#password = secretField({
      ...{ name: 'imagePassword', label: 'Image password', secret: draft.imagePassword },
      onChange: (secret) => {
        draft.imagePassword = secret;
        context.image = undefined;
      },
    });
  }

  onShown(host: AnyHost): void {
    void this.#load(host);
  }

  render(size: PageSize): Line[] {
    const below = [...this.#about(size), ...this.#passwordLines()];
    const rows = Math.max(3, size.rows - below.length - 1);
    const focused = !this.#isAtPassword;
    return [...this.#table.render({ columns: size.columns, rows }, { focused }), '', ...below];
  }

  cursor(size: PageSize): CellPlace | undefined {
    if (!this.#isAtPassword) return undefined;
    const lines = this.render(size);
    const row = lines.findLastIndex((line) => typeof line !== 'string' && line[0]?.text === PASSWORD_LABEL);
    const { column } = this.#password.cursor(PASSWORD_COLUMNS);
    return { row, column: PASSWORD_LABEL.length + column };
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Tab', label: this.#isAtPassword ? 'Images' : 'Password' },
      { key: 'F4', label: 'Browse' },
      { key: 'F5', label: 'Share' },
    ];
  }

  onKey(key: KeyPress, host: AnyHost): boolean {
    if (key.name === 'tab' || key.name === 'backtab') this.#isAtPassword = !this.#isAtPassword;
    else if (key.name === 'f4') void runAction({ run: () => this.#browse(host) }, host);
    else if (key.name === 'f5') void runAction({ run: () => this.#addShare(host) }, host);
    else if (this.#isAtPassword) return this.#password.onKey(key, host);
    else if (key.name === 'space') this.#choose(this.#table.current);
    else if (key.name === 'enter') return !this.#choose(this.#table.current);
    else return this.#table.onKey(key);
    return true;
  }

  /** Reads the image, so that the next page can show what is in it. */
  async beforeNext(): Promise<boolean> {
    this.#problem = '';
    const { draft } = this.#context.model;
    if (this.#context.image !== undefined) return true;
    const password = typeof draft.imagePassword === 'string' ? draft.imagePassword : '';
    try {
      this.#context.image = await this.#context.api.call('image.details', {
        image: draft.image,
        ...(password === '' ? {} : { password }),
      });
    } catch (error) {
      // A sealed password can be opened only by the console, when the deployment starts.
      if (typeof draft.imagePassword !== 'string') return true;
      this.#problem = errorLine(error);
      return false;
    }
    return true;
  }

  #isChosen(image: ImageEntry): boolean {
    const { image: chosen } = this.#context.model.draft;
    return chosen === image.path || (chosen === image.name && this.#named(chosen)[0] === image);
  }

  #named(name: string): ImageEntry[] {
    return this.#table.rows.filter((one) => one.name === name);
  }

  /** False when it cannot be deployed. */
  #choose(image: ImageEntry | undefined): boolean {
    if (image === undefined) return true;
    if (image.problem !== '') return false;
    // The name goes with a template to another console; a name that is there twice does not say which one.
    this.#take(this.#named(image.name).length === 1 ? image.name : image.path);
    return true;
  }

  #take(image: string): void {
    const { draft } = this.#context.model;
    this.#problem = '';
    if (draft.image === image) return;
    Object.assign(draft, { image, disk: 0, partitions: [], targetPartition: undefined });
    draft.imagePassword = '';
    this.#password.value = '';
    this.#context.image = undefined;
  }

  async #load(host: AnyHost): Promise<void> {
    try {
      this.#table.setRows(await this.#context.api.call('images', {}));
      if (!this.#isLoaded) {
        const chosen = this.#table.rows.find((image) => this.#isChosen(image));
        if (chosen !== undefined) this.#table.moveTo(chosen.path);
      }
      this.#isLoaded = true;
    } catch (error) {
      this.#problem = errorLine(error);
    }
    host.refresh();
  }

  async #browse(host: AnyHost): Promise<void> {
    const { api, model } = this.#context;
    const { imagesDir } = await api.call('status', {});
    const { image } = model.draft;
    const path = await host.open(
      new BrowsePage({
        ...{ title: 'Choose a master image', helpTopic: 'wizard-image', choose: 'file' as const },
        path: image.startsWith('/') ? image.slice(0, image.lastIndexOf('/')) || '/' : imagesDir,
        list: (folder) => api.call('browse', { path: folder, suffix: IMAGE_SUFFIX }),
      }),
    );
    if (path !== undefined) this.#take(path);
  }

  async #addShare(host: AnyHost): Promise<void> {
    const place = await host.open(new AddSharePage(this.#context.api));
    if (place !== undefined) await this.#load(host);
  }

  #about(size: PageSize): Line[] {
    const { image: chosen } = this.#context.model.draft;
    const { current } = this.#table;
    const lines: Line[] = [];
    const bad = this.#problem !== '' ? this.#problem : (current?.problem ?? '');
    if (bad !== '') lines.push(...problemLines(bad, size.columns).slice(0, 3));
    if (!this.#isLoaded && this.#problem === '')
      lines.push([{ text: '  Reading the images …', tone: 'muted' }]);
    if (bad === '' && current !== undefined && current.comment !== '') {
      lines.push([{ text: '  Comment         ' }, { text: current.comment, tone: 'muted' }]);
    }
    const isListed = this.#table.rows.some((image) => this.#isChosen(image));
    const where = chosen === '' || isListed || !this.#isLoaded ? '' : '  (not in the list)';
    lines.push([
      { text: '  Master image    ' },
      { text: chosen === '' ? 'none chosen' : chosen, tone: chosen === '' ? 'muted' : 'heading' },
      { text: where, tone: 'muted' },
    ]);
    return lines;
  }

  #passwordLines(): Line[] {
    const problem = this.#context.model.problemAt('imagePassword');
    const [box = '', ...hints] = this.#password.render(PASSWORD_COLUMNS, this.#isAtPassword);
    const indent = ' '.repeat(PASSWORD_LABEL.length);
    const spans = (line: Line) => (typeof line === 'string' ? [{ text: line }] : line);
    return [
      [{ text: PASSWORD_LABEL, tone: this.#isAtPassword ? 'heading' : 'plain' }, ...spans(box)],
      ...hints.map((line): Line => [{ text: indent }, ...spans(line)]),
      ...(problem === undefined ? [] : [[{ text: `${indent}! ${problem}`, tone: 'bad' as const }]]),
    ];
  }
}

function bytesText(bytes: number): string {
  return bytes === 0 ? '' : formatBytes(bytes);
}

function stateTone(image: ImageEntry): 'good' | 'bad' {
  return image.problem === '' ? 'good' : 'bad';
}
