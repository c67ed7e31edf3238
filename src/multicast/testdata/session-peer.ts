// One side of a session as a process of its own, for session.net.test.ts: `session-peer.ts JSON`.
// Prints one JSON object a line: {reportPort}, {progress}, {done}, {failed}.
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { errorLine } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { startReceiveSession } from '../receive-session.ts';
import { startSendSession } from '../send-session.ts';

export interface PeerOptions {
  role: 'send' | 'receive';
  path: string;
  chunkBytes: number[];
  token: string;
  key: string;
  address: string;
  receiverId: number;
  receivers: number;
  reportTo: { address: string; port: number };
  /** Each write takes so long, as on a slow disk. */
  writeMs: number;
  rateBytesPerSecond: number;
  rateStartBytesPerSecond: number;
}

const GROUP = '239.254.1.2';
const PORT = 5004;
const TCP_PORT = 5003;

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function offsets(chunkBytes: readonly number[]): number[] {
  let sum = 0;
  return chunkBytes.map((bytes) => {
    sum += bytes;
    return sum - bytes;
  });
}

function shared(options: PeerOptions) {
  return {
    token: Buffer.from(options.token, 'hex'),
    ...(options.key === '' ? {} : { key: Buffer.from(options.key, 'hex') }),
    group: GROUP,
    port: PORT,
    interfaceAddress: options.address,
    logger: silentLog,
  };
}

async function send(options: PeerOptions): Promise<void> {
  await using file = await open(options.path, 'r');
  const at = offsets(options.chunkBytes);
  const read = async (ordinal: number) => {
    const bytes = Buffer.allocUnsafe(options.chunkBytes[ordinal]!);
    await file.read(bytes, 0, bytes.length, at[ordinal]!);
    return bytes;
  };
  const server = createServer(async (request, response) =>
    response.end(await read(Number(request.url!.slice(1)))),
  );
  server.listen(TCP_PORT, options.address);
  const session = startSendSession(
    { chunkCount: at.length, storedBytes: (ordinal) => options.chunkBytes[ordinal]!, read },
    {
      ...shared(options),
      reportPort: 0,
      rateBytesPerSecond: options.rateBytesPerSecond,
      rateStartBytesPerSecond: options.rateStartBytesPerSecond,
      receivers: Array.from({ length: options.receivers }, (_, i) => ({
        receiverId: i + 1,
        name: `receiver ${i + 1}`,
      })),
      onEvent: (event) => say({ event }),
    },
  );
  say({ reportPort: await session.reportPort });
  say({ done: await session.done, cpu: process.cpuUsage() });
  server.close();
  server.closeAllConnections();
}

async function receive(options: PeerOptions): Promise<void> {
  await using file = await open(options.path, 'w+');
  const at = offsets(options.chunkBytes);
  let saidBytes = 0;
  const session = startReceiveSession(
    {
      chunkCount: at.length,
      storedBytes: (ordinal) => options.chunkBytes[ordinal]!,
      deliver: async (ordinal, bytes) => {
        await file.write(bytes, 0, bytes.length, at[ordinal]!);
        if (options.writeMs > 0) await delay(options.writeMs);
        return 'ok';
      },
      fetch: async (ordinal) => {
        const response = await fetch(`http://${options.reportTo.address}:${TCP_PORT}/${ordinal}`);
        return Buffer.from(await response.arrayBuffer());
      },
    },
    {
      ...shared(options),
      receiverId: options.receiverId,
      reportTo: options.reportTo,
      onProgress: (doneBytes, totalBytes) => {
        if (doneBytes - saidBytes < totalBytes / 20) return;
        saidBytes = doneBytes;
        say({ progress: doneBytes / totalBytes });
      },
    },
  );
  say({ done: await session.done, state: session.state(), cpu: process.cpuUsage() });
}

const options: PeerOptions = JSON.parse(process.argv[2] ?? '{}');
try {
  await (options.role === 'send' ? send(options) : receive(options));
} catch (error) {
  say({ failed: errorLine(error) });
  process.exitCode = 1;
}
