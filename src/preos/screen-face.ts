import type { Dialog } from '../lib/dialog.ts';
import { errorLine } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import type { HelpTexts, KeyPress, Page, PageHost } from '../lib/tui/page.ts';
import type { runTui } from '../lib/tui/run-tui.ts';
import type { Face, FaceEvents } from './face.ts';
import { StatusPage } from './status-page.ts';
import type { Terminal } from './terminal.ts';
import type { TerminalStreams } from './terminal-streams.ts';

/** A program of its own on a terminal's screens, e.g. the console's pages. */
export type ScreenProgram = (
  io: TerminalStreams & { term: string; signal: AbortSignal; logger: Logger },
) => Promise<void>;

export interface ScreenFaceOptions extends FaceEvents {
  terminal: Terminal;
  streams: TerminalStreams;
  /** In the title bar. */
  title: string;
  help: HelpTexts;
  /** Shown on a serial line, which can go back to lines. */
  isSerial: boolean;
  logger: Logger;
  runScreens: typeof runTui;
}

/** A key that calls for the menu whatever is shown; terminals send it as VT220 does. */
const MENU_KEY_BYTES = '\x1b[24~';

/** Full screens: the status page below, dialogs above it. */
export class ScreenFace implements Face {
  readonly #page: StatusPage;
  readonly #stop = new AbortController();
  readonly #host = Promise.withResolvers<PageHost<void>>();
  readonly #ended: Promise<void>;

  constructor(options: ScreenFaceOptions) {
    const { streams, terminal, logger } = options;
    const page = new StatusPage({ onCall: options.onCall, keys: statusKeys(options.isSerial) });
    this.#page = page;
    const shown: Page<void> = new Proxy(page, {
      get: (target, name) => {
        if (name === 'onShown') {
          return (host: PageHost<void>) => {
            this.#host.resolve(host);
            target.onShown(host);
          };
        }
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const removeKey = onMenuKey(streams, options);
    this.#ended = options
      .runScreens({
        input: streams.input as never,
        output: streams.output as never,
        term: terminal.term,
        firstPage: shown,
        help: options.help,
        title: options.title,
        signal: this.#stop.signal,
        logger,
      })
      .then(
        () => {},
        (error) => logger.error({ error: errorLine(error), terminal: terminal.path }, 'screens ended badly'),
      )
      .finally(async () => {
        removeKey();
        this.#stop.abort();
        await streams[Symbol.asyncDispose]();
      });
  }

  get closed(): AbortSignal {
    return this.#stop.signal;
  }

  milestone(_line: string): void {}

  show(view: ScreenView): void {
    this.#page.show(view);
  }

  async present<Result>(dialog: Dialog<Result>, signal: AbortSignal): Promise<Result> {
    const over = AbortSignal.any([signal, this.closed]);
    const host = await untilAborted(this.#host.promise, over);
    for (;;) {
      over.throwIfAborted();
      const page = new ClosedBySignal(dialog.page(), over);
      const result = await untilAborted(host.open(page), over);
      if (result !== undefined) return result;
      if (dialog.onLeft !== undefined) return dialog.onLeft;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

/** A terminal that is left to a program, until that ends or the face closes. */
export class ProgramFace implements Face {
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    program: ScreenProgram,
    options: Omit<ScreenFaceOptions, 'runScreens' | 'help' | 'isSerial' | 'title'>,
  ) {
    const { streams, terminal, logger } = options;
    const removeKey = onMenuKey(streams, options);
    const io = { ...streams, term: terminal.term, signal: this.#stop.signal, logger };
    this.#ended = program({ ...io, [Symbol.asyncDispose]: async () => {} })
      .catch((error) =>
        logger.error({ error: errorLine(error), terminal: terminal.path }, 'screens ended badly'),
      )
      .finally(async () => {
        removeKey();
        const hasLeft = !this.#stop.signal.aborted;
        this.#stop.abort();
        await streams[Symbol.asyncDispose]();
        if (hasLeft) options.onCall({ kind: 'menu' });
      });
  }

  get closed(): AbortSignal {
    return this.#stop.signal;
  }

  milestone(_line: string): void {}

  show(_view: ScreenView): void {}

  async present<Result>(_dialog: Dialog<Result>, signal: AbortSignal): Promise<Result> {
    return untilAborted(new Promise<Result>(() => {}), AbortSignal.any([signal, this.closed]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

function statusKeys(isSerial: boolean) {
  const keys = [
    { key: 'F2', label: 'Network', call: { kind: 'network' } },
    { key: 'F3', label: 'Shell', call: { kind: 'shell' } },
    { key: 'F4', label: 'Restart', call: { kind: 'restart' } },
    { key: 'F9', label: 'Menu', call: { kind: 'menu' } },
  ] as const;
  return isSerial ? [...keys, { key: 'F10', label: 'Lines', call: { kind: 'lines' } } as const] : keys;
}

function onMenuKey(streams: TerminalStreams, events: FaceEvents): () => void {
  const onData = (bytes: Buffer | string) => {
    if (bytes.toString().includes(MENU_KEY_BYTES)) events.onCall({ kind: 'menu' });
  };
  streams.input.on('data', onData);
  return () => streams.input.off('data', onData);
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** A page that leaves the screen when it was answered elsewhere, also when others cover it then. */
class ClosedBySignal<Result> implements Page<Result> {
  readonly #page: Page<Result>;
  readonly #signal: AbortSignal;
  #host: PageHost<Result> | undefined;

  constructor(page: Page<Result>, signal: AbortSignal) {
    this.#page = page;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#host?.close(), { once: true });
  }

  get title(): string {
    return this.#page.title;
  }

  get helpTopic(): string {
    return this.#page.helpTopic;
  }

  render(size: Parameters<Page['render']>[0]) {
    return this.#page.render(size);
  }

  keys() {
    return this.#page.keys();
  }

  cursor(size: Parameters<Page['render']>[0]) {
    return this.#page.cursor?.(size);
  }

  onKey(key: KeyPress, host: PageHost<Result>): void {
    this.#page.onKey(key, host);
  }

  onShown(host: PageHost<Result>): void {
    this.#host = host;
    if (this.#signal.aborted) host.close();
    else this.#page.onShown?.(host);
  }

  onHidden(): void {
    this.#page.onHidden?.();
  }
}
