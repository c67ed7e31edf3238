import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { TdError } from '../../src/lib/errors.ts';
import { type RunResult, run } from '../../src/lib/spawn.ts';
import { ChildProgram } from './child-process.ts';
import { onInterrupt } from './last-resort.ts';

/** `tdlab-PID-N`: the process id tells a forgotten namespace from one in use. */
const NAMESPACE_PATTERN = /^tdlab-(\d+)-\d+$/;
const TAPS_MAX = 64;
/** For router advertisements, without which iPXE waits 13 seconds. */
const IPV6_ADDRESS = 'fd77::1/64';
/** Image data would fill the disk and tell nothing; who spoke, and the heads of packets, do. */
const CAPTURE_FILTER = 'not udp port 5004 and not tcp port 5003';
const CAPTURED_PACKETS_MAX = 500_000;

let lastNumber = 0;

export interface NetworkOptions {
  /** The server's address on the bridge; default `10.77.0.1/24`. */
  address?: string;
  /** The bridge forwards multicast only to ports that asked for it, as managed switches do; default false. */
  igmpSnooping?: boolean;
  /** Default 9000: a frame costs a machine in software nearly as much as the bytes in it. */
  mtuBytes?: number;
  /** Writes all traffic to this file. */
  capturePath?: string;
}

const MTU_BYTES_DEFAULT = 9000;

/** A network of the test's own: a namespace with a bridge, to which machines connect by taps. */
export class TestNetwork implements AsyncDisposable {
  static readonly BRIDGE = 'br0';
  readonly namespace: string;
  readonly address: string;
  /** Of the bridge and of every tap; machines learn it from the DHCP server. */
  readonly mtuBytes: number;
  readonly capturePath: string | undefined;
  readonly #forget: () => void;
  #capture: ChildProgram | undefined;
  #taps = 0;

  private constructor(
    namespace: string,
    options: { address: string; mtuBytes: number; capturePath: string | undefined },
  ) {
    this.namespace = namespace;
    this.address = options.address;
    this.mtuBytes = options.mtuBytes;
    this.capturePath = options.capturePath;
    this.#forget = onInterrupt(() => spawnSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' }));
  }

  /** @throws TdError `tool-failed` without the right to make network namespaces (root). */
  static async create(options: NetworkOptions = {}): Promise<TestNetwork> {
    await removeForgotten();
    lastNumber += 1;
    const namespace = `tdlab-${process.pid}-${lastNumber}`;
    const address = options.address ?? '10.77.0.1/24';
    await run('ip', ['netns', 'add', namespace]);
    const { mtuBytes = MTU_BYTES_DEFAULT, capturePath } = options;
    const network = new TestNetwork(namespace, { address, mtuBytes, capturePath });
    try {
      await network.#setUp(options.igmpSnooping ?? false);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The server's address without prefix length. */
  get host(): string {
    return this.address.split('/')[0]!;
  }

  async #setUp(igmpSnooping: boolean): Promise<void> {
    const snooping = igmpSnooping ? '1' : '0';
    const bridge = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', snooping];
    await this.ip(['link', 'set', 'lo', 'up']);
    await this.ip(['link', 'add', TestNetwork.BRIDGE, 'mtu', String(this.mtuBytes), ...bridge]);
    if (igmpSnooping) {
      await this.ip(['link', 'set', TestNetwork.BRIDGE, 'type', 'bridge', 'mcast_querier', '1']);
    }
    await this.ip(['address', 'add', this.address, 'dev', TestNetwork.BRIDGE]);
    await this.ip(['address', 'add', IPV6_ADDRESS, 'dev', TestNetwork.BRIDGE, 'nodad']);
    await this.ip(['link', 'set', TestNetwork.BRIDGE, 'up']);
    await this.ip(['route', 'add', '224.0.0.0/4', 'dev', TestNetwork.BRIDGE]);
    if (this.capturePath !== undefined) await this.#startCapture(this.capturePath);
  }

  async #startCapture(path: string): Promise<void> {
    const limits = ['-U', '-s', '400', '-c', String(CAPTURED_PACKETS_MAX), '-Z', 'root'];
    const args = ['-i', TestNetwork.BRIDGE, ...limits, '-w', path, CAPTURE_FILTER];
    const logPath = `${path}.log`;
    this.#capture = await ChildProgram.start('tcpdump', args, { namespace: this.namespace, logPath });
  }

  /** A new port of the switch: the name of its tap device. */
  async addTap(): Promise<string> {
    if (this.#taps >= TAPS_MAX) throw new TdError('usage', `A test network has at most ${TAPS_MAX} taps`);
    this.#taps += 1;
    const tap = `tap${this.#taps}`;
    await this.ip(['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
    await this.ip(['link', 'set', tap, 'mtu', String(this.mtuBytes), 'master', TestNetwork.BRIDGE, 'up']);
    return tap;
  }

  /** Runs `ip` inside the namespace. */
  async ip(args: readonly string[]): Promise<RunResult> {
    return await run('ip', ['-n', this.namespace, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#capture?.stop();
    await run('ip', ['netns', 'del', this.namespace], { okCodes: [0, 1] });
    this.#forget();
  }
}

/** Removes namespaces of test processes that were killed before they could. */
async function removeForgotten(): Promise<void> {
  const names = await readdir('/run/netns').catch(() => []);
  for (const name of names) {
    const pid = name.match(NAMESPACE_PATTERN)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) {
      await run('ip', ['netns', 'del', name], { okCodes: [0, 1] });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
