import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deployment } from '../control/messages.ts';
import { type Customisation, customisationSchema } from '../schema/customisation.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { type FakeComputer, states, TestConsole, until } from './testdata/test-console.ts';

const MAC = (number: number) => `02:00:00:00:00:0${number}`;
const TEMPLATE = {
  version: 1,
  name: 'lab',
  image: 'office',
  computerNames: { kind: 'pattern', pattern: 'PC-{n:02}' },
  network: { kind: 'static', first: '10.0.0.11', last: '10.0.0.13', prefixLength: 24, gateway: '10.0.0.1' },
  users: [{ name: 'admin', password: 'Hush-Secret-1', group: 'administrators' }],
  membership: { kind: 'domain', name: 'lab.example.org', user: 'joiner' },
};
const DOMAIN_PASSWORD = 'Hush-Secret-2';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-job-customisation-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function labWith(changes: object = {}): Promise<TestConsole> {
  const lab = await TestConsole.start();
  await lab.addImage('office');
  await lab.rpc.call('template.save', { template: { ...TEMPLATE, ...changes } });
  return lab;
}

const start = (lab: TestConsole, params: object = {}) =>
  lab.deploy({ template: 'lab', domainPassword: DOMAIN_PASSWORD, ...params });

async function customisationOf(computer: FakeComputer, deployment: Deployment): Promise<Customisation> {
  const { path } = deployment.customisation!;
  const bytes = await computer.service().getBuffer(`${path}/customisation`);
  return customisationSchema.parse(JSON.parse(bytes.toString('utf8')));
}

/** Says yes and tells what it was to become. */
async function named(computer: FakeComputer, number = 1): Promise<[Deployment, string]> {
  const deployment = await computer.accept(number);
  const { computerName, network } = await customisationOf(computer, deployment);
  return [deployment, `${computerName} ${network.kind === 'static' ? network.address : network.kind}`];
}

/** Every file below a folder that holds one of the texts, be it in UTF-8 or UTF-16. */
async function filesWith(top: string, texts: readonly string[]): Promise<string[]> {
  const needles = texts.flatMap((text) => [Buffer.from(text), Buffer.from(text, 'utf16le')]);
  const found: string[] = [];
  for (const entry of await readdir(top, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) continue;
    const bytes = await readFile(path);
    if (needles.some((needle) => bytes.includes(needle))) found.push(path);
  }
  return found;
}

describe('what the targets of a job are to become', () => {
  it('is for each its own, in the order of the plan, late ones after them', async () => {
    await using lab = await labWith({ run: { joinLate: true } });
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await start(lab);
    const [[forB, nameB], [forA, nameA]] = await Promise.all([named(b), named(a)]);
    expect([nameA, nameB]).toEqual(['PC-01 10.0.0.11', 'PC-02 10.0.0.12']);
    expect(await customisationOf(a, forA)).toMatchObject({
      membership: { kind: 'domain', user: 'joiner', password: DOMAIN_PASSWORD },
      users: [{ name: 'admin', password: 'Hush-Secret-1', group: 'administrators' }],
      network: { kind: 'static', prefixLength: 24, gateway: '10.0.0.1' },
      sid: 'new',
    });
    const c = await lab.computer(3);
    const [forC, nameC] = await named(c);
    expect(nameC).toBe('PC-03 10.0.0.13');
    const d = await lab.computer(4);
    await until(() => d.orders.some((order) => order.type === 'cancel'), 'the refusal');
    a.report(forA);
    b.report(forB, { ok: false, error: 'the disk is gone' });
    c.report(forC);
    const end = await ended;
    expect(states(end)).toMatchObject({ [MAC(1)]: 'done', [MAC(2)]: 'failed', [MAC(4)]: 'failed' });
    expect(end.targets[3]?.reason).toContain('10.0.0.11 to 10.0.0.13 are all given out');
    expect(d.orders.some((order) => order.type === 'deploy')).toBe(false);
  });

  it('stays when one is tried again, in the job or in another one', async () => {
    await using lab = await labWith();
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { jobId, ended } = await start(lab);
    const [[forA], [forB, nameB]] = await Promise.all([named(a), named(b)]);
    b.report(forB, { ok: false, error: 'the disk is gone' });
    await until(
      async () => ((await lab.rpc.call('job', { jobId })) as DeploySnapshot).targets[1]?.state === 'failed',
      'b',
    );
    await lab.rpc.call('retry', { jobId });
    const [again, nameAgain] = await named(b, 2);
    expect(nameAgain).toBe(nameB);
    a.report(forA);
    b.report(again, { ok: false, error: 'the disk is gone' });
    await ended;
    const retried = (await lab.rpc.call('retry', { jobId })) as { jobId: string };
    const [third, nameThird] = await named(b, 3);
    expect([third.jobId, nameThird]).toEqual([retried.jobId, nameB]);
    b.report(third);
    expect(await lab.rpc.call('watch', retried)).toMatchObject({ state: 'done' });
  });

  it('counts on where people start an offered template at the computers', async () => {
    await using lab = await labWith({ offeredOnTargets: true, membership: { kind: 'keep' } });
    const names: string[] = [];
    for (const number of [1, 2, 1]) {
      const computer = await lab.computer(number);
      await computer.order('offers');
      computer.send({ type: 'choose-offer', template: 'lab', pin: '' });
      const [deployment, name] = await named(computer);
      names.push(name);
      computer.report(deployment);
      await lab.rpc.call('watch', { jobId: deployment.jobId });
      computer.client.close();
      await until(async () => ((await lab.rpc.call('computers')) as []).length === 0, 'its end');
    }
    expect(names).toEqual(['PC-01 10.0.0.11', 'PC-02 10.0.0.12', 'PC-01 10.0.0.11']);
  });

  it('is the same after the console was killed, files and all', async () => {
    const file = join(dir, 'setup.sh');
    await writeFile(file, 'one');
    await using lab = await labWith({ files: [{ source: file }] });
    const [a, b] = [await lab.computer(1), await lab.computer(2)];
    const { ended } = await start(lab);
    ended.catch(() => {});
    const [, [forB, nameB]] = await Promise.all([named(a), named(b)]);
    // As a killed console leaves it: copied while the job runs.
    const copy = join(dir, 'copy');
    await cp(lab.dir, copy, { recursive: true, filter: (path) => !/\.(sock|lock)$/.test(path) });
    await using after = await TestConsole.start({ dataDir: copy });
    const standing = { jobId: forB.jobId, step: 'receiving', doneBytes: 1, totalBytes: 2 };
    const again = await after.computer(2, 'agent', { job: standing });
    const { deployment } = await again.order('deploy');
    const customisation = await customisationOf(again, deployment);
    expect(customisation.computerName).toBe(nameB.split(' ')[0]);
    expect(customisation.membership).toMatchObject({ password: DOMAIN_PASSWORD });
    const { sha256 } = customisation.files[0]!.entries[0]!;
    const read = (computer: FakeComputer) =>
      computer
        .service()
        .getBuffer(`/v1/jobs/${forB.jobId}/files/${sha256}`, { range: { first: 0, last: 2 } });
    expect((await read(again)).toString()).toBe('one');
    await writeFile(file, 'two');
    await expect(read(again)).rejects.toThrow('was changed since the job began');
    const stranger = await after.computer(3);
    await expect(read(stranger)).rejects.toMatchObject({ code: 'not-found' });
    const path = `/v1/jobs/${forB.jobId}/customisation`;
    await expect(stranger.service().getBuffer(path)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is reported edit by edit, and no password is kept anywhere', async () => {
    await using lab = await labWith();
    const a = await lab.computer(1);
    const { jobId, ended } = await start(lab);
    const deployment = await a.accept();
    await customisationOf(a, deployment);
    const edits = [
      { text: 'Set the name "PC-01"', result: 'done' as const, reason: '' },
      { text: 'Join the domain', result: 'failed' as const, reason: 'no realmd' },
    ];
    a.report(deployment, { ok: false, error: 'deployed, but 1 of 2 changes failed', edits });
    const end = await ended;
    expect(end.targets[0]).toMatchObject({ state: 'failed', report: { edits: [edits[1]] } });
    const events = lab.events().filter((event) => event.kind.startsWith('edit-'));
    expect(events.map(({ level, text }) => [level, text])).toEqual([
      ['info', `${MAC(1)} changed: Set the name "PC-01"`],
      ['error', `${MAC(1)} failed: Join the domain (no realmd)`],
    ]);
    const report = async (format: string) =>
      ((await lab.rpc.call('report', { jobId, format })) as { text: string }).text;
    const texts = [await report('text'), await report('json'), await report('html')];
    for (const text of texts) {
      expect(text).toContain('Join the domain');
      expect(text).toContain('no realmd');
    }
    const said = JSON.stringify([end, lab.events(), texts, await lab.rpc.call('jobs')]);
    expect(said).not.toContain('Hush-Secret');
    expect(await filesWith(lab.dir, ['Hush-Secret'])).toEqual([]);
  });
});

describe('a deployment that cannot customise', () => {
  it('does not begin without the password for the domain, or with a file that is missing', async () => {
    await using lab = await labWith();
    const a = await lab.computer(1);
    await expect(lab.rpc.call('deploy', { template: 'lab' })).rejects.toThrow(
      'the password of joiner, who joins computers to lab.example.org, is neither in it nor given',
    );
    const inline = { ...TEMPLATE, files: [{ source: join(dir, 'gone') }] };
    const params = { inline, domainPassword: DOMAIN_PASSWORD };
    await expect(lab.rpc.call('deploy', params)).rejects.toThrow('gone": it is not there');
    expect(a.orders.filter((order) => order.type !== 'offers')).toEqual([]);
    expect(JSON.stringify(lab.events())).not.toContain('Hush-Secret');
  });

  it('takes no customisation from a call: only what a template had sealed is kept', async () => {
    await using lab = await labWith();
    const { users } = TEMPLATE;
    await expect(lab.rpc.call('deploy', { image: 'office', customisation: { users } })).rejects.toThrow(
      'customisation',
    );
  });
});
