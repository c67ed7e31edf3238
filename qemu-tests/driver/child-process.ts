import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';
import { onInterrupt } from './last-resort.ts';

const STOP_GRACE_MS = 5000;
const POLL_MS = 50;

export interface ChildOptions {
  /** Takes both output streams. */
  logPath: string;
  /** Network namespace to run in. */
  namespace?: string;
  env?: Record<string, string>;
}

/** A program started by a test; it dies with the test even when the test is killed. */
export class ChildProgram implements AsyncDisposable {
  readonly program: string;
  readonly pid: number;
  readonly logPath: string;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  #running = true;
  #readOffset = 0;

  private constructor(
    program: string,
    pid: number,
    options: { logPath: string; exited: Promise<unknown[]> },
  ) {
    this.program = program;
    this.pid = pid;
    this.logPath = options.logPath;
    const forget = onInterrupt(() => this.kill('SIGKILL'));
    this.exited = options.exited.then(([code, signal]) => {
      this.#running = false;
      forget();
      return { code: code as number | null, signal: signal as string | null };
    });
  }

  /** @throws TdError `tool-failed` when the program cannot be started. */
  static async start(program: string, args: readonly string[], options: ChildOptions): Promise<ChildProgram> {
    const command = commandLine(program, args, options.namespace);
    const logFd = openSync(options.logPath, 'a');
    try {
      const child = spawn(command[0]!, command.slice(1), {
        stdio: ['ignore', logFd, logFd],
        env: { ...process.env, LC_ALL: 'C', ...options.env },
      });
      await once(child, 'spawn').catch((cause) => {
        throw new TdError('tool-failed', `Cannot start "${command[0]}": ${cause.message}`, { cause });
      });
      return new ChildProgram(program, child.pid!, { logPath: options.logPath, exited: once(child, 'exit') });
    } finally {
      closeSync(logFd);
    }
  }

  get running(): boolean {
    return this.#running;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#running) process.kill(this.pid, signal);
  }

  /** Asks the program to end and kills it when it does not within five seconds. */
  async stop(): Promise<void> {
    if (!this.#running) return;
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), STOP_GRACE_MS);
    await this.exited;
    clearTimeout(timer);
  }

  async output(): Promise<string> {
    return await readFile(this.logPath, 'utf8');
  }

  /**
   * Waits until the output since the last match has a match, and moves on behind it.
   *
   * @throws TdError `timeout` or `tool-failed` (the program ended), with the last lines of its output.
   */
  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpMatchArray> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const ended = !this.#running;
      const text = (await this.output()).slice(this.#readOffset);
      const match = text.match(pattern);
      if (match !== null) {
        this.#readOffset += match.index! + match[0].length;
        return match;
      }
      const tail = JSON.stringify(text.slice(-400));
      if (ended) throw new TdError('tool-failed', `${this.program} ended without ${pattern}: ${tail}`);
      if (performance.now() > endMs) {
        throw new TdError('timeout', `${this.program} did not print ${pattern} in ${timeoutMs} ms: ${tail}`);
      }
      await sleep(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** `setpriv --pdeathsig` ends the program with us even when we are killed without warning. */
export function commandLine(program: string, args: readonly string[], namespace?: string): string[] {
  const inNamespace = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
  return [...inNamespace, 'setpriv', '--pdeathsig', 'KILL', '--', program, ...args];
}
