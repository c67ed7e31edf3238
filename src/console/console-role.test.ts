import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectControl } from '../control/control-client.ts';
import { loadIdentity } from '../control/identity.ts';
import { testMachine } from '../control/testdata/test-machine.ts';
import { noise } from '../image/testdata/small-image.ts';
import type { HostAddress, HostNetwork } from '../lib/host-network.ts';
import { silentLog } from '../lib/log.ts';
import { consolePaths } from './console-paths.ts';
import { runConsole } from './console-role.ts';
import { connectConsole } from './rpc-client.ts';
import { FakeComputer, TestConsole, until } from './testdata/test-console.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-role-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('a console', () => {
  it('keeps its data closed and its identity over a restart', async () => {
    let certificate: string;
    {
      await using lab = await TestConsole.start({ dataDir: join(dir, 'data') });
      certificate = lab.status.certificateSha256;
    }
    expect((await stat(join(dir, 'data'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(dir, 'data/console.db'))).mode & 0o777).toBe(0o600);
    await using again = await TestConsole.start({ dataDir: join(dir, 'data') });
    expect(again.status.certificateSha256).toBe(certificate);
    expect(again.events().map((event) => event.kind)).toEqual([
      'console-started',
      'console-stopped',
      'console-started',
    ]);
  });

  it('refuses to start beside another one with the same data, and leaves that one alone', async () => {
    await using lab = await TestConsole.start({ dataDir: dir });
    await expect(TestConsole.start({ dataDir: dir })).rejects.toMatchObject({ code: 'refused' });
    expect(await lab.rpc.call('status')).toMatchObject({ name: 'test console' });
  });

  it('refuses a damaged database or identity in one line', async () => {
    await writeFile(join(dir, 'console.db'), 'x'.repeat(5000));
    await expect(TestConsole.start({ dataDir: dir })).rejects.toMatchObject({ code: 'damaged' });
    await rm(join(dir, 'console.db'));
    await writeFile(join(dir, 'identity/site.key'), 'short');
    await expect(TestConsole.start({ dataDir: dir })).rejects.toMatchObject({ code: 'damaged' });
  });

  it('shows who is connected, and takes notice of who leaves', async () => {
    await using lab = await TestConsole.start();
    const computer = await lab.computer(1);
    await until(async () => ((await lab.rpc.call('computers')) as unknown[]).length === 1, 'the computer');
    expect(await lab.rpc.call('computers')).toMatchObject([
      { name: '02:00:00:00:00:01', role: 'agent', state: 'waiting', jobId: null, disks: [{ name: 'sda' }] },
    ]);
    computer.send({ type: 'log', level: 'warn', text: 'the disk is slow' });
    await until(() => lab.events().some((event) => event.text.includes('the disk is slow')), 'the log line');
    computer.client.close();
    await until(async () => ((await lab.rpc.call('computers')) as unknown[]).length === 0, 'its end');
    expect(lab.events().map((event) => event.kind)).toContain('computer-gone');
  });

  it('writes down whom it refused, and not again every second', async () => {
    await using lab = await TestConsole.start();
    for (let i = 0; i < 3; i += 1) {
      const stranger = connectControl({
        ...{
          host: '127.0.0.1',
          port: lab.status.ports.control,
          role: 'agent',
          version: '0',
          logger: silentLog,
        },
        ...{ certificateSha256: undefined, siteKey: undefined, machine: testMachine(1) },
      });
      await expect(stranger).rejects.toThrow('--accept-unknown');
    }
    expect(lab.events().filter((event) => event.kind === 'computer-refused')).toHaveLength(1);
  });

  it('does not let a computer fill its log', async () => {
    await using lab = await TestConsole.start();
    const computer = await lab.computer(1);
    for (let i = 0; i < 200; i += 1) computer.send({ type: 'log', level: 'error', text: `line ${i}` });
    await until(() => lab.events().some((event) => event.text.includes('line 59')), 'the lines');
    expect(lab.events().filter((event) => event.kind === 'computer-log')).toHaveLength(60);
  });

  it('ends its jobs when it is stopped, so that computers and the log know', async () => {
    let computer: FakeComputer;
    {
      await using lab = await TestConsole.start({ dataDir: dir });
      await lab.addImage('office');
      computer = await lab.computer(1);
      const { ended } = await lab.deploy({ image: 'office' });
      ended.catch(() => {});
      await computer.accept();
    }
    expect((await computer.order('cancel')).reason).toContain('shutting down');
    await using again = await TestConsole.start({ dataDir: dir });
    expect(again.events().map((event) => event.kind)).toContain('target-cancelled');
    expect(again.events().map((event) => event.kind)).not.toContain('job-interrupted');
  });
});

describe('a console in the Pre-OS', () => {
  it('answers first and is moved then; while a job runs it stays', async () => {
    const moves: HostAddress[] = [];
    const hostNetwork: HostNetwork = {
      now: () => ({ address: 'dhcp', card: '' }),
      isNow: ({ address }) => address === 'dhcp',
      change: (wanted) => void moves.push(wanted),
    };
    await using lab = await TestConsole.start({ dataDir: dir, hostNetwork });
    await lab.addImage('office');
    expect(await lab.rpc.call('settings')).toMatchObject({ address: 'dhcp', canSetAddress: true });
    const computer = await lab.computer(1);
    const { jobId, ended } = await lab.deploy({ image: 'office' });
    const deployment = await computer.accept();
    const change = { address: '10.0.0.7/24', interface: '' };
    await expect(lab.rpc.call('settings.change', change)).rejects.toThrow(
      `Cannot change the network now: job ${jobId} runs; wait for its end, or cancel it`,
    );
    computer.report(deployment);
    await ended;
    await lab.rpc.call('settings.change', change);
    expect(moves).toEqual([]);
    await until(() => moves.length > 0, 'the move');
    expect(moves).toEqual([{ address: '10.0.0.7/24', card: '' }]);
  });

  it('works on the card that has its static address', async () => {
    const now = () => ({ address: '127.0.0.1/8', card: 'no-such-card' });
    const hostNetwork = { now, isNow: () => true, change: () => {} };
    const start = runConsole({ dataDir: dir, hostNetwork, logger: silentLog, signal: AbortSignal.abort() });
    await expect(start).rejects.toThrow('"no-such-card"');
  });
});

describe('a console killed in the middle', () => {
  let child: ChildProcess | undefined;
  afterEach(() => {
    child?.kill('SIGKILL');
  });

  /** A console in a process of its own, so that it can really be killed. */
  async function spawnConsole(): Promise<{ control: number }> {
    const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    const code = `
      import { runConsole } from ${module('console-role.ts')};
      import { silentLog } from ${module('../lib/log.ts')};
      const never = new Promise(() => {});
      await runConsole({ dataDir: ${JSON.stringify(dir)}, interface: 'lo', ports: { control: 0, service: 0 },
        logger: silentLog, signal: new AbortController().signal,
        onReady: (status) => console.log(JSON.stringify(status.ports)),
        parts: {
          startMulticast: () => ({ reportPort: Promise.resolve(1), done: never, addReceiver() {}, dropReceiver() {},
            state: () => ({ rateBytesPerSecond: 0 }), stop() {} }),
          startDiscovery: async () => ({ async [Symbol.asyncDispose]() {} }) } });`;
    child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    return JSON.parse(line.toString());
  }

  it('goes on with its deployments, names interrupted captures and removes unfinished uploads', async () => {
    {
      await using lab = await TestConsole.start({ dataDir: dir });
      await lab.addImage('office');
    }
    const ports = await spawnConsole();
    const identity = await loadIdentity(consolePaths(dir).identity);
    const connect = async (role: 'agent' | 'backup', number: number) => {
      const { certificateSha256, siteKey } = identity;
      const place = { host: '127.0.0.1', port: ports.control, certificateSha256, siteKey };
      const machine = testMachine(number);
      return new FakeComputer(
        await connectControl({ ...place, role, version: '0', machine, logger: silentLog }),
        cleanup,
      );
    };
    const services: (() => unknown)[] = [];
    const cleanup = { defer: (end: () => unknown) => services.push(end) };
    try {
      const [master, target] = [await connect('backup', 1), await connect('agent', 2)];
      master.send({ type: 'capture-request', name: 'lab', bytesMax: 1000 });
      const upload = master.service().openUpload((await master.order('capture-accept')).path);
      await upload.write(noise(100_000, 1));
      await until(async () => (await readdir(join(dir, 'images'))).includes('lab.sco.partial'), 'the upload');
      await using rpc = await connectConsole(consolePaths(dir).socket);
      await rpc.call('deploy', { image: 'office' });
      const deployment = await target.accept();

      child!.kill('SIGKILL');
      await once(child!, 'exit');
      await until(() => master.client.closed && target.client.closed, 'both connections to break');
      await expect(upload.write(noise(100_000, 2)).then(() => upload.close())).rejects.toMatchObject({
        code: 'network',
      });

      await using lab = await TestConsole.start({ dataDir: dir });
      expect(await readdir(lab.status.imagesDir)).toEqual(['office.sco']);
      const kinds = () => lab.events().map((event) => event.kind);
      expect(kinds().filter((kind) => kind === 'job-interrupted')).toHaveLength(1);
      expect(kinds()).toEqual(expect.arrayContaining(['job-resumed', 'partial-removed']));
      const { jobId } = deployment;
      expect(await lab.rpc.call('jobs')).toMatchObject([{ id: jobId, targets: [{ state: 'lost contact' }] }]);
      const back = await lab.computer(2);
      back.report(deployment);
      expect(await lab.rpc.call('watch', { jobId })).toMatchObject({ id: jobId, state: 'done' });
    } finally {
      for (const end of services) await end();
    }
  });
});

describe('the data directory', () => {
  it('is warned about when others can read it', async () => {
    await chmod(dir, 0o755);
    await using lab = await TestConsole.start({ dataDir: dir });
    expect(lab.status.dataDir).toBe(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o755);
  });
});
