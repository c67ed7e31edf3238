import { type ControlClient, connectControl } from '../control/control-client.ts';
import { findConsole } from '../control/discovery.ts';
import { connectService, type ServiceClient } from '../control/service-client.ts';
import type { ImageSink } from '../image/image-writer.ts';
import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ProgressState } from '../lib/progress.ts';
import { PROGRAM_VERSION } from '../lib/version.ts';
import { parseHostPort } from '../schema/boot-params.ts';
import type { CaptureStep } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';
import { DEFAULT_PORTS, type Site } from '../schema/site.ts';
import type { CapturePlan } from './capture-plan.ts';
import type { Destination } from './destination.ts';

const ACCEPT_TIMEOUT_MS = 60_000;
const PROGRESS_INTERVAL_MS = 1000;
const RECONNECT_MS_MIN = 1000;
const RECONNECT_MS_MAX = 15_000;
const LINE_CHARS_MAX = 1000;
/** What a chunk adds to its bytes: record header, index entry, placement. */
const CHUNK_OVERHEAD_BYTES = 512;
const IMAGE_OVERHEAD_BYTES = 16 * 1024 * 1024;
/** zstd cannot make a chunk that it cannot compress larger than this. */
const STORED_FACTOR_MAX = 1.04;

export interface ConsoleDestinationOptions {
  /** Name of the image at the console. */
  name: string;
  /** `HOST` or `HOST:PORT`; that of the site, or found on the network, when missing. */
  console?: string;
  site?: Site;
  machine: Machine;
  logger: Logger;
  signal: AbortSignal;
}

/**
 * Connects to the console the image goes to.
 *
 * @throws TdError `not-found`, `untrusted`, `refused`, `network`, `timeout`, `cancelled`.
 */
export async function connectDestination(options: ConsoleDestinationOptions): Promise<ConsoleDestination> {
  const at = await consoleAddress(options);
  const connect = async (signal: AbortSignal, certificateSha256 = options.site?.certificateSha256) =>
    await connectControl({
      ...at,
      certificateSha256,
      siteKey: options.site?.siteKey,
      role: 'backup',
      version: PROGRAM_VERSION,
      machine: options.machine,
      logger: options.logger,
      signal,
    });
  return new ConsoleDestination(await connect(options.signal), { ...options, connect });
}

async function consoleAddress(options: ConsoleDestinationOptions): Promise<{ host: string; port: number }> {
  const given = options.console || options.site?.console;
  if (given) {
    const at = parseHostPort(given);
    if (at === undefined)
      throw new TdError('usage', `Cannot connect to the console "${given}": use HOST or HOST:PORT`);
    return { host: at.host, port: at.port ?? DEFAULT_PORTS.control };
  }
  const addresses = options.machine.nics
    .flatMap((nic) => nic.addresses)
    .map((address) => address.split('/')[0] ?? '')
    .filter((address) => /^\d+\.\d+\.\d+\.\d+$/.test(address));
  const found = await findConsole({
    interfaceAddresses: addresses,
    certificateSha256: options.site?.certificateSha256,
    logger: options.logger,
    signal: options.signal,
  });
  return { host: found.address, port: found.controlPort };
}

type Connect = (signal: AbortSignal, certificateSha256: string) => Promise<ControlClient>;

/**
 * A console that takes the image over its HTTPS service while the disk is read. The control connection may
 * be cut for a while meanwhile: the upload stands by itself, and it alone says whether the image arrived.
 */
export class ConsoleDestination implements Destination {
  readonly title: string;
  readonly consoleName: string;
  readonly #name: string;
  readonly #logger: Logger;
  readonly #connect: Connect;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #client: ControlClient;
  #service: ServiceClient | undefined;
  #jobId: string | undefined;
  #progressAtMs = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(
    client: ControlClient,
    options: { name: string; logger: Logger; signal: AbortSignal; connect: Connect },
  ) {
    this.#name = options.name;
    this.#logger = options.logger;
    this.#connect = options.connect;
    this.#signal = AbortSignal.any([this.#stop.signal, options.signal]);
    this.consoleName = client.welcome.consoleName;
    this.title = `console ${this.consoleName} (${client.remoteAddress})`;
    this.#client = client;
    this.#follow(client);
  }

  #follow(client: ControlClient): void {
    this.#client = client;
    client.onMessage((message) => {
      if (message.type !== 'cancel' || message.jobId !== this.#jobId) return;
      this.#stop.abort(new TdError('cancelled', `The console cancelled the capture: ${message.reason}`));
    });
    client.onClose((reason) => {
      if (this.#ended) return;
      if (this.#service === undefined) this.#stop.abort(this.#lostError(reason));
      else void this.#reconnect(reason);
    });
  }

  #lostError(reason: string): TdError {
    const cure = 'check the console, then start the capture again';
    return new TdError('network', `The connection to the ${this.title} is lost: ${reason}; ${cure}`);
  }

  async #reconnect(reason: string): Promise<void> {
    this.#logger.warn({ reason }, 'control connection lost, the upload goes on');
    for (let waitMs = RECONNECT_MS_MIN; !this.#ended; waitMs = Math.min(waitMs * 2, RECONNECT_MS_MAX)) {
      try {
        await sleep(waitMs, this.#signal);
        const client = await this.#connect(this.#signal, this.#client.certificateSha256);
        if (this.#ended) return client.close();
        return this.#follow(client);
      } catch (error) {
        if (this.#signal.aborted) return;
        this.#logger.debug({ error: errorLine(error) }, 'the console cannot be reached yet');
      }
    }
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  async open(plan: CapturePlan): Promise<ImageSink> {
    const { jobId, path } = await this.#request(bytesMaxOf(plan));
    this.#jobId = jobId;
    this.#service = connectService({
      host: this.#client.remoteAddress,
      port: this.#client.welcome.servicePort,
      certificateSha256: this.#client.certificateSha256,
      token: this.#client.welcome.serviceToken,
      signal: this.#signal,
    });
    const upload = this.#service.openUpload(path);
    const explained = async (work: Promise<void>) => {
      try {
        await work;
      } catch (error) {
        const broken = error instanceof TdError && (error.code === 'network' || error.code === 'timeout');
        throw broken ? this.#lostError(error.message) : error;
      }
    };
    return {
      write: (bytes) => explained(upload.write(bytes)),
      sync: () => explained(upload.sync()),
      close: () => explained(upload.close()),
      abort: () => upload.abort(),
    };
  }

  async #request(bytesMax: number): Promise<{ jobId: string; path: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ jobId: string; path: string }>();
    const onLost = () => reject(this.#signal.reason);
    const timer = setTimeout(
      () =>
        reject(
          new TdError('timeout', `The ${this.title} does not answer the request to store "${this.#name}"`),
        ),
      ACCEPT_TIMEOUT_MS,
    );
    try {
      this.#signal.throwIfAborted();
      this.#signal.addEventListener('abort', onLost, { once: true });
      this.#client.onMessage((message) => {
        if (message.type === 'capture-accept') resolve({ jobId: message.jobId, path: message.path });
        if (message.type !== 'capture-refuse') return;
        reject(new TdError('refused', `The ${this.title} does not store "${this.#name}": ${message.reason}`));
      });
      this.#client.send({ type: 'capture-request', name: this.#name, bytesMax });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', onLost);
    }
  }

  state(step: CaptureStep, detail: string): void {
    const jobId = this.#jobId;
    if (jobId === undefined) return;
    this.#client.send({ type: 'state', jobId, step, detail: detail.slice(0, LINE_CHARS_MAX) });
  }

  progress(state: ProgressState): void {
    const jobId = this.#jobId;
    const nowMs = performance.now();
    if (jobId === undefined || nowMs - this.#progressAtMs < PROGRESS_INTERVAL_MS) return;
    this.#progressAtMs = nowMs;
    const { doneBytes, totalBytes, bytesPerSecond } = state;
    this.#client.send({ type: 'progress', jobId, doneBytes, totalBytes, bytesPerSecond });
  }

  async end(error: TdError | undefined): Promise<void> {
    this.#ended = true;
    const jobId = this.#jobId;
    if (jobId === undefined) return;
    const line = (error?.message ?? '').slice(0, LINE_CHARS_MAX);
    const sent = this.#client.send({ type: 'capture-end', jobId, ok: error === undefined, error: line });
    if (!sent) this.#logger.warn({ jobId }, 'the console could not be told how the capture ended');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#stop.abort(new TdError('cancelled', 'The capture has ended'));
    this.#service?.close();
    this.#client.close();
  }
}

/** More than the image can become, for the console's own check of its free space. */
function bytesMaxOf(plan: CapturePlan): number {
  const mebibytes = (bytes: number) => Math.ceil(bytes / (1024 * 1024));
  const cells = plan.parts.reduce(
    (sum, { part, extents }) =>
      sum + Math.min(mebibytes(part.sizeBytes), mebibytes(part.usedBytes) + 2 * extents.length),
    0,
  );
  return Math.ceil(plan.usedBytes * STORED_FACTOR_MAX) + cells * CHUNK_OVERHEAD_BYTES + IMAGE_OVERHEAD_BYTES;
}
