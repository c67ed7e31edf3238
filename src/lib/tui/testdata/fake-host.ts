import type { KeyPress, Page, PageHost } from '../page.ts';

const NAMED =
  /^(?:up|down|left|right|enter|escape|tab|backtab|backspace|delete|insert|home|end|pageup|pagedown|f\d+)$/;

/** `press('f2')`, `press('a')`, `press('space')`. */
export function press(name: string): KeyPress {
  if (NAMED.test(name)) return { name, text: '', ctrl: false, shift: false };
  const text = name === 'space' ? ' ' : name;
  return { name: name.toLowerCase(), text, ctrl: false, shift: text !== text.toLowerCase() };
}

/** A host that notes what a page asks for and answers as it was told. */
export class FakeHost implements PageHost<unknown> {
  readonly #abort = new AbortController();
  readonly signal = this.#abort.signal;
  readonly opened: Page<unknown>[] = [];
  readonly messages: string[] = [];
  readonly asked: string[] = [];
  readonly errors: unknown[] = [];
  closed: { result: unknown } | undefined;
  refreshes = 0;
  /** Answer to the next questions. */
  confirms = true;
  /** Results of the pages that are opened, in turn. */
  results: unknown[] = [];

  open<R>(page: Page<R>): Promise<R | undefined> {
    this.opened.push(page as Page<unknown>);
    return Promise.resolve(this.results.shift() as R | undefined);
  }
  close(result?: unknown): void {
    this.closed = { result };
    this.#abort.abort();
  }
  refresh(): void {
    this.refreshes += 1;
  }
  async message(title: string, text: string): Promise<void> {
    this.messages.push(`${title}: ${text}`);
  }
  async confirm(title: string, text: string): Promise<boolean> {
    this.asked.push(`${title}: ${text}`);
    return this.confirms;
  }
  async showError(error: unknown): Promise<void> {
    this.errors.push(error);
  }
}
