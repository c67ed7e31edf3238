import { writeSync } from 'node:fs';
import { errorLine, TdError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { TerminalScreen } from './blessed-screen.ts';
import { KeyDecoder } from './key-decoder.ts';
import type { HelpTexts, KeyPress, Page, PageSize } from './page.ts';
import { PageStack } from './page-stack.ts';
import { type ScreenPicture, screenPicture } from './screen-lines.ts';
import { type TerminalLook, terminalLook } from './terminal-look.ts';

const FRAME_MS = 100;
const SIZE_CHECK_MS = 1000;
/** Sequences arrive in one piece but for slow lines, where a person types `ESC` and a digit besides. */
const ESCAPE_WAIT_MS = 60;
const ESCAPE_WAIT_SERIAL_MS = 700;
/** A serial line has no size; this is what every terminal has. */
const SIZE_UNKNOWN: PageSize = { columns: 80, rows: 24 };
const SIZE_MAX = 1000;
/** Moves to the far corner and asks where that is, for terminals whose size nobody knows. */
const ASK_SIZE = '\x1b7\x1b[999;999H\x1b[6n\x1b8';

/** Standard input, or a terminal device opened by its path. */
export type TuiInput = NodeJS.ReadableStream & { setRawMode?: (raw: boolean) => unknown };

export type TuiOutput = NodeJS.WritableStream & {
  columns?: number;
  rows?: number;
  fd?: number;
  writableLength?: number;
  getWindowSize?: () => [columns: number, rows: number];
};

export interface TuiOptions<Result> {
  input: TuiInput;
  output: TuiOutput;
  /** As in the environment's TERM. */
  term: string;
  firstPage: Page<Result>;
  help: HelpTexts;
  /** Left in the title bar: program and console. */
  title: string;
  signal: AbortSignal;
  logger: Logger;
  /** Said when the program crashes. */
  logPath?: string;
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs pages on a terminal until the first one closes, the signal aborts or the terminal hangs up.
 *
 * @returns the first page's result, or undefined when it had to end without one.
 * @throws TdError `usage` for a terminal that cannot place its cursor.
 */
export async function runTui<Result>(options: TuiOptions<Result>): Promise<Result | undefined> {
  const look = terminalLook(options.term, options.env ?? process.env);
  if (look === undefined) {
    throw new TdError(
      'usage',
      `Cannot show pages on a terminal of the kind "${options.term}": set TERM, e.g. to xterm-256color, linux or vt220`,
    );
  }
  const tui = new Tui(options, look);
  try {
    return await tui.run();
  } finally {
    tui.close();
  }
}

class Tui<Result> {
  readonly #options: TuiOptions<Result>;
  readonly #look: TerminalLook;
  readonly #stack: PageStack;
  readonly #decoder = new KeyDecoder();
  readonly #stops: (() => void)[] = [];
  #screen: TerminalScreen | undefined;
  #size: PageSize;
  /** From the terminal itself, when the system knows none. */
  #reported: PageSize | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #frame: NodeJS.Timeout | undefined;
  #escape: NodeJS.Timeout | undefined;
  #gone = false;
  /** Takes what is written in a crash, when only one synchronous write is left. */
  #lastWords: string[] | undefined;

  constructor(options: TuiOptions<Result>, look: TerminalLook) {
    this.#options = options;
    this.#look = look;
    const { help, logger } = options;
    this.#stack = new PageStack({ help, logger, onChange: () => this.#schedule() });
    this.#size = this.#currentSize();
  }

  async run(): Promise<Result | undefined> {
    const { input, output, signal, firstPage } = this.#options;
    if (signal.aborted) return undefined;
    unblock(output);
    this.#screen = await TerminalScreen.open({
      look: this.#look,
      size: this.#size,
      write: (text) => this.#write(text),
    });
    const ended = this.#stack.open(firstPage);
    this.#listen(input, 'data', (bytes) => this.#onBytes(bytes as Buffer));
    for (const event of ['end', 'close', 'error']) {
      this.#listen(input, event, () => this.#hangUp());
    }
    this.#listen(output, 'error', () => this.#hangUp());
    this.#listen(output, 'resize', () => this.#checkSize());
    this.#listen(process, 'SIGHUP', () => this.#hangUp());
    this.#listen(process, 'uncaughtExceptionMonitor', (error) => this.#crashed(error));
    const onAbort = () => this.#stack.closeAll();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stops.push(() => signal.removeEventListener('abort', onAbort));
    const timer = setInterval(() => this.#checkSize(), SIZE_CHECK_MS);
    this.#stops.push(() => clearInterval(timer));
    try {
      input.setRawMode?.(true);
    } catch {
      this.#hangUp();
    }
    // Both may have come while the drawing part was loaded.
    if (signal.aborted || (input as { destroyed?: boolean }).destroyed === true) this.#stack.closeAll();
    input.resume();
    this.#draw();
    if (this.#systemSize() === undefined) this.#askSize();
    return ended;
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    clearTimeout(this.#frame);
    clearTimeout(this.#escape);
    const { input } = this.#options;
    this.#screen?.close();
    this.#screen = undefined;
    // Whatever arrives after the end, e.g. the error of a terminal that is gone, is nobody's concern.
    input.on('error', () => {});
    this.#options.output.on('error', () => {});
    try {
      input.setRawMode?.(false);
    } catch {
      // The terminal is gone.
    }
    input.pause();
  }

  #listen(source: NodeJS.EventEmitter, event: string, listener: (argument: unknown) => void): void {
    source.on(event, listener);
    this.#stops.push(() => source.removeListener(event, listener));
  }

  #write(text: string): void {
    const { output } = this.#options;
    if (this.#lastWords !== undefined) this.#lastWords.push(text);
    else if (this.#gone || text === '') return;
    else output.write(text);
  }

  #onBytes(bytes: Buffer): void {
    clearTimeout(this.#escape);
    this.#decoder.onCursorReport = (rows, columns) => this.#onReport(rows, columns);
    this.#onKeys(this.#decoder.push(bytes));
    if (!this.#decoder.waiting) return;
    const waitMs = this.#look.family === 'vt' ? ESCAPE_WAIT_SERIAL_MS : ESCAPE_WAIT_MS;
    this.#escape = setTimeout(() => this.#onKeys(this.#decoder.flush()), waitMs);
  }

  #onKeys(keys: readonly KeyPress[]): void {
    for (const key of keys) {
      if (key.ctrl && key.name === 'l') {
        this.#screen?.clear();
        if (this.#systemSize() === undefined) this.#askSize();
      } else this.#stack.onKey(key);
    }
    // A person waits for the answer to a key; changes that nobody asked for can wait for their turn.
    if (keys.length > 0) this.#draw();
  }

  /** At most ten pictures a second for what happens by itself. */
  #schedule(): void {
    if (this.#frame !== undefined || this.#screen === undefined) return;
    const waitMs = Math.max(0, this.#drawnAtMs + FRAME_MS - performance.now());
    this.#frame = setTimeout(() => this.#draw(), waitMs);
  }

  #draw(): void {
    clearTimeout(this.#frame);
    this.#frame = undefined;
    if (this.#screen === undefined) return;
    this.#drawnAtMs = performance.now();
    if ((this.#options.output.writableLength ?? 0) > 0) {
      // A slow line gets the newest picture when it is through with the last one.
      this.#schedule();
      return;
    }
    this.#screen.draw(this.#picture());
  }

  #picture(): ScreenPicture {
    const { title } = this.#options;
    const parts = { size: this.#size, title, hasHelp: this.#stack.hasHelp() };
    try {
      return screenPicture({ ...parts, pages: this.#stack.pages });
    } catch (error) {
      const { stack } = error instanceof Error ? error : new Error(String(error));
      this.#options.logger.error({ stack }, `a page cannot be drawn: ${errorLine(error)}`);
      return screenPicture({ ...parts, pages: [brokenPage(errorLine(error))] });
    }
  }

  #checkSize(): void {
    const size = this.#currentSize();
    if (size.columns === this.#size.columns && size.rows === this.#size.rows) return;
    this.#size = size;
    this.#screen?.resize(size);
    this.#draw();
  }

  #currentSize(): PageSize {
    return this.#systemSize() ?? this.#reported ?? SIZE_UNKNOWN;
  }

  #systemSize(): PageSize | undefined {
    const { output } = this.#options;
    try {
      const [columns = 0, rows = 0] = output.getWindowSize?.() ?? [output.columns, output.rows];
      return columns > 0 && rows > 0 ? limitSize({ columns, rows }) : undefined;
    } catch {
      return undefined;
    }
  }

  #askSize(): void {
    this.#write(ASK_SIZE);
  }

  #onReport(rows: number, columns: number): void {
    this.#reported = limitSize({ columns, rows });
    this.#checkSize();
  }

  #hangUp(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#options.logger.info({}, 'the terminal hung up; its pages are closed');
    this.#stack.closeAll();
  }

  /** The event loop may be over: writes at once what gives the terminal back. */
  #crashed(error: unknown): void {
    const { output, logger, logPath } = this.#options;
    const { stack } = error instanceof Error ? error : new Error(String(error));
    logger.error({ stack }, `the program crashed: ${errorLine(error)}`);
    const texts: string[] = [];
    this.#lastWords = texts;
    this.close();
    const log = logPath === undefined ? '' : ` The log is "${logPath}".`;
    texts.push(`\r\ntotaldeploy: the program failed: ${errorLine(error)}.${log}\r\n`);
    try {
      if (output.fd !== undefined) writeSync(output.fd, texts.join(''));
    } catch {
      // The terminal is gone as well.
    }
  }
}

function limitSize(size: PageSize): PageSize {
  return { columns: Math.min(SIZE_MAX, size.columns), rows: Math.min(SIZE_MAX, size.rows) };
}

function brokenPage(problem: string): Page<never> {
  return {
    title: '',
    helpTopic: '',
    render: () => ['', [{ text: `  ! This page cannot be drawn: ${problem}`, tone: 'bad' }]],
    keys: () => [{ key: 'Esc', label: 'Back' }],
    onKey: () => {},
  };
}

/**
 * Node writes to terminals synchronously, so a slow or stopped serial line would stop the whole console. There is
 * no public way to change that for a stream.
 */
function unblock(output: TuiOutput): void {
  (output as { _handle?: { setBlocking?: (blocking: boolean) => void } })._handle?.setBlocking?.(false);
}
