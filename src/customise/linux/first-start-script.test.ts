import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { FIRST_START, type FirstStartStep, firstStartScript } from './first-start-script.ts';

const RECORDER = `#!/bin/sh
{ printf '<%s>' "$@"; echo " $(cat) $PWD"; } >>"$(dirname "$0")/calls"
exit "$(cat "$(dirname "$0")/code")"
`;

let dir = '';
let program = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-first-'));
  program = join(dir, "pro gram's");
  await writeFile(program, RECORDER);
  await chmod(program, 0o755);
  await writeFile(join(dir, 'code'), '0');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** The script with every path of the system moved below `dir`, without pauses. */
async function runScript(steps: readonly FirstStartStep[]) {
  const folder = join(dir, FIRST_START.folder);
  for (const path of [folder, join(dir, dirname(FIRST_START.log)), join(dir, dirname(FIRST_START.unit))]) {
    await mkdir(path, { recursive: true });
  }
  const moved = firstStartScript(steps).replaceAll(/(?<![\w.$*])\/(?=(?:var|etc)\/)/g, `${dir}/`);
  // Nothing of this computer may be touched by it.
  expect(moved.replaceAll(dir, 'MOVED')).not.toMatch(/(?<!MOVED)\/(?:var|etc)\//);
  const script = moved.replace(/sleep .*/, ':').replace(/systemctl .*/, ':');
  await writeFile(join(dir, FIRST_START.script), script);
  await writeFile(join(dir, FIRST_START.unit), 'unit');
  await run('sh', [join(dir, FIRST_START.script)], { env: { PATH: `${dir}/bin:/usr/bin:/bin` } });
}

const calls = () => readFile(join(dir, 'calls'), 'utf8');
const log = () => readFile(join(dir, FIRST_START.log), 'utf8');

describe('firstStartScript', () => {
  it('runs programs in their folder with their very arguments, logs exit codes and removes itself', async () => {
    const words = ['a b', `"'$HOME\`id\``, '%!^&', 'é', ''];
    await runScript([
      { name: "run it's $HOME", command: [program, ...words] },
      { name: 'gone', command: [join(dir, 'none')] },
      { name: 'last', command: [program] },
    ]);
    expect(await calls()).toBe(`<a b><"'$HOME\`id\`><%!^&><é><>  ${dir}\n<>  ${dir}\n`);
    const codes = (await log()).split('\n').map((line) => line.replace(/^\S+ \S+ /, ''));
    expect(codes).toContain("run it's $HOME: ended with 0");
    expect(codes).toContain('gone: ended with 127');
    expect(codes.at(-2)).toBe('first start is done');
    expect(await readdir(join(dir, 'var/lib'))).toEqual([]);
    expect(await readdir(join(dir, dirname(FIRST_START.unit)))).toEqual([]);
  });

  it('gives a secret on standard input, tries again, and wipes it though it failed', async () => {
    await writeFile(join(dir, 'code'), '7');
    const folder = join(dir, FIRST_START.folder);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'secret-1'), "p'w$ x\n");
    await runScript([{ name: 'join', command: [program, 'lab'], secret: "p'w$ x", attemptsMax: 3 }]);
    expect(await calls()).toBe(`<lab> p'w$ x ${dir}\n`.repeat(3));
    expect((await log()).match(/join: ended with 7/g)).toHaveLength(3);
    expect(await log()).not.toContain("p'w");
    expect(await readdir(join(dir, 'var/lib'))).toEqual([]);
  });

  it('goes on behind the step at which the computer was restarted', async () => {
    const folder = join(dir, FIRST_START.folder);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'reached'), '1\n');
    await runScript([
      { name: 'first', command: [program, 'first'] },
      { name: 'second', command: [program, 'second'] },
    ]);
    expect(await calls()).toBe(`<second>  ${dir}\n`);
  });
});
