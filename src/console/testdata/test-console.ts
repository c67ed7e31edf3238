import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConsoleOrder, type ControlClient, connectControl } from '../../control/control-client.ts';
import { type Identity, loadIdentity } from '../../control/identity.ts';
import type { AgentMessage, Deployment, Hello } from '../../control/messages.ts';
import { connectService, type ServiceClient } from '../../control/service-client.ts';
import { testMachine } from '../../control/testdata/test-machine.ts';
import { type ImageContents, writeImage } from '../../image/testdata/small-image.ts';
import { silentLog } from '../../lib/log.ts';
import type { TargetReport } from '../../schema/job.ts';
import type { ConsoleStatus } from '../console-methods.ts';
import { consolePaths } from '../console-paths.ts';
import { type ConsoleOptions, runConsole } from '../console-role.ts';
import type { MulticastOptions, MulticastSession, StartMulticast } from '../deploy-session.ts';
import { connectConsole, type RpcClient } from '../rpc-client.ts';
import { type ConsoleEvent, ConsoleStore } from '../store.ts';

/** A multicast that sends nothing: what the console does with sessions is looked at here. */
export class FakeMulticast {
  readonly sessions: FakeSession[] = [];
  readonly start: StartMulticast = (source, options) => {
    const session = new FakeSession(options);
    this.sessions.push(session);
    session.read = source.read;
    return session;
  };
}

export class FakeSession implements MulticastSession {
  readonly options: MulticastOptions;
  readonly reportPort = Promise.resolve(40_000);
  readonly added: number[] = [];
  readonly dropped: [number, string][] = [];
  stopped = false;
  read: (ordinal: number) => Promise<Buffer> = () => Promise.reject(new Error('no source'));
  readonly #result = Promise.withResolvers<object>();

  constructor(options: MulticastOptions) {
    this.options = options;
  }
  get done(): Promise<object> {
    return this.#result.promise;
  }
  addReceiver({ receiverId }: { receiverId: number }): void {
    this.added.push(receiverId);
  }
  dropReceiver(receiverId: number, reason: string): void {
    this.dropped.push([receiverId, reason]);
  }
  state(): { rateBytesPerSecond: number } {
    return { rateBytesPerSecond: 1_000_000 };
  }
  stop(): void {
    this.stopped = true;
    this.end();
  }
  end(): void {
    this.#result.resolve({ datagrams: 1 });
  }
  fail(error: Error): void {
    this.#result.reject(error);
  }
}

/** A computer that does what its test says; everything the console sends is kept. */
export class FakeComputer {
  readonly client: ControlClient;
  readonly orders: ConsoleOrder[] = [];
  readonly #cleanups: Pick<TestConsole, 'defer'>;

  constructor(client: ControlClient, cleanups: Pick<TestConsole, 'defer'>) {
    this.client = client;
    this.#cleanups = cleanups;
    client.onMessage((order) => this.orders.push(order));
  }

  send(message: AgentMessage): void {
    if (!this.client.send(message)) throw new Error('the connection is gone');
  }

  async order<T extends ConsoleOrder['type']>(
    type: T,
    number = 1,
  ): Promise<Extract<ConsoleOrder, { type: T }>> {
    const found = () => this.orders.filter((order) => order.type === type)[number - 1];
    await until(() => found() !== undefined, `order ${type} ${number}`);
    return found() as Extract<ConsoleOrder, { type: T }>;
  }

  /** Says yes to pre-flight and waits for the deployment. */
  async accept(number = 1): Promise<Deployment> {
    const { jobId } = await this.order('preflight', number);
    this.send({ type: 'preflight-result', jobId, ok: true, reason: '', disk: 'sda Disk' });
    return (await this.order('deploy', number)).deployment;
  }

  report(deployment: Deployment, changes: Partial<TargetReport> = {}): void {
    const report: TargetReport = {
      ok: true,
      error: '',
      disk: 'sda',
      writtenBytes: 1000,
      multicastChunks: deployment.image.chunkCount,
      tcpChunks: 0,
      datagrams: 10,
      lostFragments: 0,
      badDatagrams: 0,
      durationMs: 1500,
      root: deployment.image.root,
      ...changes,
    };
    this.send({ type: 'report', jobId: deployment.jobId, report });
  }

  service(): ServiceClient {
    const { serviceToken, servicePort } = this.client.welcome;
    const service = connectService({
      host: '127.0.0.1',
      port: servicePort,
      certificateSha256: this.client.certificateSha256,
      token: serviceToken,
    });
    this.#cleanups.defer(() => service.close());
    return service;
  }
}

export type TestConsoleOptions = Partial<
  Pick<ConsoleOptions, 'acceptUnknown' | 'parts' | 'dataDir' | 'hostNetwork'>
>;

/** A real console on the loopback interface with everything but discovery and multicast. */
export class TestConsole implements AsyncDisposable {
  readonly dir: string;
  readonly multicast = new FakeMulticast();
  status!: ConsoleStatus;
  identity!: Identity;
  rpc!: RpcClient;
  readonly #stop = new AbortController();
  readonly #cleanups: (() => unknown)[] = [];
  #running: Promise<void> | undefined;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async start(options: TestConsoleOptions = {}): Promise<TestConsole> {
    const own = options.dataDir === undefined;
    const base = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'td-console-')));
    const one = new TestConsole(base);
    if (own) one.defer(() => rm(base, { recursive: true, force: true }));
    const ready = Promise.withResolvers<ConsoleStatus>();
    one.#running = runConsole({
      dataDir: base,
      interface: 'lo',
      ports: { control: 0, service: 0 },
      name: 'test console',
      logger: silentLog,
      signal: one.#stop.signal,
      onReady: ready.resolve,
      ...options,
      parts: {
        startMulticast: one.multicast.start,
        startDiscovery: async () => ({ [Symbol.asyncDispose]: async () => {} }),
        ...options.parts,
        deployLimits: { tickMs: 20, ...options.parts?.deployLimits },
      },
    });
    one.#running.catch(ready.reject);
    try {
      one.status = await ready.promise;
      one.identity = await loadIdentity(consolePaths(base).identity);
      one.rpc = await connectConsole(consolePaths(base).socket);
    } catch (error) {
      await one[Symbol.asyncDispose]();
      throw error;
    }
    return one;
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async addImage(name: string, contents: ImageContents = {}): Promise<string> {
    const path = join(this.status.imagesDir, `${name}.sco`);
    await writeImage(path, contents);
    return path;
  }

  /** @param options `job`: says hello in the middle of that job. */
  async computer(
    number: number,
    role: 'agent' | 'backup' = 'agent',
    options: { job?: NonNullable<Hello['job']>; mtuBytes?: number } = {},
  ): Promise<FakeComputer> {
    const { mtuBytes, ...hello } = options;
    const machine = testMachine(number);
    if (mtuBytes !== undefined) machine.nics[0]!.mtuBytes = mtuBytes;
    const client = await connectControl({
      host: '127.0.0.1',
      port: this.status.ports.control,
      certificateSha256: this.identity.certificateSha256,
      siteKey: this.identity.siteKey,
      role,
      version: '0.0.0',
      machine,
      ...hello,
      logger: silentLog,
    });
    this.defer(() => client.close());
    return new FakeComputer(client, this);
  }

  /** Starts a deployment; `ended` resolves with its last snapshot. */
  async deploy(request: object): Promise<{ jobId: string; ended: Promise<DeployEnd> }> {
    const { jobId } = (await this.rpc.call('deploy', request)) as { jobId: string };
    return { jobId, ended: this.rpc.call('watch', { jobId }) as Promise<DeployEnd> };
  }

  events(): ConsoleEvent[] {
    using store = ConsoleStore.open(consolePaths(this.dir).database, { readOnly: true });
    return store.events();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.rpc?.close();
    this.#stop.abort();
    await this.#running?.catch(() => {});
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

export interface DeployEnd {
  state: string;
  error: string;
  targets: { computerId: string; name: string; state: string; reason: string }[];
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  waitMs = 15_000,
): Promise<void> {
  const endMs = performance.now() + waitMs;
  while (performance.now() < endMs) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}

/** `name: state` of every target, by name. */
export function states(end: DeployEnd): Record<string, string> {
  return Object.fromEntries(end.targets.map((one) => [one.name, one.state]));
}
