import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openImage } from '../../image/image-reader.ts';
import { temporaryFolder, writeImage } from '../../image/testdata/small-image.ts';
import type { CheckProgress, CheckResult } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { ImageLibrary } from '../image-library.ts';
import { rpcApi } from '../rpc-api.ts';
import { TestConsole, until } from '../testdata/test-console.ts';
import { imageMethods } from './image-methods.ts';

const LAB = { version: 1 as const, name: 'lab', image: 'office' };
const apiOf = (lab: TestConsole) => rpcApi(consolePaths(lab.dir).socket);

describe('the calls for templates', () => {
  it('check what is incomplete without an error', async () => {
    await using lab = await TestConsole.start();
    await using api = apiOf(lab);
    expect(await api.call('template.check', { template: LAB })).toEqual([]);
    const wrong = { ...LAB, image: '', network: { kind: 'static', first: '1' } };
    expect((await api.call('template.check', { template: wrong })).map(({ path }) => path)).toEqual([
      'image',
      'network.first',
      'network.last',
      'network.prefixLength',
    ]);
    for (const template of [null, 3, [], 'x', { ['__proto__']: 1 }]) {
      expect((await api.call('template.check', { template })).length).toBeGreaterThan(0);
    }
  });

  it('refuse parameters of the wrong shape', async () => {
    await using lab = await TestConsole.start();
    const wrong: [string, object][] = [
      ['template.get', {}],
      ['template.get', { name: 3 }],
      ['template.delete', { name: 'x'.repeat(300) }],
      ['template.save', { template: LAB, replace: 'yes' }],
      ['template.table', { path: 'relative.csv' }],
      ['plan', {}],
      ['plan', { template: 'lab', inline: LAB }],
      ['plan', { template: 'lab', targets: [] }],
      ['deploy', { template: 'lab', inline: LAB }],
      ['image.details', {}],
      ['image.check', { image: 'office', quick: 1 }],
    ];
    for (const [method, params] of wrong) {
      await expect(lab.rpc.call(method, params), method).rejects.toMatchObject({ code: 'usage' });
    }
  });

  it('plan and deploy settings that were never saved', async () => {
    await using lab = await TestConsole.start();
    await using api = apiOf(lab);
    await lab.addImage('office');
    const computer = await lab.computer(1);
    await until(async () => (await api.call('computers', {})).length === 1, 'the computer');
    const names = { kind: 'pattern' as const, pattern: 'PC-{mac}' };
    const users = [{ name: 'admin', password: 'very secret' }];
    const inline = { ...LAB, computerNames: names, users, freeSpace: 'grow-last' as const };
    const { rows, notApplied, problems } = await api.call('plan', { inline });
    expect(rows).toContainEqual({ label: 'Computer names', value: 'pattern PC-{mac}: PC-000001' });
    expect(notApplied).toHaveLength(1);
    expect(problems).toEqual([]);
    const { jobId } = await api.call('deploy', { inline, after: 'wait' });
    computer.report(await computer.accept());
    expect(await api.call('watch', { jobId })).toMatchObject({ state: 'done', template: 'lab', notApplied });
    expect(await api.call('template.list', {})).toEqual([]);
    expect(JSON.stringify(lab.events())).not.toContain('very secret');
    await expect(api.call('deploy', { inline: { ...LAB, after: 'x' as never } })).rejects.toMatchObject({
      code: 'invalid',
      message: 'Cannot deploy with these settings: after: use shutdown, restart, wait',
    });
  });
});

describe('the calls for images', () => {
  it('tell what an image holds, by name or path', async () => {
    await using lab = await TestConsole.start();
    await using api = apiOf(lab);
    const path = await lab.addImage('office');
    const details = await api.call('image.details', { image: 'office' });
    expect(details).toMatchObject({ name: 'office', path, encrypted: false, firmware: 'uefi' });
    expect(details.suggestedPartitions).toEqual([[]]);
    expect(await api.call('image.details', { image: path })).toMatchObject({ path });
    await expect(api.call('image.details', { image: 'nothing' })).rejects.toMatchObject({
      code: 'not-found',
    });
    await writeFile(join(lab.status.imagesDir, 'none.sco'), 'no image at all');
    await expect(api.call('image.details', { image: 'none' })).rejects.toMatchObject({ code: 'invalid' });
  });

  it('check an image with progress and name what is damaged', async () => {
    await using lab = await TestConsole.start();
    await using api = apiOf(lab);
    const path = await lab.addImage('office');
    const events: CheckProgress[] = [];
    const onEvent = (event: CheckProgress) => events.push(event);
    const good = await api.call('image.check', { image: 'office' }, { onEvent });
    expect(good).toEqual({ ok: true, summary: '"office" is good: all 3 chunks were verified', problems: [] });
    const last = events.at(-1)!;
    expect(last).toMatchObject({ doneBytes: last.totalBytes, damagedChunks: 0 });
    const { fileOffset } = await (async () => {
      await using reader = await openImage(path);
      return reader.index.chunk(0);
    })();
    {
      await using file = await open(path, 'r+');
      await file.write(Buffer.of(0xff, 0xff, 0xff), 0, 3, fileOffset);
    }
    const bad: CheckResult = await api.call('image.check', { image: 'office', quick: true }, { onEvent });
    expect(bad).toMatchObject({ ok: false, summary: expect.stringContaining('1 of 3 checked chunks') });
    expect(bad.problems).toEqual([expect.stringMatching(/^Chunk 0: .*SHA-256/)]);
    expect(events.at(-1)).toMatchObject({ damagedChunks: 1 });
  });

  it('stop a check when it is cancelled, and the image can be used again', async () => {
    await using folder = await temporaryFolder();
    await writeImage(join(folder.path, 'office.sco'));
    await using library = new ImageLibrary(folder.path);
    const check = imageMethods({ library })['image.check']!;
    const cancel = new AbortController();
    const { signal } = cancel;
    const events: unknown[] = [];
    const emit = (event: unknown) => {
      events.push(event);
      cancel.abort();
    };
    await expect(check({ params: { image: 'office' }, emit, signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(events).toHaveLength(1);
    const again = new AbortController().signal;
    expect(await check({ params: { image: 'office' }, emit, signal: again })).toMatchObject({ ok: true });
  });
});
