import { type Clock, monotonicClock } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Screen, ScreenView } from '../lib/screen.ts';
import { asciiOf, type Question, renderQuestion, renderView } from './screen-text.ts';
import { newSerialMemory, type SerialMemory, serialLines } from './serial-lines.ts';
import type { Terminal } from './terminal.ts';

const MILESTONE_PREFIX = 'TOTALDEPLOY ';
const REFRESH_MS = 1000;
/** A screen drawn more often than this cannot be read anyway. */
const DRAW_INTERVAL_MS = 200;

export interface Answer {
  text: string;
  terminal: Terminal;
}

export interface Asking {
  signal?: AbortSignal;
  /** Answers undefined after this time without one; waits for ever when missing. */
  timeoutMs?: number;
}

/** A screen that can also ask. */
export interface AskingScreen extends Screen {
  ask(question: Question, options?: Asking): Promise<Answer | undefined>;
  /** The next line typed while no question is open. */
  nextLine(signal: AbortSignal): Promise<Answer>;
  /** Leaves the terminal to someone else, e.g. a shell, until the work ends. */
  lend(terminal: Terminal, work: () => Promise<void>): Promise<void>;
}

/**
 * Shows the same view on every terminal: drawn on virtual terminals, told line by line on serial ports.
 * Works without any terminal at all; milestones then are only in the log.
 */
export class TtyScreen implements AskingScreen, AsyncDisposable {
  readonly #terminals: readonly Terminal[];
  readonly #logger: Logger;
  readonly #programLine: string;
  readonly #clock: Clock;
  readonly #memories = new Map<Terminal, SerialMemory>();
  readonly #lent = new Set<Terminal>();
  readonly #timer: NodeJS.Timeout;
  #view: ScreenView | undefined;
  #drawn = '';
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #question: Question | undefined;

  constructor(options: {
    terminals: readonly Terminal[];
    logger: Logger;
    /** Shown in the title's right corner. */
    programLine: string;
    clock?: Clock;
  }) {
    this.#terminals = options.terminals;
    this.#logger = options.logger;
    this.#programLine = options.programLine;
    this.#clock = options.clock ?? monotonicClock;
    this.#timer = setInterval(() => this.#refresh(true), REFRESH_MS);
  }

  milestone(text: string): void {
    const bare = text.startsWith(MILESTONE_PREFIX) ? text.slice(MILESTONE_PREFIX.length) : text;
    const line = MILESTONE_PREFIX + asciiOf(bare);
    this.#logger.info({ milestone: line }, line);
    for (const terminal of this.#terminals) {
      if (terminal.kind === 'lines') terminal.write(`${line}\n`);
    }
  }

  show(view: ScreenView): void {
    this.#view = view;
    this.#refresh(false);
  }

  async ask(question: Question, options: Asking = {}): Promise<Answer | undefined> {
    if (this.#question !== undefined) throw new TdError('usage', 'Cannot ask two questions at once');
    this.#question = question;
    for (const terminal of this.#terminals) this.#showQuestion(terminal, question);
    const timeout = options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs);
    const signals = [options.signal, timeout].filter((signal) => signal !== undefined);
    try {
      return await this.#line(AbortSignal.any(signals));
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (timeout?.aborted) return undefined;
      throw error;
    } finally {
      this.#question = undefined;
      this.#drawn = '';
      this.#refresh(true);
    }
  }

  async nextLine(signal: AbortSignal): Promise<Answer> {
    for (;;) {
      const answer = await this.#line(signal);
      if (this.#question === undefined) return answer;
    }
  }

  async lend(terminal: Terminal, work: () => Promise<void>): Promise<void> {
    this.#lent.add(terminal);
    if (terminal.kind === 'screen') terminal.write('\x1b[?25h\x1b[2J\x1b[H');
    await terminal.release();
    try {
      await work();
    } finally {
      await terminal.reclaim();
      this.#lent.delete(terminal);
      this.#drawn = '';
      this.#refresh(true);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#terminals.map((terminal) => terminal[Symbol.asyncDispose]()));
  }

  #line(signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const removals = this.#terminals.map((terminal) =>
        terminal.onLine((text) => {
          finish();
          resolve({ text, terminal });
        }),
      );
      const onAbort = () => {
        finish();
        reject(signal.reason);
      };
      const finish = () => {
        for (const remove of removals) remove();
        signal.removeEventListener('abort', onAbort);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #showQuestion(terminal: Terminal, question: Question): void {
    if (this.#lent.has(terminal)) return;
    if (terminal.kind === 'screen') {
      terminal.write(renderQuestion(question, this.#programLine));
      return;
    }
    const lines = [`--- ${question.title} ---`, ...question.lines].map(asciiOf).filter((line) => line !== '');
    terminal.write(`${lines.join('\n')}\n${asciiOf(question.prompt)} `);
  }

  /** @param isForced also draws when nothing changed: kernel messages may have run over the screen. */
  #refresh(isForced: boolean): void {
    const view = this.#view;
    if (view === undefined || this.#question !== undefined) return;
    const nowMs = this.#clock.nowMs();
    const isDue = isForced || nowMs - this.#drawnAtMs >= DRAW_INTERVAL_MS;
    const text = isDue ? renderView(view, this.#programLine) : this.#drawn;
    const isDrawn = isDue && (isForced || text !== this.#drawn);
    if (isDrawn) this.#drawnAtMs = nowMs;
    this.#drawn = text;
    for (const terminal of this.#terminals) {
      if (this.#lent.has(terminal)) continue;
      if (terminal.kind === 'screen') {
        if (isDrawn) terminal.write(text);
        continue;
      }
      const memory = this.#memories.get(terminal) ?? newSerialMemory();
      this.#memories.set(terminal, memory);
      const lines = serialLines(memory, view, nowMs);
      if (lines.length > 0) terminal.write(`${lines.join('\n')}\n`);
    }
  }
}
