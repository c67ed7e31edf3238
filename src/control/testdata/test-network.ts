import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { run } from '../../lib/spawn.ts';

export interface StartedProgram {
  child: ChildProcessWithoutNullStreams;
  /** What it has written so far. */
  output(): string;
}

/**
 * Computers on one switch, each a network namespace, for tests as root: nothing of it is seen outside this machine, and
 * all of it is gone when it is disposed of.
 */
export class TestNetwork implements AsyncDisposable {
  readonly #prefix: string;
  readonly #namespaces: string[] = [];
  readonly #started: StartedProgram[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @param prefix at most four letters, to tell what a test that was killed has left. */
  static async create(prefix: string): Promise<TestNetwork> {
    const network = new TestNetwork(`${prefix}${process.pid}`);
    const hub = await network.#namespace('hub');
    await run('ip', ['-n', hub, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0']);
    await run('ip', ['-n', hub, 'link', 'set', 'br0', 'up']);
    return network;
  }

  /** Adds a computer with one card, `eth0`. */
  async add(name: string, address: string): Promise<void> {
    const [hub] = this.#namespaces as [string];
    const own = await this.#namespace(name);
    const port = `p-${name}`;
    await run('ip', ['-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own]);
    await run('ip', ['-n', hub, 'link', 'set', port, 'master', 'br0', 'up']);
    await run('ip', ['-n', own, 'link', 'set', 'lo', 'up']);
    await run('ip', ['-n', own, 'link', 'set', 'eth0', 'up']);
    await run('ip', ['-n', own, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
  }

  /** Plugs the card of a computer in or out. */
  async setLink(name: string, state: 'up' | 'down'): Promise<void> {
    const [hub] = this.#namespaces as [string];
    await run('ip', ['-n', hub, 'link', 'set', `p-${name}`, state]);
  }

  /** Arguments of `ip` that run a program on a computer. */
  command(name: string, program: string, args: readonly string[]): string[] {
    return ['netns', 'exec', `${this.#prefix}${name}`, program, ...args];
  }

  /** Starts a program on a computer; it is killed with the network. */
  start(name: string, program: string, args: readonly string[]): StartedProgram {
    let output = '';
    const child = spawn('ip', this.command(name, program, args));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const started = { child, output: () => output };
    this.#started.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#started) child.kill('SIGKILL');
    for (const name of this.#namespaces.reverse()) await run('ip', ['netns', 'del', name]).catch(() => {});
  }

  async #namespace(name: string): Promise<string> {
    const full = `${this.#prefix}${name}`;
    await run('ip', ['netns', 'add', full]);
    this.#namespaces.push(full);
    return full;
  }
}
