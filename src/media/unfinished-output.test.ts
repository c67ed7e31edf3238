import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { writeUnfinished } from './unfinished-output.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-output-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

describe('writeUnfinished', () => {
  it('gives the file its name only when it is whole', async () => {
    await writeUnfinished(
      join(dir, 'a'),
      async (partial) => {
        await writeFile(partial, 'whole');
        expect(await readdir(dir)).toEqual(['a.partial']);
      },
      { kind: 'file', neededBytes: 5 },
    );
    expect(await readdir(dir)).toEqual(['a']);
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('whole');
  });

  it('says how much is missing before it writes', async () => {
    const attempt = writeUnfinished(join(dir, 'a'), () => Promise.reject(new Error('written')), {
      kind: 'file',
      neededBytes: 2 ** 60,
    });
    await expect(attempt).rejects.toThrow(/1099511627776 MiB needed, \d+ MiB free; make room/);
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    ['an error of the system', Object.assign(new Error('write'), { code: 'ENOSPC' })],
    [
      'xorriso before it writes',
      new TdError('tool-failed', 'Image size 62222s exceeds free space on media 30720s'),
    ],
    ['xorriso', new TdError('tool-failed', 'Cannot make the ISO: No space left on device')],
    ['mtools', new TdError('tool-failed', '"mcopy" ended with 1: Disk full')],
  ])('calls a full disk by its name when it fills up meanwhile: %s', async (_, cause) => {
    const attempt = writeUnfinished(
      join(dir, 'a'),
      async (partial) => {
        await writeFile(partial, 'half');
        throw cause;
      },
      { kind: 'file', neededBytes: 5 },
    );
    await expect(attempt).rejects.toMatchObject({
      code: 'no-space',
      message: expect.stringContaining('disk is full'),
    });
    expect(await readdir(dir)).toEqual([]);
  });

  it('removes the half file when it is cancelled at the end', async () => {
    const cancel = new AbortController();
    const attempt = writeUnfinished(
      join(dir, 'a'),
      async (partial) => {
        await writeFile(partial, 'whole');
        cancel.abort();
      },
      { kind: 'file', neededBytes: 5, signal: cancel.signal },
    );
    await expect(attempt).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readdir(dir)).toEqual([]);
  });
});
