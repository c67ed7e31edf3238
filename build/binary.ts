import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { run } from '../src/lib/spawn.ts';
import { BUILD_LOCK_PATH, takeBuildLock } from './build-lock.ts';
import { bundleProgram } from './program-bundle.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const DIST = join(PROJECT, 'dist');
const CACHE = join(DIST, 'cache', 'binary');

/**
 * Bundles `src/main.ts` with esbuild and makes one executable of it with Node's own builder (`--build-sea`),
 * based on the stripped Node that package.json pins. Does nothing when the bundle and Node are unchanged.
 *
 * @returns the path of `dist/totaldeploy`.
 */
export async function buildBinary(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const bundle = join(CACHE, 'main.cjs');
  await bundleProgram(bundle);
  const executable = join(DIST, 'totaldeploy');
  const stamp = join(CACHE, 'stamp');
  const digest = createHash('sha256')
    .update(process.version)
    .update(await readFile(bundle))
    .digest('hex');
  if (existsSync(executable) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest) {
    return executable;
  }
  const partial = `${executable}.partial`;
  const config = join(CACHE, 'sea.json');
  await writeFile(
    config,
    JSON.stringify({
      main: bundle,
      executable: await strippedNode(),
      output: partial,
      disableExperimentalSEAWarning: true,
      useCodeCache: false, // V8's cache differs from build to build, and the same inputs must give the same bytes
      execArgv: ['--no-warnings'],
      execArgvExtension: 'none',
    }),
  );
  await run(process.execPath, ['--build-sea', config]);
  await rename(partial, executable);
  await writeFile(stamp, digest);
  return executable;
}

/** Symbols are a quarter of Node's size and no user of the executable debugs Node itself. */
async function strippedNode(): Promise<string> {
  const stripped = join(CACHE, `node-${process.version}`);
  if (existsSync(stripped)) return stripped;
  const partial = `${stripped}.partial`;
  await mkdir(dirname(stripped), { recursive: true });
  await copyFile(process.execPath, partial);
  await run('strip', [partial]);
  await rename(partial, stripped);
  return stripped;
}

if (import.meta.main) {
  await using _lock = await takeBuildLock(BUILD_LOCK_PATH, console.error);
  console.log(await buildBinary());
}
