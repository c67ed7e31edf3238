import { wrapText } from '../../lib/tui/cell-text.ts';
import { ChoiceField } from '../../lib/tui/choice-field.ts';
import { Form } from '../../lib/tui/form.ts';
import { FormPage, runAction } from '../../lib/tui/form-page.ts';
import type { KeyPress, PageHost, PageKey } from '../../lib/tui/page.ts';
import { TextField } from '../../lib/tui/text-field.ts';
import { TextPage } from '../../lib/tui/text-page.ts';
import type { ConsoleApi, ReportFormat } from '../console-api.ts';
import { mainStorage } from './main-storage.ts';

const ENDINGS: Record<ReportFormat, string> = { text: 'txt', json: 'json', html: 'html' };

/** A job's report to read, and to save in three forms. */
export class ReportPage extends TextPage {
  readonly #api: ConsoleApi;
  readonly #jobId: string;

  private constructor(jobId: string, options: { api: ConsoleApi; text: string }) {
    super('Report', options.text, { helpTopic: 'report' });
    this.#jobId = jobId;
    this.#api = options.api;
  }

  /** @throws TdError `not-found` when the job has left no report. */
  static async load(api: ConsoleApi, jobId: string): Promise<ReportPage> {
    const { text } = await api.call('report', { jobId, format: 'text' });
    return new ReportPage(jobId, { api, text });
  }

  override keys(): readonly PageKey[] {
    return [{ key: 'F2', label: 'Save' }, ...super.keys()];
  }

  override onKey(key: KeyPress, host: PageHost): void {
    if (key.name === 'f2')
      void runAction({ run: () => saveReport(this.#jobId, { api: this.#api, host }) }, host);
    else super.onKey(key, host);
  }
}

async function saveReport(jobId: string, options: { api: ConsoleApi; host: PageHost }): Promise<void> {
  const { api, host } = options;
  const folder = await mainStorage(api);
  const pathFor = (ending: ReportFormat) => `${folder}/report-${jobId}.${ENDINGS[ending]}`;
  const path = new TextField({
    ...{ name: 'path', label: 'File', value: pathFor('html'), hint: "A path of the console's computer" },
    check: (value) => (value.startsWith('/') ? '' : 'give the whole path, e.g. /root/report.html'),
  });
  const format: ChoiceField<ReportFormat> = new ChoiceField<ReportFormat>({
    ...{ name: 'format', label: 'Form', value: 'html' },
    choices: [
      { value: 'html', label: 'Page for browsers', hint: 'with a picture of the run over time' },
      { value: 'text', label: 'Text' },
      { value: 'json', label: 'JSON', hint: 'for other programs' },
    ],
    onChange: (value) => {
      path.value = path.value.replace(/\.(txt|json|html)$/, `.${ENDINGS[value]}`);
    },
  });
  const form = new Form({ fields: [format, path] });
  const save = async (formHost: PageHost<string>) => {
    if (!form.check()) return;
    await api.call('report.save', { jobId, format: format.value, path: path.value });
    formHost.close(path.value);
  };
  const actions = [{ key: 'F2', label: 'Save', run: save }];
  const saved = await host.open(
    new FormPage<string>({ title: 'Save report', helpTopic: 'report', form, actions }),
  );
  if (saved !== undefined) await host.message('Saved', wrapText(`The report is in ${saved}`, 64).join('\n'));
}
