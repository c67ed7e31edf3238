import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/spawn.ts';
import { LABS_DIR } from './project-paths.ts';

/** Inherited by everything a run starts; it tells two runs on one machine apart. */
const RUN_VARIABLE = 'TOTALDEPLOY_TEST_RUN';

/** What labs keep on this machine now: namespaces, loop devices, mounts and the run's programs, one line each. */
export async function findLeftovers(runId: string): Promise<string[]> {
  const loops = await run('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const inLabs = (line: string) => line.includes(LABS_DIR);
  return [
    ...(await forgottenNamespaces()),
    // A lab's folder goes with the lab: a file that still exists belongs to a lab that still runs.
    ...loops.stdout
      .split('\n')
      .filter((line) => inLabs(line) && line.includes('(deleted)'))
      .map((line) => `loop device ${line.trim()}`),
    ...mounts
      .split('\n')
      .filter(inLabs)
      .map((line) => `mount ${line}`),
    ...(await programsOf(runId)),
  ];
}

/** Namespaces whose test process is gone. */
async function forgottenNamespaces(): Promise<string[]> {
  const names = await readdir('/run/netns').catch(() => []);
  const alive = new Set(await readdir('/proc'));
  return names
    .filter((name) => name.startsWith('tdlab-') && !alive.has(name.split('-')[1] ?? ''))
    .map((name) => `network namespace ${name}`);
}

async function programsOf(runId: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (name: string) => readFile(join('/proc', pid, name), 'utf8').catch(() => '');
    const isOurs = (await read('environ')).includes(`${RUN_VARIABLE}=${runId}`);
    const program = (await read('cmdline')).split('\0')[0] ?? '';
    // No command line: it is exiting just now, as vitest's own workers are when the tests are over.
    if (isOurs && program !== '' && !program.endsWith('node')) found.push(`program ${pid} ${program}`);
  }
  return found;
}

/** vitest's global set-up: what it returns runs after the last test. */
export async function setup(): Promise<() => Promise<void>> {
  const runId = randomUUID();
  process.env[RUN_VARIABLE] = runId;
  const before = new Set(await findLeftovers(runId));
  return async () => {
    const left = (await findLeftovers(runId)).filter((line) => !before.has(line));
    if (left.length > 0) throw new Error(`The VM tests left behind: ${left.join('; ')}`);
  };
}
