import type { AnyHost } from '../../../lib/tui/field.ts';
import { poll } from '../../../lib/tui/poll.ts';

/** Looks again and again as long as its page is on top. */
export class WhileShown {
  readonly #intervalMs: number;
  readonly #look: () => Promise<void>;
  #hidden = new AbortController();

  constructor(intervalMs: number, look: () => Promise<void>) {
    this.#intervalMs = intervalMs;
    this.#look = look;
  }

  start(host: AnyHost): void {
    this.#hidden = new AbortController();
    void poll(host, { intervalMs: this.#intervalMs, signal: this.#hidden.signal, work: this.#look });
  }

  stop(): void {
    this.#hidden.abort();
  }
}
