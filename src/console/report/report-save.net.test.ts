import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { saveReport } from './report-save.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-report-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'report-test', dir]);
});
afterEach(async () => {
  await run('umount', [dir]);
  await rm(dir, { recursive: true, force: true });
});

it('keeps the old report when the disk is full, and says so', async () => {
  const path = join(dir, 'lab.html');
  await saveReport(path, 'old');
  await expect(saveReport(path, 'x'.repeat(1_000_000))).rejects.toMatchObject({
    code: 'no-space',
    message: expect.stringContaining(`"${path}": the disk is full`),
  });
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(dir)).toEqual(['lab.html']);
});

it('says where there is no right to write', async () => {
  const path = join(dir, 'lab.html');
  await writeFile(path, 'old');
  await run('mount', ['-o', 'remount,ro', dir]);
  await expect(saveReport(path, 'new')).rejects.toThrow(`"${path}": there is no right to write there`);
  expect(await readFile(path, 'utf8')).toBe('old');
});
