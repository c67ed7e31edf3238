import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { openBlockDevice } from '../disk/block-device.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import { TdError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import { type AgentOptions, runAgent } from './agent-role.ts';
import { FakeConsole, until } from './testdata/fake-console.ts';
import { captureTestDisk, MIB, makeTestDisk, type TestDisk } from './testdata/test-image.ts';

let dir: string;
let disk: TestDisk;
let console: FakeConsole;
let target: string;
let agent: { ended: Promise<void>; stop: AbortController };
let milestones: string[];
let views: ScreenView[];
let powerActions: string[];

async function setUp(table: 'gpt' | 'mbr' = 'gpt', targetBytes = 10 * MIB): Promise<void> {
  disk = await makeTestDisk(table);
  console = await FakeConsole.start(dir, await captureTestDisk(disk, dir));
  target = join(dir, 'target.img');
  // An old disk that looks bootable and is full of something else.
  const old = Buffer.alloc(targetBytes, 0xa5);
  (await makeTestDisk('mbr')).bytes.copy(old, 0, 0, MIB);
  await writeFile(target, old);
}

function startAgent(options: Partial<AgentOptions> = {}): void {
  milestones = [];
  views = [];
  powerActions = [];
  const stop = new AbortController();
  const ended = runAgent({
    console: console.address,
    site: console.site,
    diskFile: target,
    screen: { milestone: (text) => milestones.push(text), show: (view) => void views.push(view) },
    logger: silentLog,
    signal: stop.signal,
    power: { act: async (action) => void powerActions.push(action) },
    readMachineNow: async () => testMachine(1),
    firstWaitMs: 50,
    ...options,
  });
  ended.catch(() => {});
  agent = { ended, stop };
}

const looksBootable = async () => {
  const head = (await readFile(target)).subarray(0, 1024);
  return head.readUInt16LE(510) === 0xaa55 || head.toString('latin1', 512, 520) === 'EFI PART';
};

/** Every block of the image is on the target as on the master, but for the tables that follow the size. */
async function mustHoldImage(): Promise<void> {
  const found = await readFile(target);
  const { startBytes, sizeBytes } = disk.layout.partitions[0]!;
  expect(
    found
      .subarray(startBytes, startBytes + sizeBytes)
      .equals(disk.bytes.subarray(startBytes, startBytes + sizeBytes)),
  ).toBe(true);
  expect(found.subarray(0, 440).equals(disk.bytes.subarray(0, 440))).toBe(true);
  expect(found.subarray(64 * 1024, MIB).equals(disk.bytes.subarray(64 * 1024, MIB))).toBe(true);
  await using device = await openBlockDevice(target);
  const warnings: string[] = [];
  const layout = await readDiskLayout(device, { onWarning: (line) => warnings.push(line) });
  expect(warnings).toEqual([]);
  expect(layout.table).toBe(disk.layout.table);
  expect(layout.partitions).toEqual(disk.layout.partitions);
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-agent-'));
});
afterEach(async () => {
  agent.stop.abort();
  await agent.ended.catch(() => {});
  await console[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

describe('deploy agent', { timeout: 60_000 }, () => {
  it.each(['gpt', 'mbr'] as const)('deploys a %s disk by multicast to a bigger one', async (table) => {
    await setUp(table);
    startAgent({ verify: true });
    await console.connected();
    await console.deploy();
    const report = await console.report();
    expect(report).toMatchObject({ ok: true, error: '', root: console.image.root.toString('hex') });
    expect(report.multicastChunks + report.tcpChunks).toBe(console.image.index.chunkCount);
    expect(report.multicastChunks).toBeGreaterThan(0);
    await mustHoldImage();
    const steps = console.messages.flatMap((m) => (m.type === 'state' ? [m.step] : []));
    expect(steps).toEqual([
      'assigned',
      'pre-flight',
      'partitioning',
      'receiving',
      'checking',
      'boot-entry',
      'done',
    ]);
    expect(milestones[0]).toBe('connected to test console');
    expect(milestones).toContainEqual(expect.stringMatching(/^state receiving target\.img/));
    expect(milestones.at(-1)).toMatch(/^done job-1 lab on target\.img/);
  });

  it('takes what multicast does not bring over TCP', async () => {
    await setUp();
    startAgent({ silenceMsMax: 2000 });
    await console.connected();
    await console.deploy({ silent: true });
    const report = await console.report();
    expect(report).toMatchObject({ ok: true, multicastChunks: 0, tcpChunks: console.image.index.chunkCount });
    await mustHoldImage();
  });

  it('has a damaged chunk repaired and writes only the right bytes', async () => {
    await setUp();
    startAgent();
    await console.connected();
    let damagedCount = 0;
    await console.deploy({
      read: async (ordinal) => {
        const stored = Buffer.from(await console.image.readStored(ordinal));
        if (ordinal === 3 && damagedCount < 1) {
          damagedCount += 1;
          stored[100]! ^= 1;
        }
        return stored;
      },
    });
    expect(await console.report()).toMatchObject({ ok: true });
    expect(damagedCount).toBe(1);
    await mustHoldImage();
  });

  it('refuses a disk that is too small before anything is written', async () => {
    await setUp('gpt', 5 * MIB);
    startAgent();
    await console.connected();
    const before = await readFile(target);
    const { layout } = disk;
    console.send({
      type: 'preflight',
      jobId: 'job-1',
      diskRule: 'first',
      sizeBytesMin: 7 * MIB,
      logicalSectorBytes: layout.logicalSectorBytes,
      table: layout.table,
      firmware: 'bios',
    });
    const answer = await console.heard('preflight-result');
    expect(answer).toMatchObject({ ok: false, jobId: 'job-1' });
    expect(answer.reason).toContain('too small');
    await console.deploy();
    const report = await console.report();
    expect(report).toMatchObject({ ok: false, writtenBytes: 0 });
    expect(report.error).toContain('too small');
    expect((await readFile(target)).equals(before)).toBe(true);
    expect(milestones.at(-1)).toMatch(/^failed: Disk target\.img.*too small/);
  });

  it('refuses an image that is not the announced one before anything is written', async () => {
    await setUp();
    startAgent();
    await console.connected();
    const before = await readFile(target);
    const manifest = console.served.manifestBytes.toString().replace('"comment":""', '"comment":"x"');
    console.served.manifestBytes = Buffer.from(manifest);
    await console.deploy();
    const report = await console.report();
    expect(report.error).toContain('not the one that was announced');
    expect((await readFile(target)).equals(before)).toBe(true);
    expect(console.connection?.closed).toBe(false);
  });

  it('stops at a cancel and leaves a disk that does not start', async () => {
    await setUp();
    startAgent();
    await console.connected();
    await console.deploy({ rateBytesPerSecond: 400_000 });
    await console.heard('state', (m) => m.step === 'receiving');
    await console.heard('progress', (m) => m.doneBytes > 0);
    console.send({ type: 'cancel', jobId: 'job-1', reason: 'wrong room' });
    const report = await console.report();
    expect(report).toMatchObject({ ok: false, error: 'Cancelled at the console: wrong room' });
    expect(console.messages.some((m) => m.type === 'state' && m.step === 'cancelled')).toBe(true);
    expect(await looksBootable()).toBe(false);
    // The agent is ready for the next job.
    console.messages.length = 0;
    await console.deploy({ jobId: 'job-2' });
    expect(await console.report()).toMatchObject({ ok: true });
    await mustHoldImage();
  });

  it('never looks bootable until everything is written', async () => {
    await setUp();
    startAgent();
    await console.connected();
    await console.deploy({ rateBytesPerSecond: 4_000_000 });
    await console.heard('state', (m) => m.step === 'receiving');
    let looks = 0;
    while (!console.messages.some((m) => m.type === 'state' && m.step === 'checking')) {
      const bootable = await looksBootable();
      if (console.messages.some((m) => m.type === 'state' && m.step === 'checking')) break;
      expect(bootable).toBe(false);
      looks += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(looks).toBeGreaterThan(0);
    expect(await console.report()).toMatchObject({ ok: true });
    expect(await looksBootable()).toBe(true);
  });

  it('says that the console is lost, leaves the disk unstartable, and reports when it is back', async () => {
    await setUp();
    startAgent({ silenceMsMax: 700, consolePatienceMs: 500 });
    await console.connected();
    await console.deploy({ rateBytesPerSecond: 300_000 });
    await console.heard('progress', (m) => m.doneBytes > 0);
    await console.close();
    await until('the failure', () => milestones.find((line) => line.startsWith('failed: console lost:')));
    expect(milestones.find((line) => line.startsWith('failed: console lost:'))).toContain('deploy again');
    expect(await looksBootable()).toBe(false);
    console.messages.length = 0;
    await console.open();
    const report = await console.report();
    expect(report.ok).toBe(false);
    expect(report.error).toContain('console lost');
    await console.deploy({ jobId: 'job-2', silent: true });
    await console.heard('report', (m) => m.jobId === 'job-2' && m.report.ok);
    await mustHoldImage();
  });

  it('goes on with what it has when the console sends the running job again', async () => {
    await setUp();
    startAgent();
    await console.connected();
    await console.deploy({ rateBytesPerSecond: 600_000 });
    await console.heard('progress', (m) => m.doneBytes > 2 * MIB);
    for (const session of console.sessions) session.stop();
    await console.deploy();
    const report = await console.report();
    expect(report).toMatchObject({ ok: true });
    expect(report.multicastChunks + report.tcpChunks).toBe(console.image.index.chunkCount);
    expect(console.messages.filter((m) => m.type === 'state' && m.step === 'partitioning')).toHaveLength(1);
    await mustHoldImage();
  });

  it('says in its hello how far a job is, and does not write again what it finished', async () => {
    await setUp();
    startAgent();
    const first = await console.connected();
    await console.deploy({ rateBytesPerSecond: 2_000_000 });
    await console.heard('progress', (m) => m.doneBytes > MIB);
    expect(first.hello.job).toBeUndefined();
    first.close('the console was killed');
    await until('the second connection', () => console.connectionCount === 2);
    const standing = console.connection?.hello.job;
    expect(standing).toMatchObject({ jobId: 'job-1', step: 'receiving' });
    expect(standing?.doneBytes).toBeGreaterThan(MIB);
    expect(standing?.totalBytes).toBeGreaterThanOrEqual(standing!.doneBytes);
    // Switched off only when no job runs.
    console.send({ type: 'power', action: 'shutdown' });
    expect(await console.heard('log', (m) => m.level === 'warn')).toMatchObject({
      text: 'not shutting down: job job-1 runs here',
    });
    const report = await console.report();
    expect(report.ok).toBe(true);
    console.messages.length = 0;
    await console.deploy({ silent: true });
    expect(await console.report()).toEqual(report);
    expect(console.messages.some((m) => m.type === 'state')).toBe(false);
    console.send({ type: 'power', action: 'shutdown' });
    await until('the shutdown', () => powerActions[0]);
    await mustHoldImage();
  });

  it('gives way to another job of a console that lost the running one', async () => {
    await setUp();
    startAgent({ silenceMsMax: 20_000 });
    const first = await console.connected();
    await console.deploy({ rateBytesPerSecond: 300_000 });
    await console.heard('progress', (m) => m.doneBytes > 0);
    first.close('the console crashed');
    await until('the second connection', () => console.connectionCount === 2);
    console.messages.length = 0;
    const { layout } = disk;
    console.send({
      type: 'preflight',
      jobId: 'job-2',
      diskRule: 'first',
      sizeBytesMin: 7 * MIB,
      logicalSectorBytes: layout.logicalSectorBytes,
      table: layout.table,
      firmware: 'bios',
    });
    expect(await console.heard('preflight-result')).toMatchObject({ jobId: 'job-2', ok: true });
    await console.deploy({ jobId: 'job-2' });
    const stopped = await console.heard('report', (m) => m.jobId === 'job-1');
    expect(stopped.report).toMatchObject({ ok: false, root: '' });
    expect(stopped.report.error).toBe('The console started job job-2 instead; this one is unfinished');
    expect((await console.heard('report', (m) => m.jobId === 'job-2')).report).toMatchObject({ ok: true });
    await mustHoldImage();
  });

  it('refuses another job while the console still has the running one, and says what to do', async () => {
    await setUp();
    startAgent();
    const first = await console.connected();
    await console.deploy({ rateBytesPerSecond: 2_000_000 });
    await console.heard('progress', (m) => m.doneBytes > 0);
    first.close('a break of the network');
    await until('the second connection', () => console.connectionCount === 2);
    await console.deploy({ rateBytesPerSecond: 2_000_000 });
    await console.heard('state', (m) => m.detail === 'joined again');
    await console.deploy({ jobId: 'job-2', silent: true });
    const refusal = await console.heard('report', (m) => m.jobId === 'job-2');
    expect(refusal.report).toMatchObject({ ok: false, writtenBytes: 0 });
    expect(refusal.report.error).toMatch(/^Job job-1 runs on this computer; wait for its end, or cancel it/);
    expect((await console.heard('report', (m) => m.jobId === 'job-1')).report).toMatchObject({ ok: true });
    await mustHoldImage();
  });

  it.each([
    ['in the middle of the data', (at: number, writtenBytes: number) => writtenBytes > 4 * MIB && at >= MIB],
    ['at the very last tables', (at: number) => at > 10 * MIB - 64 * 1024],
  ])('reports a disk that fails %s and leaves it unstartable', async (_, fails) => {
    await setUp();
    startAgent({
      openDevice: async (path, options) => {
        const device = await openBlockDevice(path, options);
        const write = device.write.bind(device);
        let writtenBytes = 0;
        device.write = async (offsetBytes, bytes) => {
          writtenBytes += bytes.length;
          const isWipe = bytes.length === MIB && offsetBytes === device.sizeBytes - MIB;
          if (!isWipe && fails(offsetBytes, writtenBytes)) {
            throw new TdError('no-space', `Cannot write "${path}" at ${offsetBytes}: no space is left`);
          }
          await write(offsetBytes, bytes);
        };
        return device;
      },
    });
    await console.connected();
    await console.deploy();
    const report = await console.report();
    expect(report).toMatchObject({ ok: false, root: '' });
    expect(report.error).toContain('no space is left');
    expect(await looksBootable()).toBe(false);
    expect(console.connection?.closed).toBe(false);
    await until('the screen', () => views.at(-1)?.problems[0]?.includes('no space is left'));
  });

  it('restarts afterwards when told to, and not when the job failed', async () => {
    await setUp();
    startAgent();
    await console.connected();
    await console.deploy({ after: 'restart', diskRule: 'serial=none' });
    expect((await console.report()).ok).toBe(false);
    expect(powerActions).toEqual([]);
    console.messages.length = 0;
    await console.deploy({ jobId: 'job-2', after: 'restart' });
    expect((await console.report()).ok).toBe(true);
    await until('the restart', () => powerActions[0]);
    expect(powerActions).toEqual(['restart']);
  });

  it('does not trust another console than its own', async () => {
    await setUp();
    const site = { ...console.site, certificateSha256: 'ab'.repeat(32) };
    startAgent({ site });
    await until('the refusal', () => milestones.find((line) => line.startsWith('failed:')));
    expect(milestones[0]).toMatch(/certificate/i);
    expect(console.connectionCount).toBe(0);
    expect(views.at(-1)?.problems[0]).toMatch(/certificate/i);
  });

  it('ends after one job with --once and throws what it failed of', async () => {
    await setUp();
    startAgent({ once: true });
    await console.connected();
    await console.deploy({ diskRule: 'serial=none' });
    await expect(agent.ended).rejects.toThrow('No disk matches');
  });
});
