import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadIdentity } from '../control/identity.ts';
import { TestNetwork } from '../control/testdata/test-network.ts';
import { writeImage } from '../image/testdata/small-image.ts';
import { DEFAULT_PORTS } from '../schema/site.ts';
import type { JobSnapshot } from './console-core.ts';
import { consolePaths } from './console-paths.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { connectConsole, type RpcClient } from './rpc-client.ts';
import { until } from './testdata/test-console.ts';

// A real console in a process of its own; the computers are simulated by another one. Nothing but the disks is left out.
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const SWARM = fileURLToPath(new URL('./testdata/agent-swarm.ts', import.meta.url));
const COMPUTERS = 500;
const CONNECT_MS_MAX = 30_000;
const CPU_CORES_MAX = 1;
const MEMORY_BYTES_MAX = 400_000_000;
const WATCHED_MS = 8000;
/** Of the kernel's counters in /proc, a constant of Linux on x86-64. */
const TICKS_PER_SECOND = 100;

let dir: string;
let network: TestNetwork;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-load-'));
  network = await TestNetwork.create('tdl');
  await network.add('console', '10.79.0.1');
  await network.add('many', '10.79.0.2');
});
afterEach(async () => {
  await network[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const start = (computer: string, args: readonly string[]) => network.start(computer, process.execPath, args);

async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory it ever had. */
async function memoryBytes(pid: number): Promise<number> {
  const [, kibibytes = ''] = /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

/** Uses the console as its screen and its web view would for a while; the slowest answer and the processor's share. */
async function watch(rpc: RpcClient, pid: number): Promise<{ cores: number; slowestMs: number }> {
  const [beforeSeconds, startedMs] = [await cpuSeconds(pid), performance.now()];
  let slowestMs = 0;
  while (performance.now() - startedMs < WATCHED_MS) {
    const askedMs = performance.now();
    await Promise.all([rpc.call('computers'), rpc.call('jobs')]);
    slowestMs = Math.max(slowestMs, performance.now() - askedMs);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { cores: ((await cpuSeconds(pid)) - beforeSeconds) / seconds, slowestMs };
}

it(`takes ${COMPUTERS} computers at once on one core and 400 MB, waiting and deploying`, async () => {
  const console1 = start('console', [MAIN, 'console', '--headless', '--data', dir, '--interface', 'eth0']);
  await until(() => console1.output().includes('is ready'), `the console: ${console1.output()}`, 30_000);
  const pid = console1.child.pid!;
  const identity = await loadIdentity(consolePaths(dir).identity);
  await writeImage(join(consolePaths(dir).images, 'office.sco'));
  const facts = [identity.certificateSha256, identity.siteKey.toString('hex')];
  const beforeSeconds = await cpuSeconds(pid);
  const swarm = start('many', [
    SWARM,
    String(COMPUTERS),
    '10.79.0.1',
    String(DEFAULT_PORTS.control),
    ...facts,
  ]);
  await until(() => /connected 500/.test(swarm.output()), 'the computers', 2 * CONNECT_MS_MAX).catch(
    () => {},
  );
  const connectMs = Number(/connected 500 in (\d+) ms/.exec(swarm.output())?.[1] ?? Number.NaN);
  const connectCpu = (await cpuSeconds(pid)) - beforeSeconds;
  await using rpc = await connectConsole(consolePaths(dir).socket);
  const connected = ((await rpc.call('computers')) as unknown[]).length;
  const idle = await watch(rpc, pid);

  const { jobId } = (await rpc.call('deploy', { image: 'office', after: 'wait' })) as { jobId: string };
  await until(() => swarm.output().includes('all are deploying'), `all to deploy: ${swarm.output()}`, 30_000);
  const busy = await watch(rpc, pid);
  const running = ((await rpc.call('jobs')) as JobSnapshot[]).find(
    (job) => job.id === jobId,
  ) as DeploySnapshot;
  swarm.child.stdin!.write('end\n');
  const ended = (await rpc.call('watch', { jobId })) as DeploySnapshot;
  const memory = await memoryBytes(pid);
  console.log(
    [
      `connected ${connected} computers in ${connectMs} ms (${connectCpu.toFixed(1)} s of processor time)`,
      `waiting: ${idle.cores.toFixed(2)} cores, slowest answer ${idle.slowestMs.toFixed(0)} ms`,
      `deploying: ${busy.cores.toFixed(2)} cores, slowest answer ${busy.slowestMs.toFixed(0)} ms`,
      `memory: at most ${(memory / 1e6).toFixed(0)} MB`,
    ].join('\n'),
  );
  expect(connected, swarm.output()).toBe(COMPUTERS);
  expect(connectMs).toBeLessThan(CONNECT_MS_MAX);
  expect(running.targets.filter((one) => one.state === 'receiving')).toHaveLength(COMPUTERS);
  expect(running.targets.every((one) => one.bytesPerSecond === 60_000_000)).toBe(true);
  expect(ended).toMatchObject({ state: 'done' });
  expect(swarm.output()).not.toContain('lost');
  expect(Math.max(idle.cores, busy.cores)).toBeLessThan(CPU_CORES_MAX);
  expect(memory).toBeLessThan(MEMORY_BYTES_MAX);
});
