import type { Clock } from '../../lib/clock.ts';

const WINDOW_MS = 5 * 60_000;
const ADDRESS_ATTEMPTS_MAX = 5;
const ALL_ATTEMPTS_MAX = 100;

/** Limits how often a password can be guessed: by each address, and by all together. */
export class SignInAttempts {
  readonly #clock: Clock;
  readonly #attempts: { address: string; atMs: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an attempt before it is judged, so that many at once are counted too; 0, or the seconds to wait. */
  begin(address: string): number {
    const nowMs = this.#clock.nowMs();
    while (this.#attempts.length > 0 && nowMs - this.#attempts[0]!.atMs > WINDOW_MS) this.#attempts.shift();
    const own = this.#attempts.filter((one) => one.address === address);
    const oldest =
      own.length >= ADDRESS_ATTEMPTS_MAX
        ? own[0]
        : this.#attempts.length >= ALL_ATTEMPTS_MAX
          ? this.#attempts[0]
          : undefined;
    if (oldest !== undefined) return Math.ceil((oldest.atMs + WINDOW_MS - nowMs) / 1000) || 1;
    this.#attempts.push({ address, atMs: nowMs });
    return 0;
  }

  /** Somebody who knows the password made no wrong attempt. */
  succeeded(address: string): void {
    for (let i = this.#attempts.length - 1; i >= 0; i -= 1) {
      if (this.#attempts[i]!.address === address) this.#attempts.splice(i, 1);
    }
  }
}
