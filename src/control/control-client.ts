import type { TLSSocket } from 'node:tls';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Machine } from '../schema/machine.ts';
import { checkMessage, encodeFrame, FrameDecoder, type FrameResult } from './frames.ts';
import {
  type AgentMessage,
  type ConsoleMessage,
  consoleMessageSchema,
  type Hello,
  PROTOCOL_VERSION,
} from './messages.ts';
import { connectPinned } from './pinned-tls.ts';
import { siteProof } from './site-proof.ts';

const WELCOME_TIMEOUT_MS = 15_000;
const SILENCE_MS_MAX = 20_000;
const BACKLOG_BYTES_MAX = 8 * 1024 * 1024;
const BAD_FRAMES_MAX = 10;
const UNREAD_MESSAGES_MAX = 1000;

export type Welcome = Extract<ConsoleMessage, { type: 'welcome' }>;
/** What the console sends after the welcome; pings are answered here. */
export type ConsoleOrder = Exclude<ConsoleMessage, { type: 'welcome' | 'refuse' | 'ping' }>;

export interface ControlClientOptions {
  host: string;
  port: number;
  /** From the site image; undefined trusts whichever console answers. */
  certificateSha256: string | undefined;
  /** 64 hexadecimal digits or 32 bytes, from the site image; undefined sends no proof. */
  siteKey: string | Uint8Array | undefined;
  role: Hello['role'];
  version: string;
  machine: Machine;
  /** The job that goes on here since an earlier connection. */
  job?: NonNullable<Hello['job']>;
  localAddress?: string;
  /** Nothing heard for this long: the console is taken for gone. Default 20,000. */
  silenceMsMax?: number;
  welcomeTimeoutMs?: number;
  logger: Logger;
  signal?: AbortSignal;
}

/** A computer's connection to its console. */
export interface ControlClient extends AsyncDisposable {
  readonly welcome: Welcome;
  /** The certificate that answered: pin the image service to it. */
  readonly certificateSha256: string;
  /** Own address on this connection. */
  readonly localAddress: string;
  /** The console's address on this connection: where multicast reports go. */
  readonly remoteAddress: string;
  /** False when the connection is gone or stuck; nothing is thrown. */
  send(message: AgentMessage): boolean;
  /** Messages that came before the first handler are kept for it. */
  onMessage(handler: (message: ConsoleOrder) => void): void;
  /** Called once with the reason, at once when the connection is closed already. */
  onClose(handler: (reason: string) => void): void;
  readonly closed: boolean;
  close(): void;
}

/**
 * Connects to a console, proves the site key and waits for the welcome.
 *
 * @throws TdError `untrusted` on another certificate, `refused` with the console's reason, `network`,
 *   `timeout`, `cancelled`.
 */
export async function connectControl(options: ControlClientOptions): Promise<ControlClient> {
  const { socket, certificateSha256 } = await connectPinned(options);
  const connection = new ClientConnection(socket, { ...options, certificateSha256 });
  try {
    await connection.greet(helloFor(socket, options));
  } catch (error) {
    connection.close();
    throw error;
  }
  return connection;
}

function helloFor(socket: TLSSocket, options: ControlClientOptions): Hello {
  const { siteKey } = options;
  const key = typeof siteKey === 'string' ? Buffer.from(siteKey, 'hex') : siteKey;
  return {
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    role: options.role,
    version: options.version.slice(0, 40),
    proof: key === undefined ? '' : siteProof(socket, key),
    machine: options.machine,
    ...(options.job === undefined ? {} : { job: options.job }),
  };
}

class ClientConnection implements ControlClient {
  readonly certificateSha256: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly #socket: TLSSocket;
  readonly #options: ControlClientOptions;
  readonly #decoder = new FrameDecoder();
  readonly #closeHandlers = new Set<(reason: string) => void>();
  #messageHandlers: ((message: ConsoleOrder) => void)[] = [];
  #unread: ConsoleOrder[] = [];
  #welcome: Welcome | undefined;
  #onWelcome: ((error?: TdError) => void) | undefined;
  #silenceTimer: NodeJS.Timeout;
  #badFrames = 0;
  #closeReason = 'the console closed the connection';
  #closed = false;

  constructor(socket: TLSSocket, options: ControlClientOptions & { certificateSha256: string }) {
    this.#socket = socket;
    this.#options = options;
    this.certificateSha256 = options.certificateSha256;
    this.localAddress = (socket.localAddress ?? '').replace(/^::ffff:/, '');
    this.remoteAddress = (socket.remoteAddress ?? options.host).replace(/^::ffff:/, '');
    const silenceMsMax = options.silenceMsMax ?? SILENCE_MS_MAX;
    this.#silenceTimer = setTimeout(
      () => this.#end(`nothing heard from the console for ${silenceMsMax / 1000} s`),
      silenceMsMax,
    );
    socket.setNoDelay(true);
    socket.on('error', (error) => this.#end(errorLine(error)));
    socket.on('close', () => this.#end(this.#closeReason));
    socket.on('data', (bytes: Buffer) => {
      this.#silenceTimer.refresh();
      for (const result of this.#decoder.push(bytes)) this.#take(result);
    });
  }

  get welcome(): Welcome {
    return this.#welcome!;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends the hello; resolves at the welcome. */
  greet(hello: Hello): Promise<void> {
    const { host, port, signal, welcomeTimeoutMs = WELCOME_TIMEOUT_MS } = this.#options;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#onWelcome?.(new TdError('cancelled', 'Connecting was cancelled'));
      const timer = setTimeout(
        () =>
          this.#onWelcome?.(
            new TdError(
              'timeout',
              `Cannot join the console at ${host}:${port}: it does not answer the hello`,
            ),
          ),
        welcomeTimeoutMs,
      );
      this.#onWelcome = (error) => {
        this.#onWelcome = undefined;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.send(hello);
    });
  }

  send(message: AgentMessage): boolean {
    if (this.#closed || this.#socket.destroyed || !this.#socket.writable) return false;
    this.#socket.write(encodeFrame(message));
    if (this.#socket.writableLength <= BACKLOG_BYTES_MAX) return true;
    this.#end('the console no longer takes what is sent');
    return false;
  }

  onMessage(handler: (message: ConsoleOrder) => void): void {
    this.#messageHandlers.push(handler);
    const unread = this.#unread;
    this.#unread = [];
    for (const message of unread) handler(message);
  }

  onClose(handler: (reason: string) => void): void {
    if (this.#closed) handler(this.#closeReason);
    else this.#closeHandlers.add(handler);
  }

  close(): void {
    // Ends in order, so that a last report still arrives.
    if (!this.#closed) this.#socket.end();
    this.#end('closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #take(result: FrameResult): void {
    if (this.#closed) return;
    if (!result.ok) {
      this.#bad(result.reason, result.fatal);
      return;
    }
    const checked = checkMessage(consoleMessageSchema, result.value);
    if (checked.ok) this.#act(checked.message);
    else this.#bad(checked.reason, false);
  }

  #act(message: ConsoleMessage): void {
    if (message.type === 'ping') this.send({ type: 'pong' });
    else if (message.type === 'welcome') this.#welcomed(message);
    else if (message.type === 'refuse') this.#refused(message.reason);
    else if (this.#welcome === undefined) this.#bad('an order before the welcome', false);
    else if (this.#messageHandlers.length > 0) for (const handler of this.#messageHandlers) handler(message);
    else if (this.#unread.length < UNREAD_MESSAGES_MAX) this.#unread.push(message);
  }

  #welcomed(message: Welcome): void {
    if (this.#welcome !== undefined) {
      this.#bad('a second welcome', false);
      return;
    }
    if (message.protocol !== PROTOCOL_VERSION) {
      this.#refused(`the console speaks protocol ${message.protocol}, this medium ${PROTOCOL_VERSION}`);
      return;
    }
    this.#welcome = message;
    this.#onWelcome?.();
  }

  #refused(reason: string): void {
    const { host, port } = this.#options;
    const error = new TdError('refused', `The console at ${host}:${port} refused this computer: ${reason}`);
    this.#onWelcome?.(error);
    this.#end(`refused: ${reason}`);
  }

  #bad(reason: string, fatal: boolean): void {
    this.#badFrames += 1;
    this.#options.logger.debug({ reason, badFrames: this.#badFrames }, 'dropped a wrong frame');
    if (fatal || this.#badFrames > BAD_FRAMES_MAX) this.#end(`the console sends wrong frames: ${reason}`);
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeReason = reason;
    clearTimeout(this.#silenceTimer);
    if (reason !== 'closed') this.#socket.destroy();
    else setTimeout(() => this.#socket.destroy(), 2000).unref();
    const { host, port } = this.#options;
    this.#onWelcome?.(new TdError('network', `Cannot join the console at ${host}:${port}: ${reason}`));
    for (const handler of this.#closeHandlers) handler(reason);
    this.#closeHandlers.clear();
    this.#messageHandlers = [];
  }
}
