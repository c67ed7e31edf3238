import { homedir } from 'node:os';
import { join } from 'node:path';

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
  };
}

function defaultDataDir(): string {
  const set = process.env.TOTALDEPLOY_DATA;
  if (set !== undefined && set !== '') return set;
  return process.getuid?.() === 0 ? '/var/lib/totaldeploy' : join(homedir(), '.local/share/totaldeploy');
}
