import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeBuildLock } from './build-lock.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-lock-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

it('lets one build at a time go on, and says what the other waits for', async () => {
  const path = join(dir, 'cache/lock');
  const order: string[] = [];
  const first = await takeBuildLock(path);
  const second = takeBuildLock(path, (line) => order.push(line)).then(async (lock) => {
    order.push('second');
    await lock[Symbol.asyncDispose]();
  });
  await new Promise((resolve) => setTimeout(resolve, 1300));
  order.push('first ends');
  await first[Symbol.asyncDispose]();
  await second;
  expect(order).toEqual(['another build runs in this checkout; waiting for its end', 'first ends', 'second']);
});

it('is free again when the build that held it was killed', async () => {
  const path = join(dir, 'lock');
  const module = join(import.meta.dirname, 'build-lock.ts');
  const code = `import { takeBuildLock } from '${module}';
    await takeBuildLock('${path}'); console.log('locked'); setInterval(() => {}, 1000);`;
  const build = spawn(process.execPath, ['--input-type=module-typescript', '-e', code]);
  await once(build.stdout, 'data');
  build.kill('SIGKILL');
  await using lock = await takeBuildLock(path);
  expect(lock).toBeDefined();
});

it('tells why it cannot lock', async () => {
  const path = join(dir, 'x'.repeat(300));
  await expect(takeBuildLock(path)).rejects.toThrow(`Cannot lock "${path}"`);
});
