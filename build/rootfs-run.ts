import { join } from 'node:path';
import { type RunOptions, type RunResult, run } from '../src/lib/spawn.ts';

/**
 * Runs a program of an unpacked Debian root on the building machine by the root's own dynamic loader: the result is
 * the same whatever release the machine runs, and nothing but the kernel is shared with it.
 *
 * @param program path below `root`, e.g. `usr/bin/wimlib-imagex`.
 * @param options.name what the program takes itself for (argv[0]), for programs with several names.
 */
export async function runFrom(
  root: string,
  program: string,
  options: { args: readonly string[]; name?: string; run?: RunOptions },
): Promise<RunResult> {
  const loader = join(root, 'usr/lib64/ld-linux-x86-64.so.2');
  const name = options.name === undefined ? [] : ['--argv0', options.name];
  return run(
    loader,
    ['--library-path', join(root, 'usr/lib/x86_64-linux-gnu'), ...name, join(root, program), ...options.args],
    options.run ?? {},
  );
}
