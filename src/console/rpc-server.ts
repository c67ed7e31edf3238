import { chmod, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { LineSplitter, REQUEST_BYTES_MAX, rpcRequestSchema } from './rpc-messages.ts';

const CLIENTS_MAX = 100;
const REQUESTS_MAX = 32;

export interface RpcCall {
  params: Record<string, unknown>;
  /** Sends something before the result. */
  emit(event: unknown): void;
  /** Aborts when the client goes away. */
  signal: AbortSignal;
}

export type RpcMethods = Readonly<Record<string, (call: RpcCall) => Promise<unknown>>>;

export interface RpcServer extends AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Serves commands on a Unix socket (0600). A socket file that nobody listens on any more is replaced.
 *
 * @throws TdError `io` when the socket cannot be made. That no other console lives here is checked by the caller.
 */
export async function startRpcServer(
  path: string,
  options: { methods: RpcMethods; logger: Logger },
): Promise<RpcServer> {
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serveClient(socket, options);
  });
  server.maxConnections = CLIENTS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new TdError('io', `Cannot open the console's socket "${path}": ${errorLine(cause)}`, { cause })),
    );
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { close, [Symbol.asyncDispose]: close };
}

function serveClient(socket: Socket, options: { methods: RpcMethods; logger: Logger }): void {
  const gone = new AbortController();
  const splitter = new LineSplitter(REQUEST_BYTES_MAX);
  let running = 0;
  socket.on('error', () => {});
  socket.once('close', () => gone.abort());
  const send = (message: object) => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  socket.on('data', (bytes: Buffer) => {
    const lines = splitter.push(bytes);
    if (lines === undefined) {
      socket.destroy();
      return;
    }
    for (const line of lines) {
      if (running >= REQUESTS_MAX) {
        socket.destroy();
        return;
      }
      running += 1;
      answer(line, { ...options, send, signal: gone.signal }).finally(() => {
        running -= 1;
      });
    }
  });
}

async function answer(
  line: string,
  context: { methods: RpcMethods; logger: Logger; send(message: object): void; signal: AbortSignal },
): Promise<void> {
  let id = 0;
  try {
    const request = rpcRequestSchema.parse(JSON.parse(line));
    id = request.id;
    const method = Object.hasOwn(context.methods, request.method)
      ? context.methods[request.method]
      : undefined;
    if (method === undefined) throw new TdError('usage', `The console knows no "${request.method}"`);
    const result = await method({
      params: request.params,
      emit: (event) => context.send({ id, event }),
      signal: context.signal,
    });
    context.send({ id, result: result ?? null });
  } catch (error) {
    const code = error instanceof TdError ? error.code : 'invalid';
    if (!(error instanceof TdError)) context.logger.warn({ error: errorLine(error) }, 'a command failed');
    context.send({ id, error: { code, message: errorLine(error) } });
  }
}
