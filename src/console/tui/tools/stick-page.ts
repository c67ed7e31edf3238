import { errorLine } from '../../../lib/errors.ts';
import { formatBytes } from '../../../lib/progress.ts';
import { cutText } from '../../../lib/tui/cell-text.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage, runAction } from '../../../lib/tui/form-page.ts';
import { Note } from '../../../lib/tui/note-field.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import type { ConsoleApi, UsbStick } from '../../console-api.ts';
import { ExportPage, runExport, startFields } from './export-page.ts';
import { WhileShown } from './while-shown.ts';

const LOOK_INTERVAL_MS = 2000;
const CONTENTS_SHOWN_MAX = 6;
const NEXT = 'Computers start from the stick on BIOS and UEFI, with Secure Boot on. It can be unplugged now.';

/** The sticks that can be written to; one is chosen and looked at twice before anything is lost. */
export class StickPage implements Page {
  readonly title = 'Make USB stick';
  readonly helpTopic = 'usb-stick';
  readonly #api: ConsoleApi;
  readonly #folder: string;
  readonly #table: Table<UsbStick>;
  readonly #shown = new WhileShown(LOOK_INTERVAL_MS, () => this.#look());
  #problem = '';
  #isRead = false;

  constructor(api: ConsoleApi, options: { folder: string }) {
    this.#api = api;
    this.#folder = options.folder;
    this.#table = new Table<UsbStick>({
      id: ({ device, serial }) => `${device} ${serial}`,
      empty: 'No USB stick can be written to. Plug one in; it must not be mounted.',
      columns: [
        { title: 'Device', text: ({ device }) => device, min: 9 },
        { title: 'Size', text: ({ sizeBytes }) => formatBytes(sizeBytes), min: 8, align: 'right' },
        { title: 'Model', text: ({ model }) => model || 'unknown', min: 16, max: 40 },
        { title: 'Serial', text: ({ serial }) => serial || 'none', max: 32 },
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
    const below = this.#about(size);
    const table = this.#isRead
      ? this.#table.render({ columns: size.columns, rows: size.rows - below.length - 2 })
      : ['  Looking for sticks …'];
    return ['', ...table, '', ...below];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Enter', label: 'Write to this stick' },
      { key: 'F4', label: 'Make an image file instead' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const stick = this.#table.current;
    if (key.name === 'escape') host.close();
    else if (key.name === 'f4') {
      void host.open(new ExportPage(this.#api, { kind: 'usb', folder: this.#folder }));
    } else if (key.name === 'enter' && stick !== undefined) {
      void runAction({ run: async () => void (await host.open(writeStickPage(this.#api, stick))) }, host);
    } else this.#table.onKey(key);
  }

  #about(size: PageSize): Line[] {
    if (this.#problem !== '') return [[{ text: `  ! ${this.#problem}`, tone: 'bad' }]];
    const stick = this.#table.current;
    if (stick === undefined) return [];
    const contents = stick.contents.slice(0, CONTENTS_SHOWN_MAX);
    return [
      [{ text: `  On ${stick.device} now:`, tone: 'heading' }],
      ...contents.map((text): Line => `    ${cutText(text, size.columns - 6)}`),
    ];
  }

  async #look(): Promise<void> {
    try {
      this.#table.setRows(await this.#api.call('usb.sticks', {}));
      this.#problem = '';
    } catch (error) {
      this.#problem = errorLine(error);
    }
    this.#isRead = true;
  }
}

function writeStickPage(api: ConsoleApi, stick: UsbStick): FormPage {
  const { device, model, serial, sizeBytes, contents } = stick;
  const size = formatBytes(sizeBytes);
  const start = startFields('usb');
  const facts: [label: string, text: string][] = [
    ['Stick', `${device}, ${size}`],
    ['Model', model || 'unknown'],
    ['Serial number', serial || 'none'],
    ['On it now', contents.slice(0, CONTENTS_SHOWN_MAX).join('\n')],
  ];
  const notes = facts.map(([label, text]) => new Note(text, { label }));
  const run = async (host: PageHost) => {
    if (!form.check()) return;
    const text = `Everything on ${device} (${model || 'unknown model'}, serial ${serial || 'none'}) is lost. Type its size to write it.`;
    if (!(await host.confirm('Write to this stick', text, { typed: size }))) return;
    const params = { kind: 'usb' as const, dest: device, confirmBytes: sizeBytes, ...start.params() };
    if (await runExport(api, { params, next: NEXT, host })) host.close();
  };
  const form = new Form({ fields: [...notes, new Note(''), ...start.fields] });
  return new FormPage({
    ...{ title: device, helpTopic: 'usb-stick', form },
    actions: [{ key: 'F2', label: 'Write the stick', run }],
  });
}
