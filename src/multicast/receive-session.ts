import { type Clock, monotonicClock, type Random, systemRandom } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { openReceiveEndpoint, type ReceiveEndpoint } from './endpoint.ts';
import { DELIVERIES_PARALLEL_MAX, HEADER_BYTES, TIMER_MS_MAX } from './limits.ts';
import { decodeAnswer, decodeDataHeader, decodeHeartbeat, newDataHeader, packetKind } from './packet.ts';
import { Receiver, type ReceiverAction, type ReceiverEvent, type ReceiverState } from './receiver.ts';
import { type SessionKeys, sessionKeys } from './session-keys.ts';

/** Where chunks go, and where those come from that multicast does not bring. */
export interface ReceiveSource {
  chunkCount: number;
  storedBytes(ordinal: number): number;
  /** Verifies and writes a chunk; `bytes` may be reused when the promise has settled. */
  deliver(ordinal: number, bytes: Buffer): Promise<'ok' | 'damaged'>;
  /** Gets a chunk's stored bytes over TCP. */
  fetch(ordinal: number): Promise<Buffer>;
  /** Chunks that are already where they belong. */
  have?: Iterable<number>;
}

export interface ReceiveOptions {
  token: Buffer;
  receiverId: number;
  key?: Buffer;
  group: string;
  port: number;
  interfaceAddress: string;
  reportTo: { address: string; port: number };
  logger: Logger;
  clock?: Clock;
  random?: Random;
  signal?: AbortSignal;
  /** Default 10,000: nothing heard for this long and the rest goes over TCP. */
  silenceMsMax?: number;
  /** Default 64 MiB: memory for chunks in assembly and in delivery. */
  assemblyBytesMax?: number;
  onProgress?(doneBytes: number, totalBytes: number): void;
}

export interface ReceiveSummary {
  multicastChunks: number;
  tcpChunks: number;
  datagrams: number;
  lostFragments: number;
  badDatagrams: number;
  durationMs: number;
}

export interface ReceiveSession {
  /** Resolves when every chunk was delivered. */
  readonly done: Promise<ReceiveSummary>;
  state(): ReceiverState;
}

/**
 * Receives an image that a {@link startSendSession} elsewhere sends.
 *
 * @throws TdError (through `done`) `network` when neither multicast nor TCP brings the rest, `cancelled`;
 *   whatever `deliver` throws ends the session with that error.
 */
export function startReceiveSession(source: ReceiveSource, options: ReceiveOptions): ReceiveSession {
  return new ReceiveDriver(source, options);
}

class ReceiveDriver implements ReceiveSession {
  readonly #source: ReceiveSource;
  readonly #options: ReceiveOptions;
  readonly #keys: SessionKeys;
  readonly #clock: Clock;
  readonly #receiver: Receiver;
  readonly #startMs: number;
  readonly #event: Extract<ReceiverEvent, { kind: 'data' }> = {
    kind: 'data',
    header: newDataHeader(),
    payload: Buffer.alloc(0),
  };
  /** Complete chunks waiting their turn; as many as the state machine lets in. */
  readonly #waiting: { ordinal: number; wire: Buffer }[] = [];
  readonly #result = Promise.withResolvers<ReceiveSummary>();
  readonly #totalBytes: number;
  #doneBytes = 0;
  #delivering = 0;
  #endpoint: ReceiveEndpoint | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #over = false;

  constructor(source: ReceiveSource, options: ReceiveOptions) {
    this.#source = source;
    this.#options = options;
    this.#keys = sessionKeys(options.token, options.key);
    this.#clock = options.clock ?? monotonicClock;
    this.#startMs = this.#clock.nowMs();
    const random = options.random ?? systemRandom;
    const have = [...(source.have ?? [])];
    this.#receiver = new Receiver(
      {
        receiverId: options.receiverId,
        incarnation: Math.floor(random() * 0x1_0000_0000),
        sizes: source,
        keys: this.#keys,
        random,
        have,
        ...(options.silenceMsMax === undefined ? {} : { silenceMsMax: options.silenceMsMax }),
        ...(options.assemblyBytesMax === undefined ? {} : { assemblyBytesMax: options.assemblyBytesMax }),
      },
      this.#startMs,
    );
    let totalBytes = 0;
    for (let ordinal = 0; ordinal < source.chunkCount; ordinal += 1)
      totalBytes += source.storedBytes(ordinal);
    this.#totalBytes = totalBytes;
    for (const ordinal of new Set(have)) this.#doneBytes += source.storedBytes(ordinal);
    this.#result.promise.catch(() => {}); // it may be awaited only later
    this.#open().catch((error) => this.#finish({ error }));
  }

  get done(): Promise<ReceiveSummary> {
    return this.#result.promise;
  }

  state(): ReceiverState {
    return this.#receiver.state();
  }

  async #open(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const endpoint = await openReceiveEndpoint({
      ...this.#options,
      onDatagram: (bytes) => this.#onDatagram(bytes),
    });
    this.#endpoint = endpoint;
    const onAbort = () => this.#finish({ error: signal?.reason });
    signal?.addEventListener('abort', onAbort, { once: true });
    const forget = () => signal?.removeEventListener('abort', onAbort);
    this.#result.promise.then(forget, forget);
    if (signal?.aborted) onAbort();
    this.#handle({ kind: 'tick' });
  }

  #onDatagram(bytes: Buffer): void {
    if (this.#over) return;
    const kind = packetKind(bytes, this.#keys.token);
    if (kind.ok && kind.value === 'data') this.#onData(bytes);
    else this.#onControl(bytes, kind.ok ? kind.value : kind.reason);
  }

  #onData(bytes: Buffer): void {
    const event = this.#event;
    const problem = decodeDataHeader(bytes, event.header);
    if (problem === undefined) {
      event.payload = bytes.subarray(HEADER_BYTES);
      this.#handle(event);
    } else {
      this.#onBad(problem);
    }
  }

  #onControl(bytes: Buffer, kind: string): void {
    if (kind === 'heartbeat') {
      const decoded = decodeHeartbeat(bytes, this.#keys);
      if (decoded.ok) this.#handle({ kind: 'heartbeat', heartbeat: decoded.value });
      else this.#onBad(decoded.reason);
    } else if (kind === 'answer') {
      const decoded = decodeAnswer(bytes, this.#keys);
      if (decoded.ok) this.#handle({ kind: 'answer', answer: decoded.value });
      else this.#onBad(decoded.reason);
    } else {
      this.#onBad(kind);
    }
  }

  #onBad(reason: string): void {
    this.#receiver.countBadDatagram();
    this.#options.logger.debug({ reason }, 'datagram dropped');
  }

  #handle(event: ReceiverEvent): void {
    if (this.#over) return;
    const nowMs = this.#clock.nowMs();
    for (const action of this.#receiver.handle(event, nowMs)) this.#act(action);
    if (event.kind !== 'data') this.#schedule(nowMs);
  }

  #schedule(nowMs: number): void {
    const atMs = this.#receiver.nextWakeMs;
    if (this.#over || atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Number.POSITIVE_INFINITY;
        this.#handle({ kind: 'tick' });
      },
      Math.min(Math.max(atMs - nowMs, 1), TIMER_MS_MAX),
    );
  }

  #act(action: ReceiverAction): void {
    switch (action.kind) {
      case 'deliver':
        this.#waiting.push(action);
        this.#deliverNext();
        break;
      case 'fetch':
        void this.#fetch(action.ordinal);
        break;
      case 'send-report':
        this.#endpoint?.sendReport(action.bytes);
        break;
      case 'end':
        this.#finish({});
        break;
      case 'fail':
        this.#finish({ error: new TdError('network', action.reason) });
        break;
    }
  }

  #deliverNext(): void {
    while (this.#delivering < DELIVERIES_PARALLEL_MAX && !this.#over) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#delivering += 1;
      void this.#deliver(next.ordinal, this.#keys.open(next.ordinal, next.wire)).finally(() => {
        this.#delivering -= 1;
        this.#deliverNext();
      });
    }
  }

  async #deliver(ordinal: number, stored: Buffer | undefined): Promise<void> {
    try {
      const verdict = stored === undefined ? 'damaged' : await this.#source.deliver(ordinal, stored);
      if (verdict === 'ok') this.#noteProgress(ordinal);
      this.#handle({ kind: 'delivered', ordinal, verdict });
    } catch (error) {
      this.#finish({ error });
    }
  }

  async #fetch(ordinal: number): Promise<void> {
    let stored: Buffer;
    try {
      stored = await this.#source.fetch(ordinal);
    } catch (error) {
      this.#handle({ kind: 'fetch-failed', ordinal, reason: errorLine(error) });
      return;
    }
    await this.#deliver(ordinal, stored);
  }

  #noteProgress(ordinal: number): void {
    this.#doneBytes += this.#source.storedBytes(ordinal);
    this.#options.onProgress?.(this.#doneBytes, this.#totalBytes);
  }

  #finish(end: { error?: unknown }): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    const closed = this.#endpoint?.close() ?? Promise.resolve();
    if ('error' in end) {
      void closed.then(() => this.#result.reject(end.error));
      return;
    }
    const state = this.#receiver.state();
    const summary = {
      multicastChunks: state.multicastChunks,
      tcpChunks: state.tcpChunks,
      datagrams: state.datagrams,
      lostFragments: state.lostFragments,
      badDatagrams: state.badDatagrams,
      durationMs: this.#clock.nowMs() - this.#startMs,
    };
    void closed.then(() => this.#result.resolve(summary));
  }
}
