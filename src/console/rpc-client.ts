import { connect, type Socket } from 'node:net';
import { type ErrorCode, errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { LineSplitter, REPLY_BYTES_MAX, rpcReplySchema } from './rpc-messages.ts';

export interface RpcClient extends AsyncDisposable {
  /** @throws TdError as the console's method threw it, or `network` when the console went away. */
  call(method: string, params?: object, onEvent?: (event: unknown) => void): Promise<unknown>;
  close(): void;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: TdError): void;
  onEvent: ((event: unknown) => void) | undefined;
}

/**
 * Connects to the console running on this computer.
 *
 * @throws TdError `not-found` when none is running with this data directory.
 */
export async function connectConsole(socketPath: string): Promise<RpcClient> {
  return new SocketClient(await open(socketPath));
}

/** Whether a console is running with this socket. */
export async function isConsoleAlive(socketPath: string): Promise<boolean> {
  try {
    (await open(socketPath)).destroy();
    return true;
  } catch {
    return false;
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (cause) => {
      const absent = ['ENOENT', 'ECONNREFUSED'].includes(errnoOf(cause) ?? '');
      reject(
        new TdError(
          absent ? 'not-found' : 'io',
          absent
            ? `Cannot reach the console at "${path}": it is not running; start it with "totaldeploy console", or give its --data`
            : `Cannot reach the console at "${path}": ${errorLine(cause)}`,
          { cause },
        ),
      );
    });
  });
}

class SocketClient implements RpcClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #splitter = new LineSplitter(REPLY_BYTES_MAX);
  #nextId = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => {});
    socket.once('close', () => {
      const error = new TdError('network', 'The console went away; look at its log and start it again');
      for (const pending of this.#pending.values()) pending.reject(error);
      this.#pending.clear();
    });
  }

  call(method: string, params: object = {}, onEvent?: (event: unknown) => void): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new TdError('network', 'The console went away; look at its log and start it again'));
        return;
      }
      this.#pending.set(id, { resolve, reject, onEvent });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #take(bytes: Buffer): void {
    const lines = this.#splitter.push(bytes);
    if (lines === undefined) {
      this.#socket.destroy();
      return;
    }
    for (const line of lines) {
      const reply = rpcReplySchema.safeParse(tryJson(line));
      if (!reply.success) continue;
      const pending = this.#pending.get(reply.data.id);
      if (pending === undefined) continue;
      if ('event' in reply.data) {
        pending.onEvent?.(reply.data.event);
        continue;
      }
      this.#pending.delete(reply.data.id);
      if ('error' in reply.data) {
        const { code, message } = reply.data.error;
        pending.reject(new TdError(code as ErrorCode, message));
      } else pending.resolve(reply.data.result);
    }
  }
}

function tryJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
