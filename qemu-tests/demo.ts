import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorLine } from '../src/lib/errors.ts';
import { formatBytes } from '../src/lib/progress.ts';
import { run } from '../src/lib/spawn.ts';
import { DemoProgress, lastWords } from './demo-progress.ts';
import { type DemoReport, type DemoTarget, demoReportSchema, renderReport } from './demo-report.ts';
import { exportPxe } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { type DeployResult, deploy, targetOf } from './driver/deploy-result.ts';
import { Lab } from './driver/lab.ts';
import { type BootTimes, expectCapture, expectConnected } from './driver/milestones.ts';
import { DIST_DIR, ensureDir, PROGRAM_PATH, PROJECT_DIR } from './driver/project-paths.ts';
import type { Vm } from './driver/vm.ts';
import { compareDisks, type DiskComparison } from './masters/compare.ts';
import { type DebianFacts, debianMaster } from './masters/debian.ts';
import { emptyDisk, MIB, overlayOf, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';

const IMAGE = 'debian12';
const MASTER = { name: 'master', mac: '52:54:00:7d:0d:01', address: '10.77.0.11' };
const TARGETS = [
  { name: 'target-1', mac: '52:54:00:7d:0d:21', address: '10.77.0.21', diskBytes: 4096 * MIB },
  { name: 'target-2', mac: '52:54:00:7d:0d:22', address: '10.77.0.22', diskBytes: 3072 * MIB },
] as const;
const CAPTURE_LIMIT_MS = 600_000;
const DEPLOY_LIMIT_MS = 900_000;
const LOGIN_LIMIT_MS = 300_000;

type TargetPlan = (typeof TARGETS)[number];

const imageFactsSchema = z
  .object({
    chunkCount: z.number(),
    storedBytes: z.number(),
    manifest: z.object({ usedBytes: z.number() }).loose(),
  })
  .loose();

interface RunningTarget {
  plan: TargetPlan;
  vm: Vm;
  diskPath: string;
  boot: BootTimes;
}

async function main(): Promise<void> {
  const progress = new DemoProgress((line) => console.log(line));
  const dir = ensureDir(join(DIST_DIR, 'demo'));
  const reportPath = join(dir, 'report.json');
  await rm(reportPath, { force: true });
  console.log(
    'TotalDeploy demo: a Debian server is captured over the network and deployed to two computers.',
  );
  console.log('Everything runs in virtual machines without hardware support; allow up to 25 minutes.\n');
  try {
    const report = demoReportSchema.parse(await runDemo(progress, dir));
    await writeFile(reportPath, `${JSON.stringify(report, undefined, 2)}\n`);
    console.log(renderReport(report));
    console.log(`Report: ${reportPath}`);
    if (!report.ok) throw new Error('a target is not equal to the master, see the report above');
  } catch (error) {
    console.error(`\nDemo failed: ${error instanceof Error ? error.message : errorLine(error)}`);
    process.exitCode = 1;
  }
}

async function runDemo(progress: DemoProgress, dir: string): Promise<DemoReport> {
  const startedAt = new Date().toISOString();
  await buildAppliance(progress, dir);
  const master = await progress.during('Making the master: a Debian 12 server', debianMaster);
  progress.say(
    `  ${formatBytes(master.facts.usedBytes)} of files on a disk of ${formatBytes(master.facts.sizeBytes)}`,
  );
  await using lab = await Lab.create({ name: 'demo', reproduce: 'npm run demo' });
  const server = await lab.step('start the servers', () => startServers(lab, progress));
  const capture = await lab.step('capture', () => captureMaster(lab, { progress, master, server }));
  const running = await lab.step('boot the targets', () => bootTargets(lab, progress));
  const { result, seconds } = await lab.step('deploy', () => deployToAll({ progress, server, running }));
  const targets: DemoTarget[] = [];
  const comparisons = new Map<TargetPlan, DiskComparison>();
  for (const { plan, diskPath } of running) {
    const compare = () => compareWithMaster(lab, { plan, diskPath, masterPath: master.path });
    const title = `Comparing the used blocks of ${plan.name} with the master`;
    comparisons.set(plan, await lab.step('compare', () => progress.during(title, compare)));
  }
  const logins = await lab.step('start from disk', () => startFromDisks(lab, { progress, running }));
  for (const [i, { plan, boot }] of running.entries()) {
    targets.push(targetReport(plan, { boot, result, comparison: comparisons.get(plan)!, login: logins[i]! }));
  }
  const { stdout } = await run(PROGRAM_PATH, ['--version']);
  return {
    version: 1,
    ok: result.state === 'done' && targets.every((target) => target.comparison.equal),
    startedAt,
    totalSeconds: progress.seconds,
    programVersion: stdout.trim(),
    master: {
      system: 'Debian 12 server',
      diskBytes: master.facts.sizeBytes,
      fileBytes: master.facts.usedBytes,
    },
    capture,
    deployment: {
      seconds,
      bytesPerSecond: capture.usedBytes / seconds,
      repairs: sum(result.sessions.map((session) => session.repairDatagrams)),
      datagrams: sum(result.sessions.map((session) => session.datagrams)),
    },
    targets,
  };
}

/** Runs the build as its own program, so that its output does not mix with the story. */
async function buildAppliance(progress: DemoProgress, dir: string): Promise<void> {
  const logPath = join(dir, 'build.log');
  await progress.during('Building the program and its boot media', async () => {
    const logFd = openSync(logPath, 'w');
    try {
      const child = spawn(process.execPath, ['build/appliance.ts'], {
        cwd: PROJECT_DIR,
        stdio: ['ignore', logFd, logFd],
      });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      if (code !== 0) throw new Error(`the build ended with code ${code}; its log is ${logPath}`);
    } finally {
      closeSync(logFd);
    }
  });
}

async function startServers(lab: Lab, progress: DemoProgress): Promise<ConsoleProcess> {
  return await progress.during('Starting the console and a PXE server (dnsmasq, busybox httpd)', async () => {
    const server = await lab.startConsole();
    const params = ['td.disk=first', `td.to=console:${IMAGE}`, 'td.after=shutdown'];
    const backupDir = await exportPxe(server, lab.path('pxe-backup'), { mode: 'backup', params });
    const agentDir = await exportPxe(server, lab.path('pxe-agent'), { mode: 'agent' });
    await lab.startHttpServer(agentDir);
    await lab.startPxeServer([
      { ...MASTER, pxeDir: backupDir },
      ...TARGETS.map(({ mac, address }) => ({ mac, address, pxeDir: agentDir })),
    ]);
    return server;
  });
}

async function captureMaster(
  lab: Lab,
  options: { progress: DemoProgress; master: Master<DebianFacts>; server: ConsoleProcess },
): Promise<DemoReport['capture']> {
  const { progress, server } = options;
  const disk = await overlayOf(options.master.path, lab.path('master.qcow2'));
  const vm = await lab.startVm({
    name: MASTER.name,
    firmware: 'bios',
    disks: [{ path: disk, format: 'qcow2' }],
    nics: [{ mac: MASTER.mac }],
    boot: ['network'],
  });
  const times = await progress.during(
    'Booting the master from the network and capturing its disk',
    () => expectCapture(vm, CAPTURE_LIMIT_MS),
    () => lastWords(vm.serial.text),
  );
  progress.say(`  ${times.line.replace('TOTALDEPLOY done ', '')}`);
  const path = server.imagePath(IMAGE);
  const info = await server.program(['image', 'info', path, '--json']);
  const facts = imageFactsSchema.parse(JSON.parse(info.stdout));
  await progress.during('Verifying every chunk of the image', () => server.program(['image', 'check', path]));
  const { programSeconds, connectedSeconds, captureSeconds } = times;
  return {
    boot: { programSeconds, connectedSeconds },
    seconds: captureSeconds,
    usedBytes: facts.manifest.usedBytes,
    storedBytes: (await stat(path)).size,
    bytesPerSecond: facts.manifest.usedBytes / captureSeconds,
    chunks: facts.chunkCount,
    checked: true,
  };
}

async function bootTargets(lab: Lab, progress: DemoProgress): Promise<RunningTarget[]> {
  const started: Omit<RunningTarget, 'boot'>[] = [];
  for (const plan of TARGETS) {
    const diskPath = await emptyDisk(lab.path(`${plan.name}.qcow2`), plan.diskBytes);
    const vm = await lab.startVm({
      name: plan.name,
      firmware: 'bios',
      disks: [{ path: diskPath, format: 'qcow2' }],
      nics: [{ mac: plan.mac }],
      boot: ['network'],
    });
    started.push({ plan, vm, diskPath });
  }
  return await progress.during(
    'Booting two targets with empty disks from the network',
    () =>
      Promise.all(
        started.map(async (target) => ({ ...target, boot: await expectConnected(target.vm, 'agent') })),
      ),
    () => started.map(({ plan, vm }) => `${plan.name}: ${lastWords(vm.serial.text)}`).join(' | '),
  );
}

async function deployToAll(options: {
  progress: DemoProgress;
  server: ConsoleProcess;
  running: readonly RunningTarget[];
}): Promise<{ result: DeployResult; seconds: number }> {
  const { progress, server, running } = options;
  const startedMs = performance.now();
  const order = { image: IMAGE, waitFor: running.length, after: 'restart' } as const;
  const result = await progress.during(
    'Deploying to both in one multicast session',
    () => deploy(server, order, { timeoutMs: DEPLOY_LIMIT_MS }),
    () => running.map(({ plan, vm }) => `${plan.name}: ${lastWords(vm.serial.text)}`).join(' | '),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  if (result.state !== 'done') {
    const reasons = result.targets.map((target) => `${target.name}: ${target.reason || target.state}`);
    throw new Error(`the deployment ended as "${result.state}": ${result.error} ${reasons.join('; ')}`);
  }
  if (result.sessions.length !== 1) throw new Error(`${result.sessions.length} multicast sessions, not one`);
  // Each restarts by itself; here that ends the machine, so that its disk can be read before it starts.
  await Promise.all(running.map(({ vm }) => vm.waitForEnd(90_000)));
  return { result, seconds };
}

async function compareWithMaster(
  lab: Lab,
  options: { plan: TargetPlan; diskPath: string; masterPath: string },
): Promise<DiskComparison> {
  const raw = await rawCopyOf(options.diskPath, lab.path(`${options.plan.name}.raw`));
  const comparison = await compareDisks(options.masterPath, raw);
  await rm(raw);
  return comparison;
}

async function startFromDisks(
  lab: Lab,
  options: { progress: DemoProgress; running: readonly RunningTarget[] },
): Promise<{ line: string; seconds: number }[]> {
  const vms = await Promise.all(
    options.running.map(({ plan, diskPath }) =>
      lab.startVm({
        name: `${plan.name}-disk`,
        firmware: 'bios',
        disks: [{ path: diskPath, format: 'qcow2' }],
        nics: [],
        boot: ['disk'],
      }),
    ),
  );
  const login = async (vm: Vm) => {
    const [line] = await vm.expect(/\S+ login: /, LOGIN_LIMIT_MS);
    const seconds = vm.upSeconds;
    await vm.kill();
    return { line: line.trim(), seconds };
  };
  return await options.progress.during(
    'Starting both from their own disks, without network',
    () => Promise.all(vms.map(login)),
    () => vms.map((vm) => `${vm.name}: ${lastWords(vm.serial.text)}`).join(' | '),
  );
}

function targetReport(
  plan: TargetPlan,
  seen: {
    boot: BootTimes;
    result: DeployResult;
    comparison: DiskComparison;
    login: { line: string; seconds: number };
  },
): DemoTarget {
  const { report, reason } = targetOf(seen.result, plan.mac);
  if (report === null) throw new Error(`${plan.name} sent no report: ${reason}`);
  const { writtenBytes, multicastChunks, tcpChunks, datagrams, lostFragments, durationMs } = report;
  const { name, mac, diskBytes } = plan;
  return {
    ...{ name, mac, diskBytes, boot: seen.boot },
    ...{ writtenBytes, multicastChunks, tcpChunks, datagrams, lostFragments },
    receiveSeconds: durationMs / 1000,
    comparison: seen.comparison,
    login: seen.login.line,
    loginSeconds: seen.login.seconds,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

await main();
