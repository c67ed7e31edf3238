import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadIdentity, siteOf } from '../control/identity.ts';
import { type StartedProgram, TestNetwork } from '../control/testdata/test-network.ts';
import { openBlockDevice } from '../disk/block-device.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import { openFileSink } from '../image/file-sink.ts';
import { openImage } from '../image/image-reader.ts';
import { createImageWriter } from '../image/image-writer.ts';
import { manifestDraft, noise } from '../image/testdata/small-image.ts';
import { run } from '../lib/spawn.ts';
import { consolePaths } from './console-paths.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { connectConsole } from './rpc-client.ts';
import { until } from './testdata/test-console.ts';

// The programs as a user starts them, on computers of their own: real discovery, TLS and multicast.
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const DISK_BYTES = 64 * MEBIBYTE;

let dir: string;
let network: TestNetwork;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-deploy-'));
  network = await TestNetwork.create('tdp');
  await network.add('console', '10.78.0.1');
});
afterEach(async () => {
  await network[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const start = (computer: string, args: readonly string[]) =>
  network.start(computer, process.execPath, [MAIN, ...args]);

const dataDir = () => join(dir, 'data');
const command = (...args: string[]) =>
  run('ip', network.command('console', process.execPath, [MAIN, ...args, '--data', dataDir()]), {
    okCodes: [0, 1, 3],
  });

async function startConsole(): Promise<ChildProcess> {
  const { child, output } = start('console', ['console', '--data', dataDir(), '--interface', 'eth0']);
  await until(() => output().includes('is ready'), `the console: ${output()}`, 30_000);
  const identity = await loadIdentity(consolePaths(dataDir()).identity);
  await writeFile(join(dir, 'site.json'), JSON.stringify(siteOf(identity, '')));
  return child;
}

/** The image's bytes: noise with holes, some of it twice. */
async function makeImage(name: string, usedMebibytes: number): Promise<Buffer> {
  const disk = Buffer.alloc(DISK_BYTES);
  const draft = manifestDraft(DISK_BYTES);
  const [layout] = draft.disks;
  const writer = createImageWriter(await openFileSink(join(consolePaths(dataDir()).images, `${name}.sco`)));
  for (let i = 0; i < usedMebibytes; i += 1) {
    const raw = i % 7 === 6 ? Buffer.alloc(MEBIBYTE) : noise(MEBIBYTE, i % 11 === 10 ? 1 : i);
    const offsetBytes = (i + (i > usedMebibytes / 2 ? 3 : 0)) * MEBIBYTE;
    raw.copy(disk, offsetBytes);
    await writer.add({ disk: 0, offsetBytes }, raw);
  }
  await writer.finish({ ...draft, disks: [{ ...layout!, table: 'none' }] });
  return disk;
}

const ROOT_BYTES = 16 * MEBIBYTE;

/** A disk whose one partition holds as much of a Debian as is looked at. */
async function makeSystemImage(name: string): Promise<void> {
  const tree = join(dir, 'tree');
  const files = {
    'etc/os-release': 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13"\n',
    'etc/hostname': 'master\n',
    'etc/hosts': '127.0.1.1 master\n',
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  const disk = join(dir, 'master.disk');
  const root = join(dir, 'root.ext4');
  await run('mkfs.ext4', ['-q', '-d', tree, root, `${ROOT_BYTES / 1024}k`]);
  await writeFile(disk, '');
  await truncate(disk, DISK_BYTES);
  await run('sfdisk', ['--quiet', disk], { input: `label: gpt\n1MiB ${ROOT_BYTES / 512} L\n` });
  await run('dd', [`if=${root}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc']);
  await using device = await openBlockDevice(disk);
  const layout = await readDiskLayout(device);
  const path = join(consolePaths(dataDir()).images, `${name}.sco`);
  const writer = createImageWriter(await openFileSink(path));
  for (const { startBytes, sizeBytes } of [...layout.bootAreas, ...layout.partitions]) {
    for (let at = startBytes; at < startBytes + sizeBytes; at += MEBIBYTE) {
      const bytes = Math.min(MEBIBYTE, startBytes + sizeBytes - at);
      await writer.add({ disk: 0, offsetBytes: at }, await device.read(at, bytes));
    }
  }
  await writer.finish({ ...manifestDraft(DISK_BYTES), disks: [layout] });
}

/** Where the system of {@link makeSystemImage} is mounted. */
async function rootOf(disk: string): Promise<string> {
  const at = join(dir, 'mounted');
  await mkdir(at);
  await run('mount', ['-o', `loop,ro,offset=${MEBIBYTE},sizelimit=${ROOT_BYTES}`, disk, at]);
  return at;
}

async function startTarget(name: string, address: string): Promise<StartedProgram & { disk: string }> {
  await network.add(name, address);
  const disk = join(dir, `${name}.disk`);
  await writeFile(disk, '');
  await truncate(disk, DISK_BYTES);
  const args = ['agent', '--site', join(dir, 'site.json'), '--disk-file', disk, '--once'];
  return { ...start(name, args), disk };
}

async function connected(count: number): Promise<void> {
  for (let i = 0; i < 100; i += 1) {
    const { stdout } = await command('computers', '--json');
    if ((JSON.parse(stdout) as unknown[]).length >= count) return;
  }
  throw new Error(`${count} computers did not connect`);
}

describe('a deployment between computers', () => {
  it('reaches every target found by discovery with equal bytes in one multicast session', async () => {
    await startConsole();
    const expected = await makeImage('office', 24);
    const targets = [await startTarget('one', '10.78.0.11'), await startTarget('two', '10.78.0.12')];
    const { code, stdout, stderr } = await command(
      ...['deploy', '--image', 'office', '--wait-for', '2', '--after', 'wait', '--json', '--timeout', '60'],
    );
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout) as DeploySnapshot;
    expect(result.targets.map((one) => one.state)).toEqual(['done', 'done']);
    for (const { disk } of targets) expect((await readFile(disk)).equals(expected)).toBe(true);
    const multicast = result.targets.map((one) => one.report?.multicastChunks ?? 0);
    expect(Math.min(...multicast)).toBeGreaterThan(0);
    const log = await command('log', '--job', result.id);
    expect(log.stdout).toContain('2 of 2 computers done');
  });

  it('gives the deployed system its name, account and file before its disk can start', async () => {
    await startConsole();
    await makeSystemImage('debian');
    const file = join(dir, 'welcome.txt');
    await writeFile(file, 'welcome');
    const template = {
      ...{ version: 1, name: 'lab', image: 'debian', after: 'wait' },
      computerNames: { kind: 'pattern', pattern: 'PC-{n:02}', first: 5 },
      files: [{ source: file, destination: '/opt/lab' }],
      run: { waitFor: 1, waitSeconds: 60 },
    };
    await writeFile(join(dir, 'lab.json'), JSON.stringify(template));
    expect((await command('template', 'import', join(dir, 'lab.json'))).code).toBe(0);
    const { disk } = await startTarget('one', '10.78.0.11');
    const { code, stdout, stderr } = await command('deploy', '--template', 'lab', '--json');
    expect(code, stderr + stdout).toBe(0);
    const { id } = JSON.parse(stdout) as DeploySnapshot;
    const text = (await command('report', id)).stdout;
    expect(text).toContain('PC-05');
    expect(text).toMatch(/done: Read again what was written/);
    const root = await rootOf(disk);
    try {
      expect((await readFile(join(root, 'etc/hostname'), 'utf8')).trim()).toBe('PC-05');
      expect(await readFile(join(root, 'opt/lab/welcome.txt'), 'utf8')).toBe('welcome');
    } finally {
      await run('umount', [root]);
    }
    const { stdout: loops } = await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
    expect(loops).not.toContain(disk);
  });

  it('is finished by the living when one is switched off, and says who is missing', async () => {
    await startConsole();
    const expected = await makeImage('office', 24);
    const survivor = await startTarget('one', '10.78.0.11');
    const victim = await startTarget('two', '10.78.0.12');
    await connected(2);
    const deployed = command(
      ...['deploy', '--image', 'office', '--rate', '40', '--after', 'wait', '--json', '--lost-wait', '3'],
    );
    await until(() => victim.output().includes('state receiving'), 'the victim to receive', 30_000);
    victim.child.kill('SIGKILL');
    const { code, stdout, stderr } = await deployed;
    expect(code, stderr).toBe(3);
    const result = JSON.parse(stdout) as DeploySnapshot;
    expect(result.targets.map((one) => one.state).sort()).toEqual(['done', 'failed']);
    expect(result.targets.find((one) => one.state === 'failed')?.reason).toContain('lost contact');
    expect((await readFile(survivor.disk)).equals(expected)).toBe(true);
  });

  it('of a damaged image fails with the reason and leaves no disk that could start', async () => {
    await startConsole();
    await makeImage('office', 24);
    const path = join(consolePaths(dataDir()).images, 'office.sco');
    await using file = await open(path, 'r+');
    await file.write(noise(4, 99), 0, 4, 12 * MEBIBYTE);
    const target = await startTarget('one', '10.78.0.11');
    const { code, stdout, stderr } = await command(
      ...['deploy', '--image', 'office', '--wait-for', '1', '--after', 'wait', '--json'],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/chunk \d+ of .* is damaged/);
    expect((JSON.parse(stdout) as DeploySnapshot).targets[0]?.reason).toContain('damaged');
    expect((await readFile(target.disk)).subarray(0, MEBIBYTE).every((byte) => byte === 0)).toBe(true);
  });

  it('is joined again by a target that was away for a moment', async () => {
    await startConsole();
    const expected = await makeImage('office', 24);
    const target = await startTarget('one', '10.78.0.11');
    await connected(1);
    const deployed = command('deploy', '--image', 'office', '--rate', '30', '--after', 'wait', '--json');
    await until(() => target.output().includes('state receiving'), 'the target to receive', 30_000);
    target.child.kill('SIGKILL');
    // Switched on again, as after a power cut, with what is on its disk.
    const again = start('one', [
      'agent',
      '--site',
      join(dir, 'site.json'),
      '--disk-file',
      target.disk,
      '--once',
    ]);
    const { code, stdout, stderr } = await deployed;
    expect(code, `${stderr}\n${again.output()}`).toBe(0);
    expect((JSON.parse(stdout) as DeploySnapshot).targets.map((one) => one.state)).toEqual(['done']);
    expect((await readFile(target.disk)).equals(expected)).toBe(true);
  });

  it('is one job also when the console is killed and started again in the middle of it', async () => {
    const killed = await startConsole();
    const expected = await makeImage('office', 24);
    const targets = [await startTarget('one', '10.78.0.11'), await startTarget('two', '10.78.0.12')];
    await connected(2);
    const deployed = command('deploy', '--image', 'office', '--rate', '30', '--after', 'wait');
    for (const { output } of targets) {
      await until(() => output().includes('state receiving'), 'the targets to receive', 30_000);
    }
    // Half of it is there by then; 24 MiB take more than six seconds.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    killed.kill('SIGKILL');
    expect((await deployed).code).toBe(1);
    await startConsole();
    for (const { child, output } of targets) {
      await until(() => child.exitCode !== null, `the targets to end: ${output()}`, 90_000);
      expect(child.exitCode, output()).toBe(0);
    }
    for (const { disk } of targets) expect((await readFile(disk)).equals(expected)).toBe(true);
    await using client = await connectConsole(consolePaths(dataDir()).socket);
    const jobs = async () => (await client.call('jobs')) as DeploySnapshot[];
    await until(async () => (await jobs())[0]?.state === 'done', 'the end of the job');
    const [job, ...others] = await jobs();
    expect(others).toEqual([]);
    expect(job?.targets.map((one) => one.state)).toEqual(['done', 'done']);
    const { stdout } = await command('log', '--job', job!.id);
    expect(stdout).toMatch(/was interrupted[\s\S]*goes on at "receiving"[\s\S]*2 of 2 computers done/);
    // Nothing was begun anew: each chunk came once.
    expect(stdout.match(/ partitioning/g)).toHaveLength(2);
    await using image = await openImage(join(consolePaths(dataDir()).images, 'office.sco'));
    const { chunkCount } = image.index;
    for (const { report } of job!.targets) {
      expect(report!.multicastChunks + report!.tcpChunks).toBe(chunkCount);
    }
  });
});
