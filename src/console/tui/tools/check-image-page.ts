import { errorLine } from '../../../lib/errors.ts';
import { formatBytes } from '../../../lib/progress.ts';
import { cutText, wrapText } from '../../../lib/tui/cell-text.ts';
import { Form } from '../../../lib/tui/form.ts';
import { FormPage, runAction } from '../../../lib/tui/form-page.ts';
import type { KeyPress, Line, Page, PageHost, PageKey, PageSize } from '../../../lib/tui/page.ts';
import { Table } from '../../../lib/tui/table.ts';
import { TaskPage } from '../../../lib/tui/task-page.ts';
import { PasswordField } from '../../../lib/tui/text-field.ts';
import type { CheckResult, ConsoleApi } from '../../console-api.ts';
import type { ImageEntry } from '../../image-library.ts';
import { browsePath } from './path-field.ts';

/** Choose an image, start, see the result. */
export class CheckImagePage implements Page {
  readonly title = 'Check image';
  readonly helpTopic = 'check-image';
  readonly #api: ConsoleApi;
  readonly #table: Table<ImageEntry>;
  #state: 'reading' | 'ready' = 'reading';
  #problem = '';

  constructor(api: ConsoleApi) {
    this.#api = api;
    this.#table = new Table<ImageEntry>({
      id: ({ path }) => path,
      empty: 'No images. Press F4 to choose a file.',
      columns: [
        { title: 'Image', text: ({ name }) => name, min: 20, max: 60 },
        { title: 'Created', text: ({ createdAt }) => createdAt.slice(0, 16).replace('T', ' '), min: 16 },
        {
          title: 'File',
          text: ({ fileBytes }) => (fileBytes === 0 ? '' : formatBytes(fileBytes)),
          ...{ min: 8, align: 'right' },
        },
        { title: 'Comment', text: ({ comment }) => comment, drop: 1, max: 60 },
        {
          title: 'State',
          text: ({ problem }) => (problem === '' ? '' : 'problem'),
          ...{ min: 7, tone: () => 'bad' },
        },
      ],
    });
  }

  onShown(host: PageHost): void {
    if (this.#state === 'reading') void this.#read(host);
  }

  render(size: PageSize): Line[] {
    const problem = this.#problem || (this.#table.current?.problem ?? '');
    const below = wrapText(problem, size.columns - 6).map(
      (text): Line => [{ text: text === '' ? '' : `  ! ${text}`, tone: 'bad' }],
    );
    if (this.#state === 'reading') return ['', '  Reading the images …'];
    const rows = size.rows - below.length - 2;
    return ['', ...this.#table.render({ columns: size.columns, rows }), '', ...below];
  }

  keys(): readonly PageKey[] {
    return [
      { key: 'Enter', label: 'Start' },
      { key: 'F3', label: 'Quick check' },
      { key: 'F4', label: 'Browse' },
      { key: 'Esc', label: 'Back' },
    ];
  }

  onKey(key: KeyPress, host: PageHost): void {
    const image = this.#table.current?.name;
    if (key.name === 'escape') host.close();
    else if (key.name === 'f4') void runAction({ run: () => this.#browse(host) }, host);
    else if ((key.name === 'enter' || key.name === 'f3') && image !== undefined) {
      void runAction({ run: () => checkImage(this.#api, { image, quick: key.name === 'f3', host }) }, host);
    } else this.#table.onKey(key);
  }

  async #browse(host: PageHost): Promise<void> {
    const image = await browsePath(this.#api, {
      ...{ choose: 'file', path: '/', suffix: '.sco', helpTopic: this.helpTopic, host },
    });
    if (image !== undefined) await checkImage(this.#api, { image, quick: false, host });
  }

  async #read(host: PageHost): Promise<void> {
    try {
      this.#table.setRows(await this.#api.call('images', {}));
    } catch (error) {
      this.#problem = errorLine(error);
    }
    this.#state = 'ready';
    host.refresh();
  }
}

async function checkImage(
  api: ConsoleApi,
  options: { image: string; quick: boolean; host: PageHost },
): Promise<void> {
  const { image, quick, host } = options;
  const details = await api.call('image.details', { image });
  const password = details.encrypted ? await askPassword(image, host) : '';
  if (password === undefined) return;
  await host.open(
    new TaskPage<CheckResult>({
      ...{ title: 'Checking', helpTopic: 'check-image' },
      text: quick
        ? `Checking the structure of "${image}" and a sample of its data`
        : `Checking every byte of "${image}"`,
      cancelText: 'Stop the check? The image stays as it is.',
      run: async (update, signal) => {
        const params = { image, quick, ...(password === '' ? {} : { password }) };
        return await api.call('image.check', params, {
          signal,
          onEvent: ({ doneBytes, totalBytes, damagedChunks }) =>
            update({
              ...{ doneBytes, totalBytes },
              step: damagedChunks === 0 ? 'No damage so far' : `${damagedChunks} damaged chunks so far`,
            }),
        });
      },
      result: resultLines,
    }),
  );
}

function resultLines({ ok, summary, problems }: CheckResult): Line[] {
  const tone = ok ? 'good' : 'bad';
  return [
    ...wrapText(summary, 76).map((text): Line => [{ text: `  ${text}`, tone }]),
    '',
    ...problems.map((text): Line => `  ${cutText(text, 76)}`),
  ];
}

async function askPassword(image: string, host: PageHost): Promise<string | undefined> {
  const password = new PasswordField({ name: 'password', label: 'Password', max: 256, columns: 30 });
  const actions = [
    { key: 'F2', label: 'Start', run: (page: PageHost<string>) => page.close(password.value) },
    { key: 'Enter', label: 'Start', run: (page: PageHost<string>) => page.close(password.value) },
  ];
  const form = new Form({ intro: `"${image}" is encrypted.`, fields: [password] });
  return await host.open(
    new FormPage<string>({ title: 'Password of the image', helpTopic: 'check-image', form, actions }),
  );
}
