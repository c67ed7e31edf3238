import type { ServerResponse } from 'node:http';

const INTERVAL_MS = 1000;
/** A line now and then, so that neither side takes the other for dead. */
const QUIET_MS_MAX = 15_000;
const READERS_MAX = 32;
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

/** Tells every open page what changed, once a second (server-sent events, WHATWG HTML section 9.2). */
export class WebStream {
  readonly #look: () => Promise<string>;
  readonly #readers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #told = '';
  #toldAtMs = 0;

  /** @param look the state as one line of JSON. */
  constructor(look: () => Promise<string>) {
    this.#look = look;
  }

  /** False when so many pages are open already. */
  add(response: ServerResponse): boolean {
    if (this.#readers.size >= READERS_MAX) return false;
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    this.#readers.add(response);
    response.once('close', () => {
      this.#readers.delete(response);
      if (this.#readers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    });
    response.write('retry: 2000\n\n');
    if (this.#timer === undefined) {
      this.#told = '';
      this.#timer = setInterval(() => void this.#tell(), INTERVAL_MS);
      void this.#tell();
    } else if (this.#told !== '') response.write(`data: ${this.#told}\n\n`);
    return true;
  }

  async #tell(): Promise<void> {
    // The page keeps what it has while the state cannot be told.
    const state = await this.#look().catch(() => this.#told);
    const nowMs = performance.now();
    const isNew = state !== this.#told;
    if (!isNew && nowMs - this.#toldAtMs < QUIET_MS_MAX) return;
    this.#told = state;
    this.#toldAtMs = nowMs;
    for (const reader of this.#readers) {
      // A browser that takes nothing any more must not fill the memory.
      if (reader.writableLength > BACKLOG_BYTES_MAX) reader.destroy();
      else reader.write(isNew ? `data: ${state}\n\n` : ':\n\n');
    }
  }
}
