import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { errorLine, TdError } from '../lib/errors.ts';
import { connectPinned } from './pinned-tls.ts';
import { codeOfStatus } from './service-status.ts';

const RESPONSE_BYTES_MAX = 1024 * 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;
const IDLE_MS_MAX = 60_000;
const SOCKETS_MAX = 4;
// After the last byte the console checks the whole image before it answers.
const FINISH_MS_MAX = 30 * 60_000;

export interface ServiceClientOptions {
  host: string;
  port: number;
  /** As seen on the control connection (`ControlClient.certificateSha256`). */
  certificateSha256: string | undefined;
  /** Bearer token from the welcome. */
  token: string;
  localAddress?: string;
  /** A transfer without a byte for this long is given up; default 60,000. */
  idleMsMax?: number;
  signal?: AbortSignal;
}

export interface GetOptions {
  /** First and last byte, both included. */
  range?: { first: number; last: number };
  /** Default 1 GiB. */
  bytesMax?: number;
  signal?: AbortSignal;
}

/** A forward-only stream to the console, shaped like an image sink. */
export interface Upload {
  /** Resolves when the bytes are accepted; waiting for it is the back-pressure. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing can be forced to disk from here; the console does so at the end. */
  sync(): Promise<void>;
  /** Sends the end and waits until the console has checked and kept everything. */
  close(): Promise<void>;
  /** Breaks off: the console removes what it has. */
  abort(): Promise<void>;
}

export interface ServiceClient extends AsyncDisposable {
  /**
   * @throws TdError `not-found`, `untrusted` (token), `incomplete` when cut short, `network`, `timeout`.
   */
  getBuffer(path: string, options?: GetOptions): Promise<Buffer>;
  openUpload(path: string): Upload;
  close(): void;
}

/** Talks to a console's image service over the certificate pinned on the control connection. */
export function connectService(options: ServiceClientOptions): ServiceClient {
  const agent = new PinnedAgent(options);
  const close = () => agent.destroy();
  return {
    getBuffer: (path, getOptions = {}) => getBuffer(agent, path, { ...options, ...getOptions }),
    openUpload: (path) => new HttpUpload(agent, path, options),
    close,
    [Symbol.asyncDispose]: async () => close(),
  };
}

class PinnedAgent extends Agent {
  readonly #options: ServiceClientOptions;

  constructor(options: ServiceClientOptions) {
    super({ keepAlive: true, maxSockets: SOCKETS_MAX });
    this.#options = options;
  }

  override createConnection(
    _request: object,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    connectPinned(this.#options).then(
      ({ socket }) => callback?.(null, socket),
      (error) => callback?.(error, undefined as unknown as Duplex),
    );
  }
}

type RequestOptions = ServiceClientOptions & GetOptions;

function startRequest(
  agent: Agent,
  path: string,
  options: RequestOptions & { method: string; headers?: Record<string, string> },
): ClientRequest {
  return request({
    agent,
    host: options.host,
    port: options.port,
    method: options.method,
    path: encodeURI(path),
    headers: { authorization: `Bearer ${options.token}`, ...options.headers },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function getBuffer(agent: Agent, path: string, options: RequestOptions): Promise<Buffer> {
  const { range, bytesMax = RESPONSE_BYTES_MAX, idleMsMax = IDLE_MS_MAX } = options;
  const what = `"${path}" from the console`;
  const headers: Record<string, string> =
    range === undefined ? {} : { range: `bytes=${range.first}-${range.last}` };
  const get = startRequest(agent, path, { ...options, method: 'GET', headers });
  get.setTimeout(idleMsMax, () =>
    get.destroy(new TdError('timeout', `Cannot read ${what}: nothing came for ${idleMsMax / 1000} s`)),
  );
  try {
    get.end();
    const response = await responseOf(get);
    if (response.statusCode !== 200 && response.statusCode !== 206) {
      throw await refusal(response, `Cannot read ${what}`);
    }
    const body = await collect(response, bytesMax);
    if (!response.complete) throw new TdError('incomplete', `Cannot read ${what}: it was cut short`);
    return body;
  } catch (cause) {
    get.destroy();
    throw asTdError(cause, `Cannot read ${what}`, options.signal);
  }
}

function responseOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.once('close', () => reject(new Error('the console closed the connection')));
  });
}

async function collect(response: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let heldBytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    heldBytes += part.length;
    if (heldBytes > bytesMax) throw new TdError('invalid', `the answer is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function refusal(response: IncomingMessage, what: string): Promise<TdError> {
  let reason = `status ${response.statusCode}`;
  try {
    const body: unknown = JSON.parse((await collect(response, ERROR_BYTES_MAX)).toString('utf8'));
    const told = (body as { error?: unknown } | null)?.error;
    if (typeof told === 'string') reason = told.slice(0, 500);
  } catch {
    // The status alone has to do.
  }
  return new TdError(codeOfStatus(response.statusCode ?? 0), `${what}: ${reason}`);
}

function asTdError(cause: unknown, what: string, signal: AbortSignal | undefined): TdError {
  if (cause instanceof TdError) return cause;
  if (signal?.aborted) return new TdError('cancelled', `${what}: cancelled`, { cause });
  return new TdError('network', `${what}: ${errorLine(cause)}`, { cause });
}

/** A PUT that begins with the first write, so that preparing what to send may take its time. */
class HttpUpload implements Upload {
  readonly #agent: Agent;
  readonly #path: string;
  readonly #options: ServiceClientOptions;
  readonly #what: string;
  #put: ClientRequest | undefined;
  #answer: Promise<IncomingMessage> | undefined;
  #error: TdError | undefined;
  #wake: (() => void) | undefined;
  #closing = false;

  constructor(agent: Agent, path: string, options: ServiceClientOptions) {
    this.#agent = agent;
    this.#path = path;
    this.#options = options;
    this.#what = `Cannot send "${path}" to the console`;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    const put = this.#start();
    if (put.write(bytes)) return;
    await this.#drained(put);
    if (this.#error !== undefined) throw this.#error;
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    const put = this.#start();
    this.#closing = true;
    put.setTimeout(FINISH_MS_MAX);
    put.end();
    try {
      const response = await this.#answer!;
      if (response.statusCode !== 201) throw await refusal(response, this.#what);
      response.resume();
      await finished(response);
    } catch (cause) {
      throw this.#fail(cause);
    }
  }

  async abort(): Promise<void> {
    this.#fail(new TdError('cancelled', `${this.#what}: broken off`));
  }

  #start(): ClientRequest {
    if (this.#put !== undefined) return this.#put;
    const { idleMsMax = IDLE_MS_MAX } = this.#options;
    const put = startRequest(this.#agent, this.#path, { ...this.#options, method: 'PUT' });
    this.#put = put;
    this.#answer = responseOf(put);
    this.#answer.then(
      (response) => {
        if (this.#closing) return;
        // The console answers before the end only to say why it takes no more.
        refusal(response, this.#what).then((error) => this.#fail(error));
      },
      (cause) => this.#fail(cause),
    );
    put.on('error', (cause) => this.#fail(cause));
    put.on('timeout', () => {
      if (put.writableNeedDrain || this.#closing) {
        this.#fail(new TdError('timeout', `${this.#what}: it takes nothing for ${idleMsMax / 1000} s`));
      }
    });
    put.setTimeout(idleMsMax);
    return put;
  }

  #drained(put: ClientRequest): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        put.off('drain', done);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = done;
      put.once('drain', done);
      if (this.#error !== undefined) done();
    });
  }

  #fail(cause: unknown): TdError {
    this.#error ??= asTdError(cause, this.#what, this.#options.signal);
    this.#put?.destroy();
    this.#wake?.();
    return this.#error;
  }
}
