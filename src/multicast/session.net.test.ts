import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RATE_CEILING_BYTES_PER_SECOND, RATE_START_BYTES_PER_SECOND } from './limits.ts';
import { type TestNetwork, testNetwork } from './testdata/network.ts';
import type { PeerOptions } from './testdata/session-peer.ts';

/** The project's own Node, whatever runs this test: it must take TypeScript as it is. */
const NODE = new URL('../../node_modules/.bin/node', import.meta.url).pathname;
const PEER = new URL('testdata/session-peer.ts', import.meta.url).pathname;
const IMAGE_BYTES_MIN = 64_000_000;
const TEST_MS_MAX = 180_000;

/** A process of the session and what it has said so far. */
class Peer {
  readonly child: ChildProcess;
  readonly said: Record<string, unknown>[] = [];
  readonly #waiting: (() => void)[] = [];
  errors = '';

  constructor(namespace: string, options: PeerOptions) {
    this.child = spawn('ip', ['netns', 'exec', namespace, NODE, PEER, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.said.push(JSON.parse(line));
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.child.stderr!.on('data', (part) => {
      this.errors += part;
    });
    this.child.on('close', () => {
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Waits for the first line with a key; fails when the process ends without it. */
  async says<T>(key: string, matches: (value: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const line = this.said.find((entry) => key in entry && matches(entry[key] as T));
      if (line !== undefined) return line[key] as T;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without "${key}": ${JSON.stringify(this.said.at(-1))} ${this.errors}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

interface SenderDone {
  durationMs: number;
  datagrams: number;
  repairDatagrams: number;
  rateBytesPerSecond: number;
  receivers: { receiverId: number; standing: string; loss: number }[];
}

let directory: string;
const peers: Peer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'td-multicast-'));
});

afterEach(async () => {
  for (const { child } of peers.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
  await rm(directory, { recursive: true, force: true });
});

/** Chunks from 100 bytes to over a megabyte. */
async function makeImage(): Promise<{ path: string; chunkBytes: number[]; sha256: string }> {
  const chunkBytes: number[] = [];
  for (let sum = 0, i = 0; sum < IMAGE_BYTES_MIN; i += 1) {
    const bytes = i % 11 === 0 ? 100 + i : 300_000 + ((i * 7919) % 800_000);
    chunkBytes.push(bytes);
    sum += bytes;
  }
  const bytes = randomBytes(chunkBytes.reduce((sum, size) => sum + size, 0));
  const path = join(directory, 'image');
  await writeFile(path, bytes);
  return { path, chunkBytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function startSession(
  network: TestNetwork,
  image: { path: string; chunkBytes: number[] },
  options: { key: string; rateStartBytesPerSecond?: number },
): Promise<{ sender: Peer; receivers: Peer[]; paths: string[] }> {
  const [senderHost, ...receiverHosts] = network.hosts;
  const common = {
    chunkBytes: image.chunkBytes,
    token: randomBytes(8).toString('hex'),
    key: options.key,
    receivers: receiverHosts.length,
    writeMs: 0,
    rateBytesPerSecond: RATE_CEILING_BYTES_PER_SECOND,
    rateStartBytesPerSecond: options.rateStartBytesPerSecond ?? RATE_START_BYTES_PER_SECOND,
  };
  const start = (namespace: string, own: Omit<PeerOptions, keyof typeof common>) => {
    const peer = new Peer(namespace, { ...common, ...own });
    peers.push(peer);
    return peer;
  };
  const { address, namespace } = senderHost!;
  const nowhere = { address, port: 0 };
  const sender = start(namespace, {
    role: 'send',
    path: image.path,
    address,
    receiverId: 0,
    reportTo: nowhere,
  });
  const port = await sender.says<number>('reportPort');
  const paths = receiverHosts.map((_, i) => join(directory, `target${i + 1}`));
  const receivers = receiverHosts.map((host, i) =>
    start(host.namespace, {
      role: 'receive',
      path: paths[i]!,
      address: host.address,
      receiverId: i + 1,
      reportTo: { address, port },
    }),
  );
  return { sender, receivers, paths };
}

async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

function tell(title: string, image: { chunkBytes: number[] }, done: SenderDone): void {
  const bytes = image.chunkBytes.reduce((sum, size) => sum + size, 0);
  const goodput = bytes / done.durationMs / 1000;
  const repairs = (100 * done.repairDatagrams) / done.datagrams;
  process.stdout.write(
    `${title}: ${(bytes / 1e6).toFixed(0)} MB in ${(done.durationMs / 1000).toFixed(1)} s, ` +
      `${goodput.toFixed(1)} MB/s, ${repairs.toFixed(0)} % repairs\n`,
  );
}

describe('a session between processes in network namespaces', () => {
  it('brings equal bytes to three receivers, sealed, with 2 % of the datagrams lost', {
    timeout: TEST_MS_MAX,
  }, async () => {
    await using network = await testNetwork(4, { lossPercent: 2 });
    const image = await makeImage();
    const key = randomBytes(32).toString('hex');
    const { sender, receivers, paths } = await startSession(network, image, { key });
    for (const receiver of receivers) await receiver.says('done');
    const done = await sender.says<SenderDone>('done');
    tell('2 % loss, sealed', image, done);
    for (const path of paths) expect(await sha256Of(path)).toBe(image.sha256);
    expect(done.receivers.map((receiver) => receiver.standing)).toEqual(['complete', 'complete', 'complete']);
    expect(done.repairDatagrams).toBeGreaterThan(0);
  });

  it('goes on without a receiver that is killed half-way', { timeout: TEST_MS_MAX }, async () => {
    await using network = await testNetwork(4, { lossPercent: 2 });
    const image = await makeImage();
    const { sender, receivers, paths } = await startSession(network, image, { key: '' });
    await receivers[0]!.says<number>('progress', (part) => part >= 0.4);
    receivers[0]!.child.kill('SIGKILL');
    for (const receiver of receivers.slice(1)) await receiver.says('done');
    const done = await sender.says<SenderDone>('done');
    for (const path of paths.slice(1)) expect(await sha256Of(path)).toBe(image.sha256);
    expect(await sha256Of(paths[0]!)).not.toBe(image.sha256);
    expect(done.receivers.map((receiver) => receiver.standing)).toEqual(['dropped', 'complete', 'complete']);
  });

  it('fills a clean network', { timeout: TEST_MS_MAX }, async () => {
    await using network = await testNetwork(3, { lossPercent: 0 });
    const image = await makeImage();
    const { sender, receivers, paths } = await startSession(network, image, {
      key: '',
      rateStartBytesPerSecond: RATE_CEILING_BYTES_PER_SECOND,
    });
    for (const receiver of receivers) await receiver.says('done');
    tell('no loss, not sealed', image, await sender.says<SenderDone>('done'));
    for (const path of paths) expect(await sha256Of(path)).toBe(image.sha256);
  });
});
