import { type Clock, monotonicClock } from '../lib/clock.ts';
import type { Dialog } from '../lib/dialog.ts';
import type { Logger } from '../lib/log.ts';
import type { Screen, ScreenView } from '../lib/screen.ts';
import type { runTui } from '../lib/tui/run-tui.ts';
import type { Call } from './face.ts';
import { AnsweredElsewhere } from './line-face.ts';
import { PREOS_HELP } from './preos-help.ts';
import type { ScreenProgram } from './screen-face.ts';
import { asciiOf } from './screen-text.ts';
import type { Terminal } from './terminal.ts';
import { TerminalSlot } from './terminal-slot.ts';

const MILESTONE_PREFIX = 'TOTALDEPLOY ';
/** Lines that came too soon after their last one are told by a later call with the same view. */
const REFRESH_MS = 1000;
/** A screen drawn more often than this cannot be read anyway. */
const SHOW_INTERVAL_MS = 200;

export interface Answer<Result> {
  result: Result;
  terminal: Terminal;
}

export interface TerminalCall {
  call: Call;
  terminal: Terminal;
}

/** All terminals of this computer: what is shown is shown on each, what is asked is answered once. */
export interface Terminals extends Screen {
  /** Asks on every terminal, or on one; the first answer counts and closes the others. */
  present<Result>(
    dialog: Dialog<Result>,
    options: { signal: AbortSignal; on?: Terminal | undefined },
  ): Promise<Answer<Result>>;
  /** What people ask for by key or line while nothing is asked; the returned function ends it. */
  onCall(listener: (call: TerminalCall) => void): () => void;
  /** Leaves a terminal to someone else, e.g. a shell, until the work ends. */
  lend(terminal: Terminal, work: () => Promise<void>): Promise<void>;
  setMode(terminal: Terminal, mode: 'lines' | 'screens'): void;
  modeOf(terminal: Terminal): 'lines' | 'screens';
  /** Runs a program on every terminal that shows screens, until the returned function is called. */
  useScreens(program: ScreenProgram): () => void;
}

/** Works without any terminal at all; milestones then are only in the log. */
export class TtyScreen implements Terminals, AsyncDisposable {
  readonly #slots: readonly TerminalSlot[];
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #timer: NodeJS.Timeout;
  readonly #listeners = new Set<(call: TerminalCall) => void>();
  #view: ScreenView | undefined;
  #shownAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    terminals: readonly Terminal[];
    logger: Logger;
    /** In the title bar. */
    programLine: string;
    runScreens: typeof runTui;
    clock?: Clock;
  }) {
    const { logger, programLine, runScreens } = options;
    this.#logger = logger;
    this.#clock = options.clock ?? monotonicClock;
    this.#slots = options.terminals.map(
      (terminal) =>
        new TerminalSlot(terminal, {
          clock: this.#clock,
          title: programLine,
          help: PREOS_HELP,
          logger,
          runScreens,
          onCall: (call) => {
            for (const listener of [...this.#listeners]) listener({ call, terminal });
          },
        }),
    );
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  milestone(text: string): void {
    const bare = text.startsWith(MILESTONE_PREFIX) ? text.slice(MILESTONE_PREFIX.length) : text;
    const line = MILESTONE_PREFIX + asciiOf(bare);
    this.#logger.info({ milestone: line }, line);
    for (const slot of this.#slots) slot.milestone(line);
  }

  show(view: ScreenView): void {
    this.#view = view;
    if (this.#clock.nowMs() - this.#shownAtMs >= SHOW_INTERVAL_MS) this.#refresh();
  }

  #refresh(): void {
    const view = this.#view;
    if (view === undefined) return;
    this.#shownAtMs = this.#clock.nowMs();
    for (const slot of this.#slots) slot.show(view);
  }

  /** What is shown now. */
  get view(): ScreenView | undefined {
    return this.#view;
  }

  async present<Result>(
    dialog: Dialog<Result>,
    options: { signal: AbortSignal; on?: Terminal | undefined },
  ): Promise<Answer<Result>> {
    const answered = new AbortController();
    const signal = AbortSignal.any([options.signal, answered.signal]);
    const slots = this.#slots.filter(({ terminal }) => options.on === undefined || terminal === options.on);
    const asked = slots.map(async (slot) => ({
      result: await slot.present(dialog, signal),
      terminal: slot.terminal,
    }));
    // Without a terminal nobody answers.
    const aborted = new Promise<never>((_, reject) => {
      const onAbort = () => reject(options.signal.reason);
      if (options.signal.aborted) onAbort();
      else options.signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      const answer = await Promise.race([...asked, aborted]);
      answered.abort(new AnsweredElsewhere(answer.terminal.path));
      return answer;
    } finally {
      answered.abort();
      await Promise.allSettled(asked);
      this.#refresh();
    }
  }

  onCall(listener: (call: TerminalCall) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async lend(terminal: Terminal, work: () => Promise<void>): Promise<void> {
    await this.#slotOf(terminal)?.lend(work);
    this.#refresh();
  }

  setMode(terminal: Terminal, mode: 'lines' | 'screens'): void {
    this.#slotOf(terminal)?.setMode(mode);
  }

  modeOf(terminal: Terminal): 'lines' | 'screens' {
    return this.#slotOf(terminal)?.mode ?? 'lines';
  }

  useScreens(program: ScreenProgram): () => void {
    for (const slot of this.#slots) slot.setProgram(program);
    return () => {
      for (const slot of this.#slots) slot.setProgram(undefined);
    };
  }

  #slotOf(terminal: Terminal): TerminalSlot | undefined {
    return this.#slots.find((slot) => slot.terminal === terminal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#slots.map((slot) => slot[Symbol.asyncDispose]()));
  }
}
