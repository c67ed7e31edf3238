import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TdError } from '../src/lib/errors.ts';

/** Everything below it is written by one build at a time. */
export const BUILD_LOCK_PATH = join(resolve(import.meta.dirname, '..'), 'dist/cache/lock');

const SAY_AFTER_MS = 1000;

/**
 * Waits until no other build has the lock. The kernel holds it for util-linux's `flock`, whose life hangs on our
 * end of a pipe: a build that is killed leaves nothing that could be stale.
 *
 * @throws TdError `tool-failed` when the lock file cannot be made.
 */
export async function takeBuildLock(
  path = BUILD_LOCK_PATH,
  say: (line: string) => void = () => {},
): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true });
  const holder = spawn('flock', [path, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  holder.stdin.on('error', () => {}); // its end is told below
  const ended = new Promise<string>((done) => {
    holder.once('error', (error) => done(error.message));
    holder.once('exit', (code) => done(`flock ended with ${code}`));
  });
  const waiting = setTimeout(
    () => say('another build runs in this checkout; waiting for its end'),
    SAY_AFTER_MS,
  );
  try {
    // The echo of it comes when "cat" runs, which is when the lock is ours.
    holder.stdin.write('\n');
    const problem = await Promise.race([once(holder.stdout, 'data').then(() => undefined), ended]);
    if (problem !== undefined) throw new TdError('tool-failed', `Cannot lock "${path}": ${problem}`);
  } finally {
    clearTimeout(waiting);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end();
      await ended;
    },
  };
}
