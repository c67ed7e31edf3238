import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { smallBlocks } from '../image/testdata/small-image.ts';
import { computerId } from '../schema/machine.ts';
import type { JobSummary } from './console-api.ts';
import { consolePaths } from './console-paths.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { ConsoleStore, type JobState } from './store.ts';
import { states, TestConsole, until } from './testdata/test-console.ts';

const MAC = (number: number) => `02:00:00:00:00:0${number}`;
const ID = (number: number) => computerId(testMachine(number));

const job = async (lab: TestConsole, jobId: string) =>
  (await lab.rpc.call('job', { jobId })) as DeploySnapshot;

describe('computers that connect while a job runs', () => {
  it('join its session when the job takes late ones', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const { jobId, ended } = await lab.deploy({ image: 'office', joinLate: true });
    const first = await a.accept();
    const b = await lab.computer(2);
    const second = await b.accept();
    expect(second).toMatchObject({ jobId, session: { token: first.session.token } });
    expect(lab.multicast.sessions[0]?.added).toEqual([second.session.receiverId]);
    a.report(first);
    // One that is done and starts again over the network must not be written again.
    a.client.close();
    const again = await lab.computer(1);
    b.report(second);
    expect(states((await ended) as never)).toEqual({ [MAC(1)]: 'done', [MAC(2)]: 'done' });
    expect(again.orders).toEqual([]);
  });

  it('wait for another job when it does not, or when they still work for one', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const strict = await lab.deploy({ image: 'office' });
    const first = await a.accept();
    const b = await lab.computer(2);
    a.report(first);
    await strict.ended;
    const open = await lab.deploy({ image: 'office', targets: 'all', joinLate: true });
    const [one, two] = await Promise.all([a.accept(2), b.accept()]);
    const standing = { jobId: 'another-job', step: 'receiving', doneBytes: 1, totalBytes: 2 };
    const busy = await lab.computer(3, 'agent', { job: standing });
    a.report(one);
    b.report(two);
    expect(Object.keys(states((await open.ended) as never))).toEqual([MAC(1), MAC(2)]);
    expect(busy.orders).toEqual([]);
  });
});

describe('trying again', () => {
  it('takes failed and cancelled computers into the running job', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b, c] = [await lab.computer(1), await lab.computer(2), await lab.computer(3)];
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    const [first, second, third] = await Promise.all([a.accept(), b.accept(), c.accept()]);
    a.report(first, { ok: false, error: 'disk is gone', root: '' });
    await lab.rpc.call('cancel', { jobId, computer: MAC(2) });
    await b.order('cancel');
    await until(async () => (await job(lab, jobId)).targets[0]?.state === 'failed', 'the failure');
    expect(await lab.rpc.call('retry', { jobId })).toEqual({ jobId });
    // The cancelled run's last words come late: they are not about the new try.
    b.report(second, { ok: false, error: 'Cancelled at the console', root: '' });
    const [again, anew] = await Promise.all([a.accept(2), b.accept(2)]);
    expect(again.session.receiverId).not.toBe(first.session.receiverId);
    a.report(again);
    b.report(anew);
    c.report(third);
    expect(await ended).toMatchObject({ state: 'done', error: '' });
    await expect(lab.rpc.call('retry', { jobId })).rejects.toThrow('no computer of it failed');
  });

  it('starts a new job of the same settings when the old one has ended', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const settings = [{ label: 'Master image', value: 'office' }];
    const asked = { image: 'office', diskRule: 'smallest', template: 'lab', settings, waitFor: 2 };
    const { jobId, ended } = await lab.deploy(asked);
    const [first, second] = await Promise.all([a.accept(), b.accept()]);
    a.report(first, { ok: false, error: 'disk is gone', root: '' });
    b.report(second);
    expect((await ended).state).toBe('partial');
    const next = (await lab.rpc.call('retry', { jobId, computers: [MAC(1)] })) as { jobId: string };
    expect(next.jobId).not.toBe(jobId);
    const again = await a.accept(2);
    expect(again).toMatchObject({ jobId: next.jobId, diskRule: 'smallest' });
    a.report(again);
    const end = (await lab.rpc.call('watch', next)) as DeploySnapshot;
    expect(end).toMatchObject({ state: 'done', retryOf: jobId, template: 'lab', settings });
    expect(end.targets).toHaveLength(1);
    expect(b.orders.filter((order) => order.type === 'preflight')).toHaveLength(1);
    const history = (await lab.rpc.call('job.history', { limit: 5 })) as JobSummary[];
    expect(history).toMatchObject([
      { id: next.jobId, state: 'done', template: 'lab', done: 1, total: 1 },
      { id: jobId, state: 'partial', done: 1, failed: 1, total: 2 },
    ]);
    await expect(lab.rpc.call('retry', { jobId, computers: [MAC(2)] })).rejects.toMatchObject({
      code: 'refused',
    });
    await expect(lab.rpc.call('retry', { jobId: 'none' })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('what a job is asked for', () => {
  it('reaches the targets as disk and partitions, and names what they must offer', async () => {
    await using lab = await TestConsole.start();
    const second = smallBlocks().map((block) => ({ ...block, disk: 1 }));
    await lab.addImage('two', { blocks: [...smallBlocks(), ...second] });
    const a = await lab.computer(1);
    const { ended } = await lab.deploy({ image: 'two', disk: 1 });
    const deployment = await a.accept();
    expect(deployment).toMatchObject({ disk: 1 });
    expect('partitions' in deployment).toBe(false);
    a.report(deployment);
    expect((await ended).state).toBe('done');
    for (const [asked, reason] of [
      [{ disk: 2 }, 'disk 3 of image "test": it holds 2'],
      [{ partitions: [3] }, 'partition 3 of disk 1'],
    ] as const) {
      const refused = await (await lab.deploy({ image: 'two', ...asked })).ended;
      expect(refused).toMatchObject({ state: 'failed', error: expect.stringContaining(reason) });
    }
    expect(a.orders.filter((order) => order.type === 'preflight')).toHaveLength(1);
  });

  it('is refused where it would clear a disk for one partition', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const asked = { image: 'office', partitions: [1], targetPartition: 2 };
    await expect(lab.rpc.call('deploy', asked)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('would clear the rest of the disk'),
    });
  });

  it('is told once where this version does not apply it, and is in the snapshot', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const a = await lab.computer(1);
    const notApplied = ['user accounts: anna', 'running 2 applications'];
    const { jobId, ended } = await lab.deploy({ image: 'office', template: 'lab', notApplied });
    const deployment = await a.accept();
    a.send({ type: 'state', jobId, step: 'receiving', detail: '' });
    a.send({ type: 'progress', jobId, doneBytes: 250, totalBytes: 1000, bytesPerSecond: 100 });
    await until(async () => (await job(lab, jobId)).leftSeconds !== null, 'the time left');
    const { receiverId } = deployment.session;
    lab.multicast.sessions[0]?.options.onEvent({ kind: 'receiver-demoted', receiverId, detail: 'disk' });
    expect(await job(lab, jobId)).toMatchObject({
      ...{ template: 'lab', notApplied, leftSeconds: 8, startedAt: expect.stringMatching(/^20.*Z$/) },
      targets: [{ leftSeconds: 8, slow: expect.stringContaining('too slow for the group') }],
    });
    a.report(deployment);
    await ended;
    const told = lab.events().filter((event) => event.kind === 'setting-not-applied');
    expect(told.map((event) => event.text)).toEqual(
      notApplied.map((line) => `not applied by this version: ${line}`),
    );
    using store = ConsoleStore.open(consolePaths(lab.dir).database, { readOnly: true });
    expect(store.samples(jobId)[0]).toMatchObject({
      bytesPerSecond: 1_000_000,
      permille: [expect.any(Number)],
    });
  });
});

describe('switching computers off', () => {
  it('is for waiting ones: nobody is when one of them works or is away', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await lab.deploy({ image: 'office', targets: [MAC(1)] });
    const deployment = await a.accept();
    const power = (...computers: string[]) => lab.rpc.call('power', { computers, action: 'restart' });
    await expect(power(MAC(2), MAC(1))).rejects.toMatchObject({ code: 'refused' });
    await expect(power(MAC(2), MAC(7))).rejects.toMatchObject({ code: 'not-found' });
    expect(b.orders).toEqual([]);
    await power(MAC(2));
    expect(await b.order('power')).toMatchObject({ action: 'restart' });
    a.report(deployment);
    await ended;
  });
});

describe('a deployment that a killed console left', () => {
  let dir = '';
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A data directory as a console leaves it that is killed while it deploys to computers. */
  async function leftBehind(
    steps: Record<number, string>,
    options: { state?: JobState; request?: object } = {},
  ) {
    dir = await mkdtemp(join(tmpdir(), 'td-left-'));
    {
      await using lab = await TestConsole.start({ dataDir: dir });
      await lab.addImage('office');
    }
    using store = ConsoleStore.open(consolePaths(dir).database);
    const request = { image: 'office', waitFor: 1, ...options.request };
    store.createJob({ id: 'j1', kind: 'deploy', image: 'office', state: 'waiting', options: request });
    store.setJob('j1', { state: options.state ?? 'running' });
    for (const [number, step] of Object.entries(steps)) {
      const computer = { computerId: ID(Number(number)), step, disk: 'sda', report: null };
      store.setTarget('j1', { ...computer, reason: step === 'failed' ? 'disk is gone' : '' });
    }
    return await TestConsole.start({ dataDir: dir });
  }

  it('goes on: who is at it joins a new session without pre-flight, who restarted is asked anew', async () => {
    await using lab = await leftBehind({ 1: 'receiving', 2: 'receiving', 3: 'done', 4: 'failed' });
    const standing = { jobId: 'j1', step: 'receiving', doneBytes: 500, totalBytes: 1000 };
    const a = await lab.computer(1, 'agent', { job: standing });
    const { deployment } = await a.order('deploy');
    expect(a.orders.map((order) => order.type)).not.toContain('preflight');
    expect((await job(lab, 'j1')).targets[0]).toMatchObject({ state: 'receiving', doneBytes: 500 });
    const b = await lab.computer(2);
    const second = await b.accept();
    expect(second.session.token).toBe(deployment.session.token);
    a.report(deployment);
    b.report(second);
    const end = (await lab.rpc.call('watch', { jobId: 'j1' })) as DeploySnapshot;
    expect(end).toMatchObject({ id: 'j1', state: 'partial' });
    expect(states(end as never)).toEqual({
      [MAC(1)]: 'done',
      [MAC(2)]: 'done',
      [MAC(3)]: 'done',
      [MAC(4)]: 'failed',
    });
    expect(end.targets[3]?.reason).toBe('disk is gone');
    expect(lab.events().filter((event) => event.kind === 'job-created')).toEqual([]);
  });

  it('takes the report of a target that ended meanwhile', async () => {
    await using lab = await leftBehind({ 1: 'checking' });
    const a = await lab.computer(1);
    const { jobId } = await a.order('preflight');
    const image = (await lab.rpc.call('images')) as { root: string }[];
    a.report({ jobId, image: { chunkCount: 1, root: image[0]!.root } } as never);
    expect(await lab.rpc.call('watch', { jobId })).toMatchObject({ state: 'done' });
    expect(a.orders.some((order) => order.type === 'deploy')).toBe(false);
  });

  it('is still waiting when it had not begun', async () => {
    await using lab = await leftBehind({}, { state: 'waiting', request: { waitFor: 0 } });
    const a = await lab.computer(1);
    a.report(await a.accept());
    expect(await lab.rpc.call('watch', { jobId: 'j1' })).toMatchObject({ state: 'done' });
  });

  it('of a capture is interrupted and still shown', async () => {
    dir = await mkdtemp(join(tmpdir(), 'td-left-'));
    await TestConsole.start({ dataDir: dir }).then((lab) => lab[Symbol.asyncDispose]());
    {
      using store = ConsoleStore.open(consolePaths(dir).database);
      const options = { computerId: ID(1), bytesMax: 1 };
      store.createJob({ id: 'j2', kind: 'capture', image: 'new', state: 'running', options });
    }
    await using lab = await TestConsole.start({ dataDir: dir });
    expect(await lab.rpc.call('job', { jobId: 'j2' })).toMatchObject({
      ...{ kind: 'capture', image: 'new', state: 'interrupted', name: MAC(1) },
    });
  });

  it('is interrupted when its settings make no sense', async () => {
    await using lab = await leftBehind({ 1: 'receiving' }, { request: { waitFor: 'many' } });
    expect(await lab.rpc.call('jobs')).toEqual([]);
    expect(await lab.rpc.call('job.history')).toMatchObject([{ id: 'j1', state: 'interrupted' }]);
  });

  it('fails plainly when its image is gone', async () => {
    await using lab = await leftBehind({ 1: 'receiving' }, { request: { image: 'other' } });
    expect(await lab.rpc.call('watch', { jobId: 'j1' })).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('Cannot find image "other"'),
      targets: [{ state: 'failed' }],
    });
  });

  it('tells a computer that still works for it when it was cancelled', async () => {
    await using lab = await leftBehind({ 1: 'cancelled' }, { state: 'cancelled' });
    const standing = { jobId: 'j1', step: 'receiving', doneBytes: 500, totalBytes: 1000 };
    const a = await lab.computer(1, 'agent', { job: standing });
    expect(await a.order('cancel')).toMatchObject({ jobId: 'j1' });
    expect(await lab.rpc.call('job', { jobId: 'j1' })).toMatchObject({ state: 'cancelled' });
  });

  it('takes a report that comes after the job has ended into the log', async () => {
    await using lab = await leftBehind({ 1: 'failed' }, { state: 'failed' });
    const a = await lab.computer(1);
    a.report({ jobId: 'j1', image: { chunkCount: 1, root: 'ab' } } as never);
    await until(() => lab.events().some((event) => event.kind === 'target-done'), 'the late report');
    expect((await job(lab, 'j1')).targets[0]).toMatchObject({ state: 'done', reason: '' });
  });
});

describe('two consoles on one data directory', () => {
  it('started at the same moment: one runs, the other is refused', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-twice-'));
    try {
      const starts = await Promise.allSettled([1, 2].map(() => TestConsole.start({ dataDir: dir })));
      const refused = starts.filter((one) => one.status === 'rejected');
      for (const one of starts) if (one.status === 'fulfilled') await one.value[Symbol.asyncDispose]();
      expect(refused).toHaveLength(1);
      expect(refused[0]?.reason).toMatchObject({ code: 'refused' });
      await using next = await TestConsole.start({ dataDir: dir });
      expect(next.status.dataDir).toBe(dir);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
