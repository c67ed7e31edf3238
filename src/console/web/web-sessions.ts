import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';

/** The prefix makes browsers insist on HTTPS, this host and no other path (RFC 6265bis, section 4.1.3.2). */
const COOKIE = '__Host-totaldeploy';
const SESSION_MS = 8 * 3_600_000;
const SESSIONS_MAX = 100;

/** Who is signed in; only in memory, so a restart of the console signs everybody out. */
export class WebSessions {
  readonly #clock: Clock;
  readonly #endsAtMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a session; the value of `Set-Cookie`. */
  start(): string {
    const id = randomBytes(32).toString('base64url');
    this.#endsAtMs.set(id, this.#clock.nowMs() + SESSION_MS);
    const [oldest] = this.#endsAtMs.keys();
    if (this.#endsAtMs.size > SESSIONS_MAX && oldest !== undefined) this.#endsAtMs.delete(oldest);
    return `${COOKIE}=${id}; Path=/; Max-Age=${SESSION_MS / 1000}; Secure; HttpOnly; SameSite=Strict`;
  }

  isSignedIn(cookies: string | undefined): boolean {
    const id = sessionId(cookies);
    const endsAtMs = id === undefined ? undefined : this.#endsAtMs.get(id);
    return endsAtMs !== undefined && endsAtMs > this.#clock.nowMs();
  }

  /** Ends the session of these cookies; the value of `Set-Cookie`. */
  end(cookies: string | undefined): string {
    const id = sessionId(cookies);
    if (id !== undefined) this.#endsAtMs.delete(id);
    return `${COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict`;
  }

  endAll(): void {
    this.#endsAtMs.clear();
  }
}

function sessionId(cookies = ''): string | undefined {
  return cookies
    .split('; ')
    .find((one) => one.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);
}
