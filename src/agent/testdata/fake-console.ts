import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ControlConnection } from '../../control/control-connection.ts';
import { type ControlServer, startControlServer } from '../../control/control-server.ts';
import { createIdentity, type Identity, siteOf } from '../../control/identity.ts';
import { type ImageService, startImageService } from '../../control/image-service.ts';
import type { AgentMessage, ConsoleMessage, Deployment } from '../../control/messages.ts';
import { ServiceTokens } from '../../control/service-tokens.ts';
import type { ImageReader } from '../../image/image-reader.ts';
import { silentLog } from '../../lib/log.ts';
import { type SendSession, startSendSession } from '../../multicast/send-session.ts';
import type { TargetReport } from '../../schema/job.ts';
import type { Site } from '../../schema/site.ts';

const LOOPBACK = '127.0.0.1';
let nextGroup = 10;

/** A console for tests: real TLS, real image service and real multicast on loopback, orders by hand. */
export class FakeConsole implements AsyncDisposable {
  readonly identity: Identity;
  readonly image: ImageReader;
  readonly messages: AgentMessage[] = [];
  readonly sessions: SendSession[] = [];
  /** What the image service hands out, to be changed by tests. */
  readonly served: { manifestBytes: Buffer; indexBytes: Buffer; chunk(ordinal: number): Promise<Buffer> };
  server: ControlServer | undefined;
  connection: ControlConnection | undefined;
  connectionCount = 0;
  #service: ImageService | undefined;
  #port = 0;
  #killed = new AbortController();

  private constructor(identity: Identity, image: ImageReader) {
    this.identity = identity;
    this.image = image;
    this.served = {
      manifestBytes: image.manifestBytes,
      indexBytes: image.index.encode(),
      chunk: (ordinal) => image.readStored(ordinal),
    };
  }

  static async start(dir: string, image: ImageReader): Promise<FakeConsole> {
    const identity = await createIdentity(join(dir, `identity-${randomBytes(4).toString('hex')}`));
    const console = new FakeConsole(identity, image);
    await console.open();
    return console;
  }

  /** `HOST:PORT` for the agent. */
  get address(): string {
    return `${LOOPBACK}:${this.#port}`;
  }

  get site(): Site {
    return siteOf(this.identity, this.address);
  }

  /** Starts listening, again on the port it had. */
  async open(): Promise<void> {
    this.#killed = new AbortController();
    const { identity, image, served } = this;
    const tokens = new ServiceTokens();
    const common = { identity, host: LOOPBACK, tokens, logger: silentLog };
    this.#service = await startImageService({
      ...common,
      port: 0,
      images: async () => ({
        manifestBytes: served.manifestBytes,
        indexBytes: served.indexBytes,
        chunkCount: image.index.chunkCount,
        readStored: (ordinal) => served.chunk(ordinal),
      }),
      uploads: async () => {
        throw new Error('no uploads here');
      },
    });
    this.server = await startControlServer({
      ...common,
      port: this.#port,
      servicePort: this.#service.port,
      consoleName: 'test console',
      consoleVersion: '0.0.0',
      onConnection: (connection) => {
        this.connection = connection;
        this.connectionCount += 1;
        connection.onMessage((message) => this.messages.push(message));
      },
    });
    this.#port = this.server.port;
  }

  /** Goes away as if killed: a session that said its farewell would have the agent fetch the rest meanwhile. */
  async close(): Promise<void> {
    this.#killed.abort(new Error('the console was killed'));
    await Promise.allSettled(this.sessions.map((session) => session.done));
    await this.server?.close();
    await this.#service?.close();
    this.server = undefined;
    this.#service = undefined;
    this.connection = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.image.close();
  }

  send(message: ConsoleMessage): void {
    this.connection?.send(message);
  }

  /** Waits for a message. */
  async heard<Type extends AgentMessage['type']>(
    type: Type,
    fits: (message: Extract<AgentMessage, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<AgentMessage, { type: Type }>> {
    return until(`message ${type}`, () => {
      const found = this.messages.find(
        (message) => message.type === type && fits(message as Extract<AgentMessage, { type: Type }>),
      );
      return found as Extract<AgentMessage, { type: Type }> | undefined;
    });
  }

  async connected(): Promise<ControlConnection> {
    return until('connection', () => (this.connection?.closed === false ? this.connection : undefined));
  }

  async report(): Promise<TargetReport> {
    return (await this.heard('report')).report;
  }

  /** Starts a multicast session for one receiver and sends its deployment. */
  async deploy(
    changes: Partial<Deployment> & {
      jobId?: string;
      /** Sends nothing: the agent has to fetch. */
      silent?: boolean;
      rateBytesPerSecond?: number;
      read?: (ordinal: number) => Promise<Buffer>;
    } = {},
  ): Promise<void> {
    const { silent, rateBytesPerSecond, read, ...others } = changes;
    nextGroup += 1;
    const group = `239.254.77.${nextGroup % 250}`;
    const port = 20_000 + ((process.pid * 7 + nextGroup) % 20_000);
    const token = randomBytes(8);
    const key = randomBytes(32);
    let reportPort = 9;
    if (silent !== true) {
      const session = startSendSession(
        {
          chunkCount: this.image.index.chunkCount,
          storedBytes: (ordinal) => this.image.index.chunk(ordinal).storedBytes,
          read: read ?? ((ordinal) => this.image.readStored(ordinal)),
        },
        {
          token,
          key,
          group,
          port,
          interfaceAddress: LOOPBACK,
          reportPort: 0,
          receivers: [{ receiverId: 1, name: 'target' }],
          logger: silentLog,
          signal: this.#killed.signal,
          ...(rateBytesPerSecond === undefined
            ? {}
            : { rateBytesPerSecond, rateStartBytesPerSecond: rateBytesPerSecond }),
        },
      );
      session.done.catch(() => {});
      this.sessions.push(session);
      reportPort = await session.reportPort;
    }
    this.send({
      type: 'deploy',
      deployment: {
        jobId: 'job-1',
        image: {
          imageId: this.image.imageId,
          name: 'lab',
          root: this.image.root.toString('hex'),
          chunkCount: this.image.index.chunkCount,
          path: '/v1/images/lab',
        },
        session: {
          token: token.toString('hex'),
          receiverId: 1,
          group,
          port,
          reportPort,
          key: key.toString('hex'),
        },
        diskRule: 'first',
        after: 'wait',
        ...others,
      },
    });
  }
}

/** Waits until something is there; long, for a busy computer's disk takes many seconds to flush. */
export async function until<Value>(
  what: string,
  look: () => Value | undefined | false,
  waitMs = 45_000,
): Promise<Value> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`${what} never came`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
