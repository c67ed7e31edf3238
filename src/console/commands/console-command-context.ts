import { homedir } from 'node:os';
import { join } from 'node:path';
import type { TuiInput, TuiOutput } from '../../lib/tui/run-tui.ts';

/** What the console's commands need of their surroundings; tests bring their own. */
export interface ConsoleCommandContext {
  /** Results, to standard output. */
  out(text: string): void;
  /** What is going on, to standard error. */
  note(text: string): void;
  /** Width of the terminal notes go to; undefined when it is none. */
  columns: number | undefined;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
  defaultDataDir: string;
  /** For screens; undefined when input or output is no terminal. */
  terminal?: { input: TuiInput; output: TuiOutput; term: string } | undefined;
}

/** The context of a real terminal. */
export function terminalConsoleContext(signal: AbortSignal): ConsoleCommandContext {
  const { stdout, stderr } = process;
  return {
    out: (text) => stdout.write(text),
    note: (text) => stderr.write(text),
    columns: stderr.isTTY ? (stderr.columns ?? 80) : undefined,
    signal,
    defaultDataDir: defaultDataDir(),
    get terminal() {
      if (!process.stdin.isTTY || !stdout.isTTY) return undefined;
      return { input: process.stdin, output: stdout, term: process.env.TERM ?? '' };
    },
  };
}

function defaultDataDir(): string {
  const set = process.env.TOTALDEPLOY_DATA;
  if (set !== undefined && set !== '') return set;
  return process.getuid?.() === 0 ? '/var/lib/totaldeploy' : join(homedir(), '.local/share/totaldeploy');
}
