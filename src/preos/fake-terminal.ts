import type { Terminal } from './terminal.ts';

/** A terminal for tests: keeps what was written and types what it is told. */
export class FakeTerminal implements Terminal {
  readonly path: string;
  readonly kind: Terminal['kind'];
  written = '';
  isReleased = false;
  readonly #listeners = new Set<(line: string) => void>();

  constructor(kind: Terminal['kind']) {
    this.kind = kind;
    this.path = `/dev/fake-${kind}`;
  }

  write(text: string): void {
    this.written += text;
  }

  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async release(): Promise<void> {
    this.isReleased = true;
  }

  async reclaim(): Promise<void> {
    this.isReleased = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  type(line: string): void {
    for (const listener of [...this.#listeners]) listener(line);
  }

  /** Waits until something was written. */
  async waitFor(text: string): Promise<void> {
    for (let i = 0; i < 500 && !this.written.includes(text); i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (!this.written.includes(text)) throw new Error(`"${text}" never came; there is: ${this.written}`);
  }
}
