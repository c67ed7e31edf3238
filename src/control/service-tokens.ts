import { createHash, randomBytes } from 'node:crypto';
import { type Clock, monotonicClock } from '../lib/clock.ts';

/** Who a bearer token of the image service was given to. */
export interface TokenHolder {
  computerId: string;
  connectionId: number;
}

const TOKEN_BYTES = 32;
const GRACE_MS = 120_000;

/**
 * The bearer tokens of the image service, one a control connection. A token outlives its connection by two
 * minutes, so that a short cut of the control connection does not stop a transfer beside it.
 */
export class ServiceTokens {
  readonly #clock: Clock;
  // Keyed by hash: how long a look-up takes tells nothing about the tokens themselves.
  readonly #holders = new Map<string, TokenHolder & { endsAtMs: number | undefined }>();

  constructor(clock: Clock = monotonicClock) {
    this.#clock = clock;
  }

  issue(holder: TokenHolder): string {
    this.#sweep();
    const token = randomBytes(TOKEN_BYTES).toString('hex');
    this.#holders.set(hashOf(token), { ...holder, endsAtMs: undefined });
    return token;
  }

  /** Lets the token end after the grace time. */
  retire(token: string): void {
    const held = this.#holders.get(hashOf(token));
    if (held !== undefined) held.endsAtMs ??= this.#clock.nowMs() + GRACE_MS;
  }

  find(token: string): TokenHolder | undefined {
    const held = this.#holders.get(hashOf(token));
    if (held === undefined) return undefined;
    if (held.endsAtMs !== undefined && held.endsAtMs <= this.#clock.nowMs()) {
      this.#holders.delete(hashOf(token));
      return undefined;
    }
    return { computerId: held.computerId, connectionId: held.connectionId };
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const [hash, held] of this.#holders) {
      if (held.endsAtMs !== undefined && held.endsAtMs <= nowMs) this.#holders.delete(hash);
    }
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('base64');
}
