import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../spawn.ts';

const POLL_MS = 15;

export interface TmuxOptions {
  columns: number;
  rows: number;
  /** Of the program inside; tmux shows it faithfully enough for all that are tested. */
  term: string;
  /** Program and arguments. */
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
}

/** A program on a real terminal of its own tmux server; ends with its `using` block. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #socket: string;
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#socket = join(dir, 'tmux.sock');
  }

  static async start(options: TmuxOptions): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal(await mkdtemp(join(tmpdir(), 'td-tmux-')));
    const { columns, rows, term, command, env = {} } = options;
    const words = Object.entries({ TERM: term, LC_ALL: 'C.UTF-8', ...env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const script = ['exec', 'env', '-u', 'TMUX', '-u', 'COLORTERM', ...words, ...command]
      .map(quoted)
      .join(' ');
    const file = join(terminal.#dir, 'run.sh');
    // The shell stays, so that what the program left on the terminal can be looked at.
    await writeFile(file, `(${script})\necho "ended with $?"\nexec sleep 600\n`);
    const size = ['-x', String(columns), '-y', String(rows)];
    await terminal.#tmux(['-f', '/dev/null', 'new-session', '-d', ...size, `sh ${file}`]);
    return terminal;
  }

  /** Keys as tmux names them (`F2`, `Enter`, `Up`), or text. */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux(['send-keys', ...keys]);
  }

  /** Text as it is, also such that tmux would take for a key. */
  async type(text: string): Promise<void> {
    await this.#tmux(['send-keys', '-l', text]);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux(['resize-window', '-x', String(columns), '-y', String(rows)]);
  }

  /** Process group of the program, to hang up its terminal. */
  async panePid(): Promise<number> {
    return Number((await this.#tmux(['display-message', '-p', '#{pane_pid}'])).trim());
  }

  /** Closes the terminal under the program. */
  async hangUp(): Promise<void> {
    await this.#tmux(['respawn-pane', '-k', 'sleep 600']);
  }

  async text(): Promise<string> {
    return this.#tmux(['capture-pane', '-p']);
  }

  /** With the escape sequences of its colours. */
  async coloured(): Promise<string> {
    return this.#tmux(['capture-pane', '-p', '-e', '-N']);
  }

  /** Waits for a text or a pattern and returns the screen; fails with what is there instead. */
  async until(wanted: string | RegExp, options: { timeoutMs?: number } = {}): Promise<string> {
    const endMs = performance.now() + (options.timeoutMs ?? 10_000);
    for (;;) {
      const text = await this.text();
      if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) return text;
      if (performance.now() > endMs)
        throw new Error(`The terminal never showed ${wanted}; it shows:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux(['kill-server']).catch(() => {});
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #tmux(args: readonly string[]): Promise<string> {
    return (await run('tmux', ['-u', '-S', this.#socket, ...args])).stdout;
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
