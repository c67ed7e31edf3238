import { spawn } from 'node:child_process';
import { TdError } from './errors.ts';

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Exit codes that are no error; default [0]. */
  okCodes?: readonly number[];
  input?: string | Uint8Array;
  cwd?: string;
  /** Added to the environment; `LC_ALL=C` is always set so that output can be parsed. */
  env?: Record<string, string>;
  /** Default 120,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The most that is kept of each output stream; default 16 MiB. */
  outputBytesMax?: number;
}

/**
 * Runs a program with an argument array (never through a shell) and waits for its end.
 *
 * @throws TdError `tool-failed` naming the program, its exit code and its last line of stderr;
 *   `timeout`; `cancelled`; `not-found` when the program is not installed.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { okCodes = [0], timeoutMs = 120_000, outputBytesMax = 16 * 1024 * 1024 } = options;
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env, LC_ALL: 'C' },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let stopped: 'timeout' | 'cancelled' | undefined;
  const stop = (why: 'timeout' | 'cancelled') => {
    stopped ??= why;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 2000).unref();
  };
  const timer = setTimeout(() => stop('timeout'), timeoutMs);
  const onAbort = () => stop('cancelled');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  child.stdin.on('error', () => {}); // a program may end without reading its input
  child.stdin.end(options.input ?? '');
  const stdout = collect(child.stdout, outputBytesMax);
  const stderr = collect(child.stderr, outputBytesMax);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (cause: NodeJS.ErrnoException) => {
        const missing = cause.code === 'ENOENT';
        reject(
          new TdError(
            missing ? 'not-found' : 'tool-failed',
            missing
              ? `Cannot run "${program}": it is not installed`
              : `Cannot run "${program}": ${cause.message}`,
            { cause },
          ),
        );
      });
      child.once('close', (exitCode, signalName) => resolve(exitCode ?? (signalName ? 128 : 1)));
    });
    if (stopped === 'timeout') throw new TdError('timeout', `"${program}" did not end in ${timeoutMs} ms`);
    if (stopped === 'cancelled') throw new TdError('cancelled', `"${program}" was cancelled`);
    const result = { code, stdout: stdout(), stderr: stderr() };
    if (!okCodes.includes(code)) {
      const last = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1) ?? '';
      throw new TdError('tool-failed', `"${program} ${args.join(' ')}" ended with ${code}: ${last}`);
    }
    return result;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function collect(stream: NodeJS.ReadableStream, bytesMax: number): () => string {
  const parts: Buffer[] = [];
  let kept = 0;
  stream.on('data', (part: Buffer) => {
    if (kept >= bytesMax) return;
    parts.push(part);
    kept += part.length;
  });
  return () => Buffer.concat(parts).toString('utf8');
}
