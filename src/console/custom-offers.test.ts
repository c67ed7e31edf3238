import { describe, expect, it } from 'vitest';
import type { ConsoleOrder } from '../control/control-client.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { type FakeComputer, states, TestConsole, until } from './testdata/test-console.ts';

const TEMPLATE = { version: 1, image: 'office', targetDisk: 'smallest', after: 'restart' };

async function offering(pin = ''): Promise<TestConsole> {
  const lab = await TestConsole.start();
  await lab.addImage('office');
  await lab.rpc.call('settings.change', { customPin: pin });
  const save = (template: object) => lab.rpc.call('template.save', { template });
  await save({ ...TEMPLATE, name: 'lab', comment: 'Room 4', offeredOnTargets: true });
  await save({ ...TEMPLATE, name: 'private' });
  await save({ ...TEMPLATE, name: 'broken', image: 'gone', offeredOnTargets: true });
  return lab;
}

const offers = async (computer: FakeComputer) => (await computer.order('offers')).offers;
const answers = (computer: FakeComputer) =>
  computer.orders.filter(
    (one): one is Extract<ConsoleOrder, { type: 'offer-answer' }> => one.type === 'offer-answer',
  );

async function choose(
  computer: FakeComputer,
  template: string,
  pin = '',
): Promise<{ jobId: string; reason: string }> {
  const before = answers(computer).length;
  computer.send({ type: 'choose-offer', template, pin });
  await until(() => answers(computer).length > before, 'the answer');
  return answers(computer).at(-1)!;
}

describe('templates offered on targets', () => {
  it('reach every waiting computer with what a disk must be, and only those that can be deployed', async () => {
    await using lab = await offering();
    const a = await lab.computer(1);
    const backup = await lab.computer(2, 'backup');
    expect(await offers(a)).toEqual([
      {
        ...{ name: 'lab', comment: 'Room 4', image: 'test', needsPin: false, diskRule: 'smallest' },
        ...{ sizeBytesMin: expect.any(Number), logicalSectorBytes: 512, table: 'gpt', firmware: 'uefi' },
      },
    ]);
    await lab.rpc.call('settings.change', { customPin: '4711' });
    await until(() => a.orders.filter((one) => one.type === 'offers').length === 2, 'the change');
    expect((await a.order('offers', 2)).offers[0]).toMatchObject({ needsPin: true });
    expect(backup.orders).toEqual([]);
  });

  it('start a job for one computer alone; a second one joins its session', async () => {
    await using lab = await offering();
    const [a, b, c] = [await lab.computer(1), await lab.computer(2), await lab.computer(3)];
    await Promise.all([offers(a), offers(b)]);
    const [one, two] = await Promise.all([choose(a, 'lab'), choose(b, 'lab')]);
    expect(two).toEqual(one);
    const [first, second] = await Promise.all([a.accept(), b.accept()]);
    expect(first).toMatchObject({ jobId: one.jobId, diskRule: 'smallest', after: 'restart' });
    expect(second.session.token).toBe(first.session.token);
    const kinds = a.orders.map((order) => order.type);
    expect(kinds.indexOf('offer-answer')).toBeLessThan(kinds.indexOf('preflight'));
    expect((await choose(a, 'lab')).reason).toContain('runs on this computer already');
    a.report(first);
    b.report(second);
    const end = (await lab.rpc.call('watch', { jobId: one.jobId })) as DeploySnapshot;
    expect(end).toMatchObject({ state: 'done', template: 'lab' });
    expect(Object.values(states(end as never))).toEqual(['done', 'done']);
    expect(c.orders.some((order) => order.type === 'preflight')).toBe(false);
  });

  it('are planned for one computer, however many wait', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [a] = [await lab.computer(1), await lab.computer(2), await lab.computer(3)];
    const kiosk = {
      ...{ ...TEMPLATE, name: 'kiosk', offeredOnTargets: true, run: { waitFor: 20 } },
      computerNames: { kind: 'pattern', pattern: 'KIOSK' },
      network: { kind: 'static', first: '10.0.0.5', last: '10.0.0.5', prefixLength: 24 },
    };
    await lab.rpc.call('template.save', { template: kiosk });
    expect((await offers(a)).map((one) => one.name)).toEqual(['kiosk']);
    const { jobId, reason } = await choose(a, 'kiosk');
    expect(reason).toBe('');
    a.report(await a.accept());
    expect(await lab.rpc.call('watch', { jobId })).toMatchObject({ state: 'done' });
  });

  it('need the PIN; five wrong ones from a computer and none is taken from it for a minute', async () => {
    await using lab = await offering('4711');
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    await Promise.all([offers(a), offers(b)]);
    for (let i = 0; i < 5; i += 1) expect((await choose(a, 'lab', '0000')).reason).toContain('PIN is wrong');
    expect(await choose(a, 'lab', '4711')).toMatchObject({
      jobId: '',
      reason: expect.stringContaining('Too many'),
    });
    expect(await choose(b, 'lab', '4711')).toMatchObject({ reason: '' });
    b.report(await b.accept());
  });

  it('are nothing but those: any other name is refused', async () => {
    await using lab = await offering();
    const a = await lab.computer(1);
    await offers(a);
    for (const name of ['private', 'broken', 'none']) {
      expect(await choose(a, name)).toMatchObject({
        jobId: '',
        reason: expect.stringContaining('no longer offered'),
      });
    }
    expect(await lab.rpc.call('jobs')).toEqual([]);
  });
});
