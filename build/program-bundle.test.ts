import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';
import { PROGRAM_VERSION } from '../src/lib/version.ts';
import { bundleProgram } from './program-bundle.ts';

it('makes one file of the program that runs anywhere, with of each package what is used', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'td-bundle-'));
  try {
    const path = join(dir, 'main.cjs');
    await bundleProgram(path);
    expect((await run(process.execPath, [path, '--version'], { cwd: '/' })).stdout).toBe(
      `${PROGRAM_VERSION}\n`,
    );
    // A module that is imported late.
    const { stdout } = await run(process.execPath, [path, 'boot-parameters'], { cwd: '/' });
    expect(stdout).toContain('`td.mode`');
    const text = await readFile(path, 'utf8');
    expect(text).toContain('smcup'); // the screens are in it
    expect(text).not.toMatch(/require\(\W*(?:term|pty)\.js/);
    await bundleProgram(`${path}.again`);
    expect(await readFile(`${path}.again`, 'utf8')).toBe(text);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
