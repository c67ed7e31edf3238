import { copyFile, open } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openImage } from '../image/image-reader.ts';
import { TdError } from '../lib/errors.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { states, TestConsole, until } from './testdata/test-console.ts';

const MAC = (number: number) => `02:00:00:00:00:0${number}`;

describe('a deployment', () => {
  it('asks every computer, sends one session and ends when all have reported', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await lab.deploy({ image: 'office', diskRule: 'sda', after: 'restart' });
    const asked = await a.order('preflight');
    expect(asked).toMatchObject({
      jobId,
      diskRule: 'sda',
      logicalSectorBytes: 512,
      table: 'gpt',
      firmware: 'uefi',
    });
    const [first, second] = await Promise.all([a.accept(), b.accept()]);
    expect(first).toMatchObject({
      image: { name: 'office', path: '/v1/images/office' },
      session: { group: '239.254.1.2', port: 5004, reportPort: 40_000 },
      diskRule: 'sda',
      after: 'restart',
    });
    expect(first.session.receiverId).not.toBe(second.session.receiverId);
    expect(first.session.key).toMatch(/^[0-9a-f]{64}$/);
    a.send({ type: 'state', jobId, step: 'receiving', detail: 'sda' });
    a.report(first);
    b.report(second);
    const end = await ended;
    expect(end).toMatchObject({ state: 'done', error: '' });
    expect(states(end)).toEqual({ [MAC(1)]: 'done', [MAC(2)]: 'done' });
    expect(lab.multicast.sessions).toHaveLength(1);
    const [session] = lab.multicast.sessions;
    expect(session?.options.receivers.map((one) => one.name).sort()).toEqual([MAC(1), MAC(2)]);
    expect(session?.stopped).toBe(true);
    const kinds = lab
      .events()
      .filter((event) => event.jobId === jobId)
      .map((event) => event.kind);
    expect(kinds.filter((kind) => kind === 'target-done')).toHaveLength(2);
    expect(kinds).toEqual(
      expect.arrayContaining(['job-created', 'session-started', 'target-step', 'job-ended']),
    );
  });

  it.each([
    ['jumbo frames where every card has them', [9000, 9000], {}, 8972],
    ['plain frames as soon as one card has no others', [9000, 1500], {}, 1472],
    ['what the request says', [9000, 9000], { datagramBytes: 1472 }, 1472],
  ])('sends %s', async (_, mtus, request, datagramBytes) => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const computers = await Promise.all(
      mtus.map((mtuBytes, i) => lab.computer(i + 1, 'agent', { mtuBytes })),
    );
    const { ended } = await lab.deploy({ image: 'office', ...request });
    await Promise.all(computers.map(async (one) => one.report(await one.accept())));
    expect(lab.multicast.sessions[0]?.options.datagramBytes).toBe(datagramBytes);
    await ended;
  });

  it('serves what the deployment names to the targets', async () => {
    await using lab = await TestConsole.start();
    const path = await lab.addImage('office');
    await using reader = await openImage(path);
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    const deployment = await a.accept();
    const service = a.service();
    expect(await service.getBuffer(`${deployment.image.path}/manifest`)).toEqual(reader.manifestBytes);
    expect(await service.getBuffer(`${deployment.image.path}/index`)).toEqual(reader.index.encode());
    const chunk = await service.getBuffer(`${deployment.image.path}/chunks/1`);
    expect(chunk).toEqual(await reader.readStored(1));
    expect(deployment.image).toMatchObject({
      root: reader.root.toString('hex'),
      chunkCount: reader.index.chunkCount,
    });
    expect(await lab.multicast.sessions[0]?.read(1)).toEqual(chunk);
    a.report(deployment);
    expect((await ended).state).toBe('done');
  });

  it('goes on without computers that say no, and names their reason', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [small, good] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    await small.order('preflight');
    small.send({ type: 'preflight-result', jobId, ok: false, reason: 'Disk sda is too small', disk: 'sda' });
    good.report(await good.accept());
    const end = await ended;
    expect(end.state).toBe('partial');
    expect(end.targets.find((one) => one.name === MAC(1))).toMatchObject({
      state: 'failed',
      reason: 'Disk sda is too small',
    });
    expect(small.orders.some((order) => order.type === 'deploy')).toBe(false);
  });

  it('writes nowhere when one says no and all or none were asked for', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [small, good] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await lab.deploy({ image: 'office', allOrNothing: true });
    await Promise.all([small.order('preflight'), good.order('preflight')]);
    small.send({ type: 'preflight-result', jobId, ok: false, reason: 'too small', disk: '' });
    good.send({ type: 'preflight-result', jobId, ok: true, reason: '', disk: 'sda' });
    const end = await ended;
    expect(end.state).toBe('failed');
    expect(end.error).toContain('Nothing was written');
    expect(lab.multicast.sessions).toHaveLength(0);
    await good.order('cancel');
  });

  it('fails a computer that does not answer pre-flight, or stops making progress', async () => {
    let nowMs = 0;
    await using lab = await TestConsole.start({
      parts: { deployLimits: { preflightMs: 1500, stalledMs: 1500 }, clock: { nowMs: () => nowMs } },
    });
    await lab.addImage('office');
    const [mute, stuck, good] = [await lab.computer(1), await lab.computer(2), await lab.computer(3)];
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    await mute.order('preflight');
    const accepted = Promise.all([stuck.accept(), good.accept()]);
    const targets = async () => ((await lab.rpc.call('job', { jobId })) as DeploySnapshot).targets;
    const heard = async (index: number, doneBytes: number) => {
      await until(async () => (await targets())[index]?.doneBytes === doneBytes, `${doneBytes} bytes`);
    };
    await until(async () => (await targets()).filter((one) => one.disk !== '').length >= 2, 'two answers');
    nowMs += 1600;
    const [, fine] = await accepted;
    stuck.send({ type: 'state', jobId, step: 'receiving', detail: '' });
    stuck.send({ type: 'progress', jobId, doneBytes: 5, totalBytes: 1000, bytesPerSecond: 0 });
    await heard(1, 5);
    for (let doneBytes = 1; doneBytes <= 4; doneBytes += 1) {
      good.send({ type: 'progress', jobId, doneBytes, totalBytes: 1000, bytesPerSecond: 1 });
      await heard(2, doneBytes);
      nowMs += 500;
    }
    await stuck.order('cancel');
    await mute.order('cancel');
    good.report(fine);
    const end = await ended;
    expect(states(end)).toEqual({ [MAC(1)]: 'failed', [MAC(2)]: 'failed', [MAC(3)]: 'done' });
    expect(end.targets[0]?.reason).toContain('did not answer pre-flight');
    expect(end.targets[1]?.reason).toContain('no progress');
    expect(lab.multicast.sessions[0]?.dropped.map(([, reason]) => reason)).toEqual([
      expect.stringContaining('no progress'),
    ]);
  });

  it('does not believe a target that reports another image', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    a.report(await a.accept(), { root: '00'.repeat(32) });
    expect(await ended).toMatchObject({ state: 'failed', targets: [{ state: 'failed' }] });
  });

  it('counts a failed target and its reason, and finishes the others', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await lab.deploy({ image: 'office' });
    const [first, second] = await Promise.all([a.accept(), b.accept()]);
    a.report(first, { ok: false, error: 'Cannot write to "/dev/sda": device is gone', root: '' });
    b.report(second);
    const end = await ended;
    expect(end.state).toBe('partial');
    expect(end.targets[0]?.reason).toContain('device is gone');
  });
});

describe('choosing and waiting for computers', () => {
  it('takes the named computers only, in any spelling, and fails the ones that are away', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const targets = ['02-00-00-00-00-02', '02:00:00:00:00:09'];
    const { ended } = await lab.deploy({ image: 'office', targets, waitSeconds: 0.2 });
    b.report(await b.accept());
    const end = await ended;
    expect(states(end)).toEqual({ [MAC(2)]: 'done', [MAC(9)]: 'failed' });
    expect(a.orders).toEqual([]);
  });

  it('starts when enough are there', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office', waitFor: 2, waitSeconds: 30 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(a.orders).toEqual([]);
    const b = await lab.computer(2);
    await Promise.all([a, b].map(async (computer) => computer.report(await computer.accept())));
    expect((await ended).state).toBe('done');
  });

  it('goes on with those that came in time, and calls that partly done', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office', waitFor: 2, waitSeconds: 0.2 });
    a.report(await a.accept());
    expect(await ended).toMatchObject({
      state: 'partial',
      error: '1 of 1 computers done, 2 were waited for',
    });
  });

  it('fails in one line without any computer, without the image, and on a damaged image', async () => {
    await using lab = await TestConsole.start();
    const path = await lab.addImage('office');
    expect(await (await lab.deploy({ image: 'office' })).ended).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('no computer is connected'),
    });
    expect(await (await lab.deploy({ image: 'other' })).ended).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('Cannot find image "other"'),
    });
    await copyFile(path, path.replace('office', 'cut'));
    await using file = await open(path.replace('office', 'cut'), 'r+');
    await file.truncate(9000);
    const cut = await (await lab.deploy({ image: 'cut' })).ended;
    expect(cut.state).toBe('failed');
    expect(cut.error).not.toContain('\n');
    await expect(lab.deploy({ image: '../etc' })).rejects.toMatchObject({ code: 'usage' });
  });

  it('does not take a computer that is busy with another job', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const running = await lab.deploy({ image: 'office' });
    const deployment = await a.accept();
    const other = await (await lab.deploy({ image: 'office', targets: [MAC(1)], waitSeconds: 0 })).ended;
    expect(other).toMatchObject({ state: 'failed', error: expect.stringContaining('0 of 1 computers came') });
    a.report(deployment);
    expect((await running.ended).state).toBe('done');
  });

  it('gives parallel jobs groups of their own and takes the first one again later', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const one = await lab.deploy({ image: 'office', targets: [MAC(1)] });
    const first = await a.accept();
    const two = await lab.deploy({ image: 'office', targets: [MAC(2)] });
    const second = await b.accept();
    expect([first.session.group, second.session.group]).toEqual(['239.254.1.2', '239.254.1.3']);
    a.report(first);
    await one.ended;
    const three = await lab.deploy({ image: 'office', targets: [MAC(1)] });
    const third = await a.accept(2);
    expect(third.session.group).toBe('239.254.1.2');
    a.report(third);
    b.report(second);
    await Promise.all([two.ended, three.ended]);
  });
});

describe('computers that go away', () => {
  it('are dropped from the session, and join it again when they come back', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await lab.deploy({ image: 'office' });
    const [before, other] = await Promise.all([a.accept(), b.accept()]);
    a.client.close();
    const [session] = lab.multicast.sessions;
    await until(() => session?.dropped.length === 1, 'drop');
    expect(session?.dropped[0]).toEqual([before.session.receiverId, 'lost contact']);
    const jobs = (await lab.rpc.call('jobs')) as { targets: { name: string; state: string }[] }[];
    expect(jobs[0]?.targets.find((one) => one.name === MAC(1))?.state).toBe('lost contact');
    b.report(other);
    const back = await lab.computer(1);
    const after = await back.accept();
    expect(after.session.token).toBe(before.session.token);
    expect(after.session.receiverId).not.toBe(before.session.receiverId);
    expect(session?.added).toEqual([after.session.receiverId]);
    back.report(after);
    expect((await ended).state).toBe('done');
  });

  it('get a new session when the old one has ended', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    const before = await a.accept();
    a.client.close();
    await until(() => lab.multicast.sessions[0]?.dropped.length === 1, 'drop');
    lab.multicast.sessions[0]?.end();
    const back = await lab.computer(1);
    const after = await back.accept();
    expect(after.session.token).not.toBe(before.session.token);
    expect(lab.multicast.sessions).toHaveLength(2);
    back.report(after);
    expect((await ended).state).toBe('done');
  });

  it('replace their old connection when they come back before it broke', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    await a.accept();
    const back = await lab.computer(1);
    await until(() => a.client.closed, 'the old connection to be closed');
    back.report(await back.accept());
    expect((await ended).state).toBe('done');
    expect((await lab.rpc.call('computers')) as unknown[]).toHaveLength(1);
  });

  it('fail when they do not come back, and the job ends', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await lab.deploy({ image: 'office', lostWaitSeconds: 0.2 });
    const [, other] = await Promise.all([a.accept(), b.accept()]);
    a.client.close();
    b.report(other);
    const end = await ended;
    expect(end.state).toBe('partial');
    expect(end.targets[0]).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('did not come back'),
    });
  });

  it('deliver a report late when they were only out of sight', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    const deployment = await a.accept();
    a.client.close();
    const back = await lab.computer(1);
    back.report(deployment);
    expect((await ended).state).toBe('done');
    expect(back.orders.some((order) => order.type === 'deploy')).toBe(false);
  });

  it('cannot speak for another computer', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, stranger] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await lab.deploy({ image: 'office', targets: [MAC(1)] });
    const deployment = await a.accept();
    stranger.report(deployment, { ok: false, error: 'forged' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    a.report(deployment);
    expect((await ended).state).toBe('done');
  });
});

describe('a job that is stopped', () => {
  it('tells every computer, ends the session and says so', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    await a.accept();
    await lab.rpc.call('cancel', { jobId, reason: 'wrong image' });
    expect(await ended).toMatchObject({
      state: 'cancelled',
      targets: [{ state: 'cancelled', reason: 'wrong image' }],
    });
    expect((await a.order('cancel')).reason).toBe('wrong image');
    expect(lab.multicast.sessions[0]?.stopped).toBe(true);
  });

  it('can be stopped for one computer alone, and while it waits', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    const [, other] = await Promise.all([a.accept(), b.accept()]);
    await lab.rpc.call('cancel', { jobId, computer: MAC(1) });
    await a.order('cancel');
    b.report(other);
    expect(states(await ended)).toEqual({ [MAC(1)]: 'cancelled', [MAC(2)]: 'done' });
    const waiting = await lab.deploy({ image: 'office', waitFor: 9 });
    await lab.rpc.call('cancel', { jobId: waiting.jobId });
    expect((await waiting.ended).state).toBe('cancelled');
  });

  it('fails as a whole when the image turns out damaged, with the reason at every computer', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    await a.accept();
    lab.multicast.sessions[0]?.fail(new TdError('damaged', 'Cannot read chunk 2 of "office": it is damaged'));
    const end = await ended;
    expect(end).toMatchObject({ state: 'failed', error: expect.stringContaining('chunk 2') });
    expect((await a.order('cancel')).reason).toContain('chunk 2');
  });

  it('fails when no session can be started', async () => {
    const startMulticast = () => {
      throw new TdError('network', 'Cannot open UDP port 5004');
    };
    await using lab = await TestConsole.start({ parts: { startMulticast } });
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    await a.order('preflight');
    a.send({ type: 'preflight-result', jobId, ok: true, reason: '', disk: 'sda' });
    expect(await ended).toMatchObject({ state: 'failed', error: expect.stringContaining('UDP port') });
  });

  it('ends by itself when nothing else ends it', async () => {
    await using lab = await TestConsole.start({ parts: { deployLimits: { jobMs: 2000 } } });
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'office' });
    await a.accept();
    expect(await ended).toMatchObject({ state: 'failed', error: expect.stringContaining('did not end') });
  });
});
