import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, monotonicClock, sleep } from '../lib/clock.ts';
import { errorLine } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { run } from '../lib/spawn.ts';
import { readInterfaces } from './interfaces.ts';
import { parseLease } from './lease-file.ts';
import {
  type NetworkAction,
  type NetworkSettings,
  newNetworkMemory,
  planNetwork,
  type StaticAddress,
} from './network-plan.ts';
import { describeNetwork, type NetworkStatus } from './network-status.ts';

export interface NetworkOptions {
  settings: NetworkSettings;
  logger: Logger;
  /** Where leases and process numbers are kept; default `/run/totaldeploy`. */
  runDir?: string;
  scriptPath?: string;
  resolvConfPath?: string;
  pollMs?: number;
  clock?: Clock;
  runProgram?: typeof run;
  readSeen?: typeof readInterfaces;
}

const POLL_MS = 500;
/** As long as a timer can be: the client lives as long as its interface. */
const FOREVER_MS = 2 ** 31 - 1;
const DHCP_RESTART_MS = 3000;

/**
 * Brings the network up and keeps it up: links, VLANs, static address or DHCP on every chosen card at
 * once, until it is closed. Addresses stay when it is closed.
 */
export class Network implements AsyncDisposable {
  readonly #options: NetworkOptions;
  readonly #run: typeof run;
  readonly #clock: Clock;
  readonly #memory = newNetworkMemory();
  readonly #clients = new Map<string, { stop: AbortController; ended: Promise<void> }>();
  readonly #dhcpSinceMs = new Map<string, number>();
  /** Interfaces with a running client that has not left a lease yet. */
  readonly #unleased = new Set<string>();
  readonly #failures = new Map<string, string>();
  readonly #listeners = new Set<(status: NetworkStatus) => void>();
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #status: NetworkStatus;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#run = options.runProgram ?? run;
    this.#clock = options.clock ?? monotonicClock;
    this.#status = this.#describe([]);
    this.#loop = this.#poll();
  }

  status(): NetworkStatus {
    return this.#status;
  }

  /** Calls the listener after every look at the interfaces; returns the function that ends that. */
  onStatus(listener: (status: NetworkStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves as soon as one interface can be used. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#status.usable.length === 0) await sleep(50, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    for (const client of this.#clients.values()) client.stop.abort();
    await Promise.all([...this.#clients.values()].map((client) => client.ended));
  }

  /** Takes every address of these interfaces away, once the network is closed. */
  async flush(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#attempt(name, () => this.#ip(['addr', 'flush', 'dev', name]));
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        this.#options.logger.warn({ error: errorLine(error) }, 'network check failed');
      }
      await sleep(this.#options.pollMs ?? POLL_MS, signal).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    const readSeen = this.#options.readSeen ?? readInterfaces;
    const seen = await readSeen();
    for (const item of seen) {
      if (item.kind === 'card' || item.kind === 'vlan') await this.#applyLease(item.name, item.addresses);
    }
    const nowMs = this.#clock.nowMs();
    for (const action of planNetwork(this.#options.settings, seen, { memory: this.#memory, nowMs })) {
      await this.#act(action);
    }
    this.#status = this.#describe(seen);
    for (const listener of this.#listeners) listener(this.#status);
  }

  #describe(seen: NetworkStatus['interfaces']): NetworkStatus {
    for (const item of seen) {
      if (item.addresses.length === 0) continue;
      this.#dhcpSinceMs.delete(item.name);
      this.#failures.delete(item.name);
    }
    return describeNetwork(this.#options.settings, seen, {
      dhcpSinceMs: this.#dhcpSinceMs,
      unleased: this.#unleased,
      failures: this.#failures,
      nowMs: this.#clock.nowMs(),
    });
  }

  /** The script may have set the address itself; what it left out is done here. */
  async #applyLease(name: string, addresses: readonly string[]): Promise<void> {
    if (this.#options.settings.ip.kind !== 'dhcp') return;
    const lease = parseLease(await readFile(this.#leasePath(name), 'utf8').catch(() => ''));
    if (lease === undefined) return;
    this.#unleased.delete(name);
    const isSet = addresses.includes(`${lease.address}/${lease.prefixLength}`);
    if (this.#memory.dhcp.has(name)) {
      if (!isSet) await this.#attempt(name, () => this.#setAddress(name, lease));
    } else if (isSet && lease.leaseSeconds > 0 && !this.#memory.renewAtMs.has(name)) {
      this.#memory.renewAtMs.set(name, this.#clock.nowMs() + lease.leaseSeconds * 500);
    }
  }

  async #act(action: NetworkAction): Promise<void> {
    this.#options.logger.info({ ...action }, `network: ${action.kind}`);
    switch (action.kind) {
      case 'link-up':
        return this.#attempt(action.name, () => this.#ip(['link', 'set', 'dev', action.name, 'up']));
      case 'add-vlan':
        return this.#attempt(action.name, () => this.#addVlan(action));
      case 'set-address':
        return this.#attempt(action.name, () => this.#setAddress(action.name, action.setting));
      case 'start-dhcp':
        return this.#startDhcp(action.name, action.requestAddress);
      case 'stop-dhcp':
        return this.#stopDhcp(action.name);
    }
  }

  async #attempt(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#failures.delete(name);
    } catch (error) {
      const line = errorLine(error);
      if (this.#failures.get(name) !== line) {
        this.#options.logger.warn({ interface: name, error: line }, 'network command failed');
      }
      this.#failures.set(name, line);
    }
  }

  async #ip(args: readonly string[]): Promise<void> {
    await this.#run('ip', args, { timeoutMs: 10_000 });
  }

  /** "File exists" means that it is as wanted. */
  async #ipAdd(args: readonly string[]): Promise<void> {
    try {
      await this.#ip(args);
    } catch (error) {
      if (!/exists/i.test(errorLine(error))) throw error;
    }
  }

  async #addVlan(action: { parent: string; name: string; vlan: number }): Promise<void> {
    // The driver may be built in, and then there is nothing to load.
    await this.#run('modprobe', ['8021q'], { timeoutMs: 10_000 }).catch(() => {});
    const { parent, name, vlan } = action;
    await this.#ipAdd(['link', 'add', 'link', parent, 'name', name, 'type', 'vlan', 'id', String(vlan)]);
    await this.#ip(['link', 'set', 'dev', name, 'up']);
  }

  async #setAddress(name: string, setting: StaticAddress): Promise<void> {
    const { address, prefixLength, gateway, dns } = setting;
    await this.#ipAdd(['addr', 'add', `${address}/${prefixLength}`, 'broadcast', '+', 'dev', name]);
    if (gateway !== '') await this.#ipAdd(['route', 'add', 'default', 'via', gateway, 'dev', name]);
    if (dns.length === 0) return;
    const lines = dns.map((server) => `nameserver ${server}\n`).join('');
    await writeFile(this.#options.resolvConfPath ?? '/etc/resolv.conf', lines);
  }

  async #startDhcp(name: string, requestAddress: string | undefined): Promise<void> {
    this.#memory.dhcp.add(name);
    this.#memory.renewAtMs.delete(name);
    this.#dhcpSinceMs.set(name, this.#clock.nowMs());
    await this.#endLeftOver(name);
    // An old lease would be taken for the answer, except where it is being renewed.
    if (requestAddress === undefined) {
      await rm(this.#leasePath(name), { force: true });
      this.#unleased.add(name);
    }
    const stop = new AbortController();
    const ended = this.#runDhcp(name, { requestAddress, signal: stop.signal });
    this.#clients.set(name, { stop, ended });
  }

  async #runDhcp(
    name: string,
    { requestAddress, signal }: { requestAddress: string | undefined; signal: AbortSignal },
  ): Promise<void> {
    const script = this.#options.scriptPath ?? '/usr/lib/totaldeploy/udhcpc.script';
    const args = [
      'udhcpc',
      '-f',
      '-i',
      name,
      '-s',
      script,
      '-p',
      this.#pidPath(name),
      '-t',
      '4',
      '-T',
      '2',
      '-A',
      '3',
      '-O',
      'mtu',
    ];
    if (requestAddress !== undefined) args.push('-r', requestAddress);
    try {
      await this.#run('busybox', args, { timeoutMs: FOREVER_MS, signal, outputBytesMax: 65_536 });
    } catch (error) {
      if (!signal.aborted) {
        this.#failures.set(name, errorLine(error));
        this.#options.logger.warn({ interface: name, error: errorLine(error) }, 'DHCP client ended');
      }
    }
    await sleep(signal.aborted ? 0 : DHCP_RESTART_MS, signal).catch(() => {});
    this.#memory.dhcp.delete(name);
    this.#clients.delete(name);
  }

  async #stopDhcp(name: string): Promise<void> {
    const client = this.#clients.get(name);
    client?.stop.abort();
    await client?.ended;
    this.#memory.dhcp.delete(name);
    this.#memory.lostAtMs.delete(name);
    this.#dhcpSinceMs.delete(name);
    this.#unleased.delete(name);
    await rm(this.#leasePath(name), { force: true });
    // The next cable may lead into another network.
    await this.flush([name]);
  }

  /** Ends the client of a program that died before this one. */
  async #endLeftOver(name: string): Promise<void> {
    const pid = Number((await readFile(this.#pidPath(name), 'utf8').catch(() => '')).trim());
    if (!Number.isSafeInteger(pid) || pid <= 1) return;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    if (!commandLine.includes('udhcpc') || !commandLine.includes(name)) return;
    try {
      process.kill(pid);
    } catch {
      // It ended by itself in between.
    }
  }

  #leasePath(name: string): string {
    return join(this.#options.runDir ?? '/run/totaldeploy', `lease-${name}`);
  }

  #pidPath(name: string): string {
    return join(this.#options.runDir ?? '/run/totaldeploy', `udhcpc-${name}.pid`);
  }
}
