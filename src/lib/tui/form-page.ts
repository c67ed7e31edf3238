import type { Form } from './form.ts';
import type { CellPlace, KeyPress, Line, Page, PageHost, PageKey, PageSize } from './page.ts';

export interface PageAction<Result> {
  /** `F2` and the like, or a letter. */
  key: string;
  label: string;
  run: (host: PageHost<Result>) => void | Promise<void>;
}

export interface FormPageOptions<Result> {
  title: string;
  helpTopic: string;
  form: Form;
  /** In the order of the key bar; Escape leaves the page without a result. */
  actions: readonly PageAction<Result>[];
}

/** A page that is one form with some function keys. */
export class FormPage<Result = void> implements Page<Result> {
  readonly title: string;
  readonly helpTopic: string;
  readonly form: Form;
  readonly #actions: readonly PageAction<Result>[];

  constructor(options: FormPageOptions<Result>) {
    this.title = options.title;
    this.helpTopic = options.helpTopic;
    this.form = options.form;
    this.#actions = options.actions;
  }

  render(size: PageSize): Line[] {
    return ['', ...this.form.render({ columns: size.columns, rows: size.rows - 1 })];
  }

  cursor(size: PageSize): CellPlace | undefined {
    const place = this.form.cursor({ columns: size.columns, rows: size.rows - 1 });
    return place === undefined ? undefined : { row: place.row + 1, column: place.column };
  }

  keys(): readonly PageKey[] {
    return [...this.#actions.map(({ key, label }) => ({ key, label })), { key: 'Esc', label: 'Back' }];
  }

  onKey(key: KeyPress, host: PageHost<Result>): void {
    const action = this.#actions.find((one) => one.key.toLowerCase() === key.name);
    if (action !== undefined && (key.text === '' || !this.form.onKey(key, host)))
      void runAction(action, host);
    else if (key.name === 'escape') host.close();
    else if (key.text === '' || action === undefined) this.form.onKey(key, host);
  }
}

/** What an action throws is shown, never lost. */
export async function runAction<Result>(
  action: Pick<PageAction<Result>, 'run'>,
  host: PageHost<Result>,
): Promise<void> {
  try {
    await action.run(host);
  } catch (error) {
    if (!host.signal.aborted) await host.showError(error);
  } finally {
    host.refresh();
  }
}
