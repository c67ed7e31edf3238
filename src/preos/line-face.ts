import type { Clock } from '../lib/clock.ts';
import type { Dialog, LineIo, Question } from '../lib/dialog.ts';
import type { ScreenView } from '../lib/screen.ts';
import type { Face, FaceEvents } from './face.ts';
import { asciiOf } from './screen-text.ts';
import { newSerialMemory, serialLines } from './serial-lines.ts';
import type { Terminal } from './terminal.ts';

/** Lines typed so soon after the one that called the menu are its answers. */
const TYPED_AHEAD_MS = 2000;
const TYPED_AHEAD_MAX = 8;

/** Why a question went away. */
export class AnsweredElsewhere extends Error {
  constructor(path: string) {
    super(`Answered on ${path}.`);
  }
}

/**
 * A terminal that only takes text: tells line by line what happens and asks by numbers, one dialog after the
 * other. A line typed while nothing is asked calls for the menu.
 */
export class LineFace implements Face {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #memory = newSerialMemory();
  readonly #removeListener: () => void;
  readonly #closed = new AbortController();
  #takeLine: ((line: string) => void) | undefined;
  #isAsking = false;
  #calledAtMs = Number.NEGATIVE_INFINITY;
  readonly #typedAhead: string[] = [];
  #lastDialog: Promise<unknown> = Promise.resolve();

  constructor(terminal: Terminal, events: FaceEvents & { clock: Clock }) {
    this.#terminal = terminal;
    this.#clock = events.clock;
    this.#removeListener = terminal.onLine((line) => {
      if (this.#takeLine !== undefined) this.#takeLine(line);
      else if (this.#clock.nowMs() - this.#calledAtMs < TYPED_AHEAD_MS) this.#keep(line);
      else if (!this.#isAsking) {
        this.#calledAtMs = this.#clock.nowMs();
        events.onCall({ kind: 'menu' });
      }
    });
  }

  /** "Enter, 3, Enter" comes faster than the menu does. */
  #keep(line: string): void {
    if (line !== '' && this.#typedAhead.length < TYPED_AHEAD_MAX) this.#typedAhead.push(line);
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  milestone(line: string): void {
    this.#terminal.write(`${line}\n`);
  }

  show(view: ScreenView): void {
    if (this.#isAsking) return;
    const lines = serialLines(this.#memory, view, this.#clock.nowMs());
    if (lines.length > 0) this.#terminal.write(`${lines.join('\n')}\n`);
  }

  async present<Result>(dialog: Dialog<Result>, signal: AbortSignal): Promise<Result> {
    const before = this.#lastDialog;
    const work = async () => {
      await before.catch(() => {});
      signal.throwIfAborted();
      this.#isAsking = true;
      try {
        return await dialog.lines(this.#io(signal));
      } finally {
        this.#isAsking = false;
        this.#takeLine = undefined;
        this.#typedAhead.length = 0;
        this.#calledAtMs = Number.NEGATIVE_INFINITY;
      }
    };
    const result = work();
    this.#lastDialog = result;
    return result;
  }

  #io(signal: AbortSignal): LineIo {
    return {
      signal,
      tell: (lines) => this.#write(lines),
      ask: (question) => this.#ask(question, signal),
    };
  }

  #write(lines: readonly string[]): void {
    for (const line of lines.map(asciiOf)) if (line !== '') this.#terminal.write(`${line}\n`);
  }

  #ask(question: Question, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#takeLine = undefined;
        // The prompt's line must end before anything else is told.
        const { reason } = signal;
        this.#terminal.write(reason instanceof AnsweredElsewhere ? `\n${reason.message}\n` : '\n');
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#takeLine = (line) => {
        this.#takeLine = undefined;
        signal.removeEventListener('abort', onAbort);
        resolve(line.trim());
      };
      this.#write([`--- ${question.title} ---`, ...question.lines]);
      this.#terminal.write(`${asciiOf(question.prompt)} `);
      const ahead = this.#typedAhead.shift();
      if (ahead !== undefined) this.#takeLine(ahead);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#removeListener();
    this.#closed.abort();
  }
}
