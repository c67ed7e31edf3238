import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchMedia, parseBootUrl } from './fetch-media.ts';
import { listMediaFiles } from './media-tree.ts';
import { writeFixtureMedia } from './testdata/media-tree-fixture.ts';

let dir: string;
let server: Server;
let base: string;
/** Instead of the file: a status, or other bytes. */
let answers: Record<string, number | Buffer>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-fetch-'));
  answers = {};
  await writeFixtureMedia(join(dir, 'www'));
  const wim = await readFile(join(dir, 'www/boot/totaldeploy.wim'));
  const sha256 = createHash('sha256').update(wim).digest('hex');
  const files = [{ path: 'boot/totaldeploy.wim', sha256, sizeBytes: wim.length }];
  await writeFile(join(dir, 'www/manifest.json'), JSON.stringify({ files }));
  server = createServer(async (request, response) => {
    const path = request.url!.replace(/^\/pxe\//, '');
    const answer = answers[path] ?? (await readFile(join(dir, 'www', path)).catch(() => 404));
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pxe/boot/`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true, force: true });
});

const target = () => join(dir, 'fetched');

describe('fetchMedia', () => {
  it('fetches a whole tree that further media can be made from, with progress', async () => {
    const told: [number, number][] = [];
    await fetchMedia(base, target(), { onProgress: (done, total) => told.push([done, total]) });
    expect(await listMediaFiles(target())).toHaveLength(16);
    expect(await readFile(join(target(), 'boot/vmlinuz'))).toEqual(
      await readFile(join(dir, 'www/boot/vmlinuz')),
    );
    expect(told.at(-1)?.[0]).toBeGreaterThan(400_000);
    expect(told.every(([done, total]) => done <= total)).toBe(true);
  });

  it.each<[string, number | Buffer, RegExp]>([
    ['boot/loaders/core.img', 404, /network: .*core\.img": the server answers 404.*offers all/],
    [
      'boot/totaldeploy.wim',
      Buffer.from('another'),
      /damaged: .*totaldeploy\.wim".*not the file its manifest/,
    ],
  ])('leaves nothing when %s is wrong', async (path, answer, reason) => {
    answers[path] = answer;
    const error = await fetchMedia(base, target()).catch((one: unknown) => one);
    expect(`${(error as { code: string }).code}: ${(error as Error).message}`).toMatch(reason);
    expect((await readdir(dir)).sort()).toEqual(['www']);
  });

  it('does without the optional files, and can be cancelled', async () => {
    answers['mmx64.efi'] = 404;
    answers['manifest.json'] = 404;
    await fetchMedia(base, target());
    expect(await listMediaFiles(target())).toHaveLength(14);
    const cancelled = fetchMedia(base, join(dir, 'other'), { signal: AbortSignal.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect((await readdir(dir)).sort()).toEqual(['fetched', 'www']);
  });

  it('says that the boot server does not answer', async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(fetchMedia(base, target())).rejects.toMatchObject({ code: 'network' });
  });
});

describe('parseBootUrl', () => {
  it.each([
    ['tftp://10.0.0.1/boot/', { scheme: 'tftp', host: '10.0.0.1', port: '', prefix: '' }],
    [
      'http://10.0.0.1:8080/td/pxe/boot',
      { scheme: 'http', host: '10.0.0.1', port: '8080', prefix: 'td/pxe/' },
    ],
    ['(tftp,10.0.0.1)', { scheme: 'tftp', host: '10.0.0.1', port: '', prefix: '' }],
    ['http,10.0.0.1:81', { scheme: 'http', host: '10.0.0.1', port: '81', prefix: '' }],
  ])('reads %s', (text, wanted) => expect(parseBootUrl(text)).toEqual(wanted));

  it.each(['ftp://a/boot/', 'http://a/../boot/', 'http://a b/boot/', 'tftp://-x\n/boot/', 'cd0'])(
    'refuses %j',
    (text) => expect(() => parseBootUrl(text)).toThrow(/no boot server's URL/),
  );
});
