import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import type { NetworkSettings } from './network-plan.ts';
import type { NetworkStatus } from './network-status.ts';

// A computer with two cards and a server, each in a namespace of its own; nothing leaves this machine.
const PREFIX = `tdpre${process.pid}`;
const SERVER = `${PREFIX}s`;
const COMPUTER = `${PREFIX}c`;
const SCRIPT = fileURLToPath(
  new URL('../../appliance/rootfs/usr/lib/totaldeploy/udhcpc.script', import.meta.url),
);
const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
const ip = (...args: string[]) => run('ip', args);

let dir: string;
let children: { child: ChildProcess; ended: Promise<unknown> }[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-network-'));
  children = [];
  await ip('netns', 'add', SERVER);
  await ip('netns', 'add', COMPUTER);
  for (const [i, name] of ['eth0', 'eth1'].entries()) {
    await ip('-n', SERVER, 'link', 'add', `to${i}`, 'type', 'veth', 'peer', 'name', name, 'netns', COMPUTER);
  }
  await ip('-n', SERVER, 'addr', 'add', '10.99.0.1/24', 'dev', 'to0');
});

afterEach(async () => {
  for (const { child } of children) child.kill('SIGTERM');
  await Promise.all(children.map(({ ended }) => ended));
  await ip('netns', 'del', SERVER).catch(() => {});
  await ip('netns', 'del', COMPUTER).catch(() => {});
  await rm(dir, { recursive: true, force: true });
});

function keep(child: ChildProcess): ChildProcess {
  children.push({ child, ended: once(child, 'exit') });
  return child;
}

async function startDhcpServer(): Promise<void> {
  const settings = [
    'start 10.99.0.50',
    'end 10.99.0.59',
    'interface to0',
    `lease_file ${join(dir, 'leases')}`,
    `pidfile ${join(dir, 'udhcpd.pid')}`,
    'option subnet 255.255.255.0',
    'option router 10.99.0.1',
    'option dns 10.99.0.1',
    'option lease 600',
    'option mtu 1400',
  ];
  await writeFile(join(dir, 'udhcpd.conf'), `${settings.join('\n')}\n`);
  await writeFile(join(dir, 'leases'), '');
  const args = ['netns', 'exec', SERVER, 'busybox', 'udhcpd', '-f', join(dir, 'udhcpd.conf')];
  keep(spawn('ip', args, { stdio: 'ignore' }));
}

/** `ip netns exec` has a mount namespace of its own. */
const PRIVATE_FOLDERS = `
    import { execFileSync } from 'node:child_process';
    import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
    const awk = realpathSync('/usr/bin/awk'); // reached through /etc/alternatives on Debian
    for (const folder of ['/run', '/etc']) execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
    mkdirSync('/run/totaldeploy');
    mkdirSync('/etc/alternatives');
    symlinkSync(awk, '/etc/alternatives/awk');`;

/** Runs the network of a Pre-OS in the computer's namespace; /etc and /run are private to it. */
function startNetwork(settings: NetworkSettings): { statuses: NetworkStatus[]; resolvConf: () => string } {
  const code = `
    ${PRIVATE_FOLDERS}
    import { Network } from ${moduleUrl('network.ts')};
    import { silentLog } from ${moduleUrl('../lib/log.ts')};
    const network = new Network({ settings: ${JSON.stringify(settings)}, logger: silentLog,
      scriptPath: ${JSON.stringify(SCRIPT)}, pollMs: 100 });
    let last = '';
    network.onStatus((status) => {
      const resolvConf = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : '';
      const line = JSON.stringify({ ...status, resolvConf });
      if (line !== last) console.log(line);
      last = line;
    });
    process.once('SIGTERM', async () => { await network[Symbol.asyncDispose](); process.exit(0); });`;
  const child = inComputer(code, 'ignore');
  const statuses: NetworkStatus[] = [];
  let text = '';
  let resolvConf = '';
  child.stdout!.on('data', (bytes: Buffer) => {
    const lines = (text + bytes.toString()).split('\n');
    text = lines.pop()!;
    for (const line of lines) {
      const status = JSON.parse(line);
      resolvConf = status.resolvConf;
      statuses.push(status);
    }
  });
  return { statuses, resolvConf: () => resolvConf };
}

/** A Pre-OS' network whose settings change; `next` resolves with what can be used then. */
function startChangingNetwork(): {
  next(settings: NetworkSettings): Promise<{ name: string; address: string }[]>;
} {
  const code = `
    import { createInterface } from 'node:readline';
    ${PRIVATE_FOLDERS}
    import { PreosNetwork } from ${moduleUrl('preos-network.ts')};
    import { silentLog } from ${moduleUrl('../lib/log.ts')};
    import { silentScreen } from ${moduleUrl('../lib/screen.ts')};
    const network = new PreosNetwork({ params: { ip: { kind: 'dhcp' } }, runDir: '/run/totaldeploy',
      logger: silentLog, screen: silentScreen, options: { scriptPath: ${JSON.stringify(SCRIPT)}, pollMs: 100 } });
    process.once('SIGTERM', async () => { await network[Symbol.asyncDispose](); process.exit(0); });
    for await (const line of createInterface({ input: process.stdin })) {
      await network.apply(JSON.parse(line));
      await network.ready(() => {}, new AbortController().signal);
      console.log(JSON.stringify(network.status().usable));
    }`;
  const child = inComputer(code, 'pipe');
  return {
    next: async (settings) => {
      child.stdin!.write(`${JSON.stringify(settings)}\n`);
      const [bytes] = (await once(child.stdout!, 'data')) as [Buffer];
      return JSON.parse(bytes.toString());
    },
  };
}

function inComputer(code: string, stdin: 'ignore' | 'pipe'): ChildProcess {
  const args = ['netns', 'exec', COMPUTER, process.execPath, '--input-type=module', '-e', code];
  return keep(spawn('ip', args, { stdio: [stdin, 'pipe', 'inherit'] }));
}

async function ipv4Of(name: string): Promise<string[]> {
  const { stdout } = await ip('-n', COMPUTER, '-4', 'addr', 'show', 'dev', name);
  return [...stdout.matchAll(/inet (\S+)/g)].map((match) => match[1]!);
}

async function until(
  statuses: NetworkStatus[],
  fits: (status: NetworkStatus) => boolean,
): Promise<NetworkStatus> {
  for (let i = 0; i < 900; i += 1) {
    const last = statuses.at(-1);
    if (last !== undefined && fits(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never came; last was ${JSON.stringify(statuses.at(-1))}`);
}

const plug = (card: number, state: 'up' | 'down') => ip('-n', SERVER, 'link', 'set', `to${card}`, state);

describe('the network of the Pre-OS', () => {
  it('says that there is no link, then gets a lease on the card that has a server', async () => {
    await startDhcpServer();
    const { statuses, resolvConf } = startNetwork({ ip: { kind: 'dhcp' } });
    const unplugged = await until(statuses, (status) => status.problems.length > 0);
    expect(unplugged.problems[0]).toMatch(/^No link on eth0 .*, eth1 .*: plug in the cable/);
    await plug(1, 'up');
    await plug(0, 'up');
    const { usable } = await until(statuses, (status) => status.usable.length > 0);
    expect(usable).toMatchObject([{ name: 'eth0' }]);
    expect(usable[0]!.address).toMatch(/^10\.99\.0\.5\d$/);
    await until(statuses, () => resolvConf().includes('nameserver 10.99.0.1'));
    const routes = (await ip('-n', COMPUTER, 'route')).stdout;
    expect(routes).toContain('default via 10.99.0.1 dev eth0');
    expect((await ip('-n', COMPUTER, 'link', 'show', 'eth0')).stdout).toContain(' mtu 1400 ');
  });

  it('keeps asking until a server answers, and says so meanwhile', async () => {
    await plug(0, 'up');
    const { statuses } = startNetwork({ ip: { kind: 'dhcp' }, iface: { kind: 'name', name: 'eth0' } });
    const waiting = await until(
      statuses,
      (status) => status.problems.length > 0 && status.activity.includes('DHCP'),
    );
    expect(waiting.problems[0]).toMatch(/^No DHCP answer on eth0 for 10 s/);
    await startDhcpServer();
    await until(statuses, (status) => status.usable.length > 0);
  });

  it('lets go of the address when the cable is gone and takes a new one when it is back', async () => {
    await startDhcpServer();
    await plug(0, 'up');
    const { statuses } = startNetwork({ ip: { kind: 'dhcp' } });
    await until(statuses, (status) => status.usable.length > 0);
    await plug(0, 'down');
    await until(statuses, (status) => status.interfaces.every((item) => item.addresses.length === 0));
    await plug(0, 'up');
    await until(statuses, (status) => status.usable.length > 0);
  });

  it('sets a static address with gateway on the first card with a link', async () => {
    await plug(0, 'up');
    const address = { address: '10.99.0.7', prefixLength: 24, gateway: '10.99.0.1', dns: ['10.99.0.2'] };
    const { statuses, resolvConf } = startNetwork({ ip: { kind: 'static', ...address } });
    const { usable } = await until(statuses, (status) => status.usable.length > 0);
    expect(usable).toEqual([{ name: 'eth0', address: '10.99.0.7' }]);
    await until(statuses, () => resolvConf() === 'nameserver 10.99.0.2\n');
    expect((await ip('-n', COMPUTER, 'route')).stdout).toContain('default via 10.99.0.1 dev eth0');
  });

  it('keeps what the loader configured', async () => {
    await plug(0, 'up');
    await ip('-n', COMPUTER, 'link', 'set', 'eth0', 'up');
    await ip('-n', COMPUTER, 'addr', 'add', '10.99.0.33/24', 'dev', 'eth0');
    const { statuses } = startNetwork({ ip: { kind: 'dhcp' }, iface: { kind: 'name', name: 'eth0' } });
    const { usable } = await until(statuses, (status) => status.usable.length > 0);
    expect(usable).toEqual([{ name: 'eth0', address: '10.99.0.33' }]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(statuses.at(-1)!.usable).toEqual(usable);
  });

  it('has the new address alone after a change, from DHCP to a static one and back', async () => {
    await startDhcpServer();
    await plug(0, 'up');
    const { next } = startChangingNetwork();
    expect((await next({ ip: { kind: 'dhcp' } }))[0]!.address).toMatch(/^10\.99\.0\.5\d$/);
    const address = { address: '10.99.0.7', prefixLength: 24, gateway: '10.99.0.1', dns: [] };
    const fixed = { ip: { kind: 'static' as const, ...address } };
    expect(await next(fixed)).toEqual([{ name: 'eth0', address: '10.99.0.7' }]);
    expect(await ipv4Of('eth0')).toEqual(['10.99.0.7/24']);
    expect((await next({ ip: { kind: 'dhcp' } }))[0]!.address).toMatch(/^10\.99\.0\.5\d$/);
    expect(await ipv4Of('eth0')).toEqual([expect.stringMatching(/^10\.99\.0\.5\d\/24$/)]);
  });
});
