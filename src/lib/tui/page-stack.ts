import { errorLine } from '../errors.ts';
import type { Logger } from '../log.ts';
import { ConfirmPage, MessagePage } from './message-page.ts';
import type { HelpTexts, KeyPress, Page, PageHost } from './page.ts';
import { TextPage } from './text-page.ts';

/** Deeper than any person goes; a page that opens itself for ever is stopped here. */
const PAGES_MAX = 32;

interface Entry {
  // biome-ignore lint/suspicious/noExplicitAny: pages of all results share the stack
  page: Page<any>;
  // biome-ignore lint/suspicious/noExplicitAny: see page
  host: PageHost<any>;
  abort: AbortController;
  resolve: (result: unknown) => void;
}

export interface PageStackOptions {
  help: HelpTexts;
  logger: Logger;
  /** Called when something changed. */
  onChange: () => void;
}

/** Pages above each other: only the one on top gets keys. */
export class PageStack {
  readonly #options: PageStackOptions;
  readonly #entries: Entry[] = [];

  constructor(options: PageStackOptions) {
    this.#options = options;
  }

  /** From the first page to the one on top. */
  get pages(): readonly Page<never>[] {
    return this.#entries.map(({ page }) => page);
  }

  /** Shows a page; resolves with its result when it closes. */
  open<R>(page: Page<R>): Promise<R | undefined> {
    return new Promise((resolve) => {
      if (this.#entries.length >= PAGES_MAX) {
        resolve(undefined);
        return;
      }
      const abort = new AbortController();
      const host = this.#hostOf(page, abort.signal);
      this.#guard(() => this.#entries.at(-1)?.page.onHidden?.());
      this.#entries.push({ page, host, abort, resolve: resolve as (result: unknown) => void });
      this.#guard(() => page.onShown?.(host));
      this.#options.onChange();
    });
  }

  onKey(key: KeyPress): void {
    const top = this.#entries.at(-1);
    if (top === undefined) return;
    if (key.name === 'f1') this.#openHelp(top);
    // In raw mode it is a key like any other, and people press it to get out.
    else if (key.name === 'c' && key.ctrl) {
      const leave = { name: 'escape', text: '', ctrl: false, shift: false };
      this.#guard(() => top.page.onKey(leave, top.host));
    } else this.#guard(() => top.page.onKey(key, top.host));
    this.#options.onChange();
  }

  hasHelp(): boolean {
    const topic = this.#entries.at(-1)?.page.helpTopic ?? '';
    return this.#options.help[topic] !== undefined;
  }

  /** Closes every page without a result. */
  closeAll(): void {
    const first = this.#entries[0];
    if (first !== undefined) this.#close(first.page, undefined);
  }

  #openHelp({ page }: Entry): void {
    const text = this.#options.help[page.helpTopic];
    if (text !== undefined) void this.open(new TextPage(`Help: ${page.title}`, text));
  }

  #hostOf<R>(page: Page<R>, signal: AbortSignal): PageHost<R> {
    const open = <Other>(other: Page<Other>) =>
      signal.aborted ? Promise.resolve(undefined) : this.open(other);
    return {
      open,
      close: (result) => this.#close(page, result),
      refresh: () => this.#options.onChange(),
      message: async (title, text) => open(new MessagePage(title, text)),
      confirm: async (title, text, options) => (await open(new ConfirmPage(title, text, options))) ?? false,
      showError: async (error) => {
        this.#options.logger.warn({ page: page.title }, errorLine(error));
        await open(new MessagePage('That did not work', errorLine(error), { bad: true }));
      },
      signal,
    };
  }

  #close(page: Page<never>, result: unknown): void {
    const at = this.#entries.findIndex((entry) => entry.page === page);
    if (at < 0) return;
    const closed = this.#entries.splice(at);
    for (const entry of closed.reverse()) {
      entry.abort.abort();
      this.#guard(() => entry.page.onHidden?.());
      entry.resolve(entry.page === page ? result : undefined);
    }
    const top = this.#entries.at(-1);
    if (top !== undefined) this.#guard(() => top.page.onShown?.(top.host));
    this.#options.onChange();
  }

  /** A fault of one page ends neither the others nor the program. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      const { stack } = error instanceof Error ? error : new Error(String(error));
      this.#options.logger.error({ stack }, `a page failed: ${errorLine(error)}`);
      if (this.#entries.at(-1)?.page instanceof MessagePage) return;
      const text = `${errorLine(error)}. This is a fault of the program; the log has the details.`;
      void this.open(new MessagePage('That did not work', text, { bad: true }));
    }
  }
}
