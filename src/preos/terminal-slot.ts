import { type Clock, sleep } from '../lib/clock.ts';
import type { Dialog } from '../lib/dialog.ts';
import { errorLine } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import type { HelpTexts } from '../lib/tui/page.ts';
import type { runTui } from '../lib/tui/run-tui.ts';
import type { Call, Face, FaceEvents } from './face.ts';
import { LineFace } from './line-face.ts';
import { ProgramFace, ScreenFace, type ScreenProgram } from './screen-face.ts';
import type { Terminal } from './terminal.ts';

/** Between the questions of one talk a role's program need not come back. */
const BETWEEN_QUESTIONS_MS = 100;
/** A terminal that fails at once is not opened again in a tight loop. */
const REOPEN_MS = 1000;
const KEPT_LINES_MAX = 200;

export interface SlotOptions extends FaceEvents {
  clock: Clock;
  title: string;
  help: HelpTexts;
  logger: Logger;
  runScreens: typeof runTui;
}

type FaceKind = 'none' | 'lines' | 'screens' | 'program';

/** One terminal over its life: lines, screens, a program of a role, or lent to a shell. */
export class TerminalSlot implements AsyncDisposable {
  readonly terminal: Terminal;
  readonly #options: SlotOptions;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<() => void>();
  /** What came while no face took lines; told when one does again. */
  readonly #kept: string[] = [];
  #mode: 'lines' | 'screens';
  #program: ScreenProgram | undefined;
  #lentCount = 0;
  #dialogCount = 0;
  #kind: FaceKind = 'none';
  #face: Face | undefined;
  #view: ScreenView | undefined;
  #fitting: Promise<void> = Promise.resolve();

  constructor(terminal: Terminal, options: SlotOptions) {
    this.terminal = terminal;
    this.#options = options;
    this.#mode = terminal.kind === 'screen' ? 'screens' : 'lines';
    if (this.#mode === 'lines') this.#startLines();
    else this.#fit();
  }

  get mode(): 'lines' | 'screens' {
    return this.#mode;
  }

  setMode(mode: 'lines' | 'screens'): void {
    this.#mode = mode;
    this.#fit();
  }

  setProgram(program: ScreenProgram | undefined): void {
    this.#program = program;
    this.#fit();
  }

  milestone(line: string): void {
    if (this.#kind === 'lines') this.#face?.milestone(line);
    else if (this.terminal.kind === 'lines') this.#kept.push(line);
    if (this.#kept.length > KEPT_LINES_MAX) this.#kept.shift();
  }

  show(view: ScreenView): void {
    this.#view = view;
    this.#face?.show(view);
  }

  /** Shown again on the next face when the terminal changes between lines and screens. */
  async present<Result>(dialog: Dialog<Result>, signal: AbortSignal): Promise<Result> {
    this.#dialogCount += 1;
    this.#fit();
    try {
      for (;;) {
        const face = await this.#faceFor(signal);
        try {
          return await face.present(dialog, signal);
        } catch (error) {
          if (signal.aborted || !face.closed.aborted) throw error;
        }
      }
    } finally {
      this.#dialogCount -= 1;
      this.#fitLater(BETWEEN_QUESTIONS_MS);
    }
  }

  async lend(work: () => Promise<void>): Promise<void> {
    this.#lentCount += 1;
    this.#fit();
    await this.#fitting;
    try {
      await work();
    } finally {
      this.#lentCount -= 1;
      this.#fit();
      await this.#fitting;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#fit();
    await this.#fitting;
    await this.terminal[Symbol.asyncDispose]();
  }

  #wanted(): FaceKind {
    if (this.#stop.signal.aborted || this.#lentCount > 0) return 'none';
    if (this.#mode === 'lines') return 'lines';
    return this.#program !== undefined && this.#dialogCount === 0 ? 'program' : 'screens';
  }

  /** Changes the face to the wanted one, one change after the other. */
  #fit(): void {
    this.#fitting = this.#fitting
      .then(() => this.#change())
      .catch((error) =>
        this.#options.logger.error(
          { error: errorLine(error), terminal: this.terminal.path },
          'terminal failed',
        ),
      );
  }

  async #change(): Promise<void> {
    if (this.#wanted() === this.#kind && this.#face?.closed.aborted !== true) return;
    const face = this.#face;
    this.#face = undefined;
    this.#kind = 'none';
    await face?.[Symbol.asyncDispose]();
    await this.terminal.release();
    const wanted = this.#wanted();
    if (wanted === 'lines') {
      await this.terminal.reclaim();
      this.#startLines();
    } else if (wanted !== 'none') await this.#startScreens(wanted);
  }

  #startLines(): void {
    const { clock } = this.#options;
    this.#become('lines', new LineFace(this.terminal, { clock, onCall: this.#onCall }));
    for (const line of this.#kept.splice(0)) this.#face?.milestone(line);
  }

  async #startScreens(kind: 'screens' | 'program'): Promise<void> {
    const { logger, title, help, runScreens } = this.#options;
    const streams = await this.terminal.openStreams();
    if (streams === undefined) {
      this.#fitLater();
      return;
    }
    const common = { terminal: this.terminal, streams, logger, onCall: this.#onCall };
    const program = this.#program;
    const face =
      kind === 'program' && program !== undefined
        ? new ProgramFace(program, common)
        : new ScreenFace({ ...common, title, help, runScreens, isSerial: this.terminal.kind === 'lines' });
    this.#become(kind, face);
    face.closed.addEventListener('abort', () => this.#fitLater(), { once: true });
  }

  #become(kind: FaceKind, face: Face): void {
    this.#kind = kind;
    this.#face = face;
    if (this.#view !== undefined) face.show(this.#view);
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  readonly #onCall = (call: Call): void => {
    if (call.kind === 'lines') this.setMode('lines');
    else this.#options.onCall(call);
  };

  #fitLater(delayMs = REOPEN_MS): void {
    sleep(delayMs, this.#stop.signal).then(
      () => this.#fit(),
      () => {},
    );
  }

  async #faceFor(signal: AbortSignal): Promise<Face> {
    for (;;) {
      signal.throwIfAborted();
      const isFit = this.#kind === this.#wanted() && this.#face?.closed.aborted === false;
      if (isFit && this.#face !== undefined && this.#kind !== 'program') return this.#face;
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }
}
