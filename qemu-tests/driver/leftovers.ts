import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/lib/spawn.ts';
import { LABS_DIR } from './project-paths.ts';

/** What labs keep on this machine now: namespaces, loop devices, mounts and programs, one line each. */
export async function findLeftovers(): Promise<string[]> {
  const names = await readdir('/run/netns').catch(() => []);
  const loops = await run('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const inLabs = (line: string) => line.includes(LABS_DIR);
  return [
    ...names.filter((name) => name.startsWith('tdlab-')).map((name) => `network namespace ${name}`),
    ...loops.stdout
      .split('\n')
      .filter(inLabs)
      .map((line) => `loop device ${line.trim()}`),
    ...mounts
      .split('\n')
      .filter(inLabs)
      .map((line) => `mount ${line}`),
    ...(await programsInLabs()),
  ];
}

async function programsInLabs(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '');
    if (commandLine.includes(LABS_DIR)) found.push(`program ${pid} ${commandLine.split('\0')[0]}`);
  }
  return found;
}

/** vitest's global set-up: what it returns runs after the last test. */
export async function setup(): Promise<() => Promise<void>> {
  // Another run may be under way beside this one; what was there before is not ours.
  const before = new Set(await findLeftovers());
  return async () => {
    const left = (await findLeftovers()).filter((line) => !before.has(line));
    if (left.length > 0) throw new Error(`The VM tests left behind: ${left.join('; ')}`);
  };
}
