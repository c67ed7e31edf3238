import { type Clock, monotonicClock } from '../lib/clock.ts';

/** Acts for a person who is not there; the first key of anybody stops it for good. */
export class Countdown implements Disposable {
  readonly #clock: Clock;
  readonly #endMs: number;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(seconds: number, clock: Clock = monotonicClock) {
    this.#clock = clock;
    this.#endMs = clock.nowMs() + seconds * 1000;
    this.#timer = setTimeout(() => this.#over.abort(), seconds * 1000);
  }

  /** Undefined once it was stopped. */
  get secondsLeft(): number | undefined {
    if (this.#timer === undefined) return undefined;
    return Math.max(0, Math.ceil((this.#endMs - this.#clock.nowMs()) / 1000));
  }

  /** Aborts when the time is over without a key. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
