import { formatSeconds } from '../src/lib/progress.ts';

const HEARTBEAT_MS = 20_000;

/** Tells the person at the terminal what is happening, with the time since the start on each line. */
export class DemoProgress {
  readonly #startedMs = performance.now();
  readonly #out: (line: string) => void;

  constructor(out: (line: string) => void) {
    this.#out = out;
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  say(text: string): void {
    this.#out(`[${formatSeconds(this.seconds).padStart(5)}] ${text}`);
  }

  /** Says what begins, what it is at every twenty seconds, and how long it took. */
  async during<T>(text: string, action: () => Promise<T>, status: () => string = () => ''): Promise<T> {
    this.say(`${text} …`);
    const startedMs = performance.now();
    const heartbeat = setInterval(() => {
      const words = status();
      this.say(`  … still at it${words === '' ? '' : `: ${words}`}`);
    }, HEARTBEAT_MS);
    try {
      const result = await action();
      this.say(`  done in ${formatSeconds((performance.now() - startedMs) / 1000)}`);
      return result;
    } finally {
      clearInterval(heartbeat);
    }
  }
}

/** The last words of some output, short enough for one line. */
export function lastWords(text: string): string {
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  return line.trim().slice(0, 100);
}
