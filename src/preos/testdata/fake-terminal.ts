import { PassThrough } from 'node:stream';
import { plainLine } from '../../lib/tui/cell-text.ts';
import type { KeyPress } from '../../lib/tui/page.ts';
import { PageStack } from '../../lib/tui/page-stack.ts';
import type { TuiOptions } from '../../lib/tui/run-tui.ts';
import type { Terminal } from '../terminal.ts';
import type { TerminalStreams } from '../terminal-streams.ts';

const SIZE = { columns: 80, rows: 22 };

/** A terminal for tests: keeps what was written or shown, and types what it is told. */
export class FakeTerminal implements Terminal {
  readonly path: string;
  readonly kind: Terminal['kind'];
  readonly term: string;
  written = '';
  isReleased = false;
  /** What `fakeScreens` shows here. */
  stack: PageStack | undefined;
  readonly #listeners = new Set<(line: string) => void>();

  constructor(kind: Terminal['kind']) {
    this.kind = kind;
    this.term = kind === 'screen' ? 'linux' : 'vt220';
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

  async openStreams(): Promise<TerminalStreams> {
    const input = Object.assign(new PassThrough(), { terminal: this });
    return { input, output: new PassThrough(), [Symbol.asyncDispose]: async () => {} };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  type(line: string): void {
    for (const listener of [...this.#listeners]) listener(line);
  }

  /** Presses keys by name; a text in quotes is typed. */
  press(...keys: string[]): void {
    for (const key of keys) {
      if (key.startsWith('"')) for (const character of key.slice(1, -1)) this.stack?.onKey(typed(character));
      else this.stack?.onKey({ ...typed(key.length === 1 ? key : ''), name: key });
    }
  }

  /** The page on top: title, body and keys. */
  get shown(): string {
    const page = this.stack?.pages.at(-1);
    if (page === undefined) return '';
    const keys = page.keys().map(({ key, label }) => `${key} ${label}`);
    const lines = page.render(SIZE).map((line) => plainLine(line).trimEnd());
    return [page.title, ...lines, keys.join('  ')].join('\n');
  }

  /** Waits until something was written, or is on the page shown. */
  async waitFor(text: string): Promise<void> {
    const isThere = () => this.written.includes(text) || this.shown.includes(text);
    for (let i = 0; i < 500 && !isThere(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    if (!isThere()) throw new Error(`"${text}" never came; there is: ${this.written}\n${this.shown}`);
  }
}

function typed(character: string): KeyPress {
  const name = character === ' ' ? 'space' : character.toLowerCase();
  return { name, text: character, ctrl: false, shift: false };
}

/** In place of `runTui`: pages on a `FakeTerminal`. */
export async function fakeScreens<Result>(options: TuiOptions<Result>): Promise<Result | undefined> {
  const { terminal } = options.input as unknown as { terminal: FakeTerminal };
  const stack = new PageStack({ help: options.help, logger: options.logger, onChange: () => {} });
  terminal.stack = stack;
  options.signal.addEventListener('abort', () => stack.closeAll(), { once: true });
  try {
    return await stack.open(options.firstPage);
  } finally {
    if (terminal.stack === stack) terminal.stack = undefined;
  }
}
