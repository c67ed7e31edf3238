import { type Clock, monotonicClock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ChunkLayout, checkChunkSizes, chunkLayout } from './chunk-layout.ts';
import { openSendEndpoint, type SendEndpoint } from './endpoint.ts';
import {
  DATAGRAM_BYTES_DEFAULT,
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  HEADER_BYTES,
  SEND_QUEUE_DATAGRAMS_MAX,
  TIMER_MS_MAX,
} from './limits.ts';
import { encodeAnswer, encodeHeartbeat, newDataHeader, packetKind } from './packet.ts';
import type { RateOptions } from './rate.ts';
import { decodeReport } from './report-packet.ts';
import { Sender } from './sender.ts';
import type { ReceiverNotice, ReplyAddress, SenderAction, SenderEvent, SendState } from './sender-events.ts';
import { type SessionKeys, sessionKeys } from './session-keys.ts';

/** The chunks of one image; they must not change while the session runs. */
export interface SendSource {
  chunkCount: number;
  storedBytes(ordinal: number): number;
  read(ordinal: number): Promise<Buffer>;
}

export interface SendOptions {
  /** 8 random bytes that name the session. */
  token: Buffer;
  /** 32 random bytes; without it nothing is sealed or authenticated. */
  key?: Buffer;
  group: string;
  port: number;
  interfaceAddress: string;
  /** UDP port for reports; 0 for any. */
  reportPort: number;
  /** The most that is sent; default 112.5 MB/s. */
  rateBytesPerSecond?: number;
  /** Where the search for the right rate starts; default 8 MB/s. */
  rateStartBytesPerSecond?: number;
  /** UDP payload of a full datagram; default 1472. Larger only where every receiver's network takes it. */
  datagramBytes?: number;
  /** Default 1. */
  ttl?: number;
  receivers: readonly { receiverId: number; name: string }[];
  logger: Logger;
  clock?: Clock;
  signal?: AbortSignal;
  onEvent?(event: ReceiverNotice): void;
}

export interface SendSummary extends SendState {
  durationMs: number;
}

export interface SendSession {
  /** Known as soon as the sockets are open; rejects with `network` when they cannot be. */
  readonly reportPort: Promise<number>;
  /** Resolves when every receiver is complete, dropped or silent past the limit. */
  readonly done: Promise<SendSummary>;
  addReceiver(receiver: { receiverId: number; name: string }): void;
  dropReceiver(receiverId: number, reason: string): void;
  state(): SendState;
  /** Ends the session for all who are not complete. */
  stop(): void;
}

/**
 * Sends an image to a group of receivers.
 *
 * @throws TdError (through `done`) `network`, `io` when a chunk cannot be read, `cancelled`; at once
 *   `invalid` or `usage` for sizes beyond the protocol.
 */
export function startSendSession(source: SendSource, options: SendOptions): SendSession {
  return new SendDriver(source, options);
}

class SendDriver implements SendSession {
  readonly #source: SendSource;
  readonly #options: SendOptions;
  readonly #keys: SessionKeys;
  readonly #layout: ChunkLayout;
  readonly #clock: Clock;
  readonly #sender: Sender;
  readonly #startMs: number;
  /** Wire bytes of the chunks the state machine wants held. */
  readonly #chunks = new Map<number, Buffer>();
  readonly #header = newDataHeader();
  readonly #result = Promise.withResolvers<SendSummary>();
  #endpoint: SendEndpoint | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #over = false;
  readonly reportPort: Promise<number>;

  constructor(source: SendSource, options: SendOptions) {
    this.#source = source;
    this.#options = options;
    const datagramBytes = options.datagramBytes ?? DATAGRAM_BYTES_DEFAULT;
    if (datagramBytes < DATAGRAM_BYTES_MIN || datagramBytes > DATAGRAM_BYTES_MAX) {
      throw new TdError(
        'usage',
        `Cannot send datagrams of ${datagramBytes} bytes: ${DATAGRAM_BYTES_MIN} to ${DATAGRAM_BYTES_MAX} are allowed`,
      );
    }
    this.#keys = sessionKeys(options.token, options.key);
    this.#layout = chunkLayout(source, {
      sealed: this.#keys.sealed,
      fragmentBytes: datagramBytes - HEADER_BYTES,
    });
    checkChunkSizes(this.#layout);
    this.#clock = options.clock ?? monotonicClock;
    this.#startMs = this.#clock.nowMs();
    this.#sender = new Sender(
      {
        layout: this.#layout,
        sealed: this.#keys.sealed,
        receivers: options.receivers,
        rate: rateOptions(options),
      },
      this.#startMs,
    );
    this.#header.fragmentBytes = this.#layout.fragmentBytes;
    this.#header.sealed = this.#keys.sealed;
    this.reportPort = this.#open(datagramBytes);
    // Whoever only waits for one of the two promises must not be ended by the other.
    this.#result.promise.catch(() => {});
    this.reportPort.catch((error) => this.#finish({ error }));
  }

  get done(): Promise<SendSummary> {
    return this.#result.promise;
  }

  addReceiver(receiver: { receiverId: number; name: string }): void {
    this.#handle({ kind: 'add-receiver', ...receiver });
  }

  dropReceiver(receiverId: number, reason: string): void {
    this.#handle({ kind: 'drop-receiver', receiverId, reason });
  }

  state(): SendState {
    return this.#sender.state(this.#clock.nowMs());
  }

  stop(): void {
    this.#handle({ kind: 'stop', reason: 'the session was stopped' });
  }

  async #open(datagramBytes: number): Promise<number> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const endpoint = await openSendEndpoint({
      ...this.#options,
      datagramBytes,
      onReport: (bytes, from) => this.#onDatagram(bytes, from),
    });
    if (this.#over) {
      await endpoint.close();
      throw new TdError('cancelled', 'The session was stopped before it began');
    }
    this.#endpoint = endpoint;
    const onAbort = () => this.#finish({ error: signal?.reason });
    signal?.addEventListener('abort', onAbort, { once: true });
    const forget = () => signal?.removeEventListener('abort', onAbort);
    this.#result.promise.then(forget, forget);
    if (signal?.aborted) onAbort();
    this.#tick();
    return endpoint.reportPort;
  }

  #onDatagram(bytes: Buffer, from: ReplyAddress): void {
    const kind = packetKind(bytes, this.#keys.token);
    const decoded =
      kind.ok && kind.value === 'report' ? decodeReport(bytes, this.#keys, this.#layout) : undefined;
    if (decoded?.ok) {
      const replyTo = { address: from.address, port: from.port };
      this.#handle({ kind: 'report', report: decoded.value, replyTo });
      return;
    }
    const reason = !kind.ok ? kind.reason : decoded === undefined ? 'not a report' : decoded.reason;
    this.#options.logger.debug({ from: from.address, reason }, 'datagram dropped');
    this.#handle({ kind: 'bad-datagram' });
  }

  #tick(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (this.#over) return;
    // When the network card is the brake, wait for it instead of queueing.
    if ((this.#endpoint?.queueLength ?? 0) > SEND_QUEUE_DATAGRAMS_MAX)
      this.#schedule(this.#clock.nowMs() + 1);
    else this.#handle({ kind: 'tick' });
  }

  #handle(event: SenderEvent): void {
    if (this.#over) return;
    const nowMs = this.#clock.nowMs();
    for (const action of this.#sender.handle(event, nowMs)) this.#act(action);
    this.#schedule(this.#sender.nextWakeMs(nowMs));
  }

  #schedule(atMs: number): void {
    if (this.#over || this.#endpoint === undefined || atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const delayMs = Math.min(Math.max(atMs - this.#clock.nowMs(), 1), TIMER_MS_MAX);
    this.#timer = setTimeout(() => this.#tick(), delayMs);
  }

  #act(action: SenderAction): void {
    switch (action.kind) {
      case 'send':
        this.#send(action);
        break;
      case 'heartbeat':
        this.#endpoint?.sendToGroup(encodeHeartbeat(action.heartbeat, this.#keys));
        break;
      case 'answer': {
        const { receiverId, incarnation, sequence } = action.report;
        const { beat, verdict } = action;
        const answer = { receiverId, incarnation, reportSequence: sequence, beat, verdict };
        this.#endpoint?.answer(encodeAnswer(answer, this.#keys), action.replyTo);
        break;
      }
      case 'read':
        void this.#read(action.ordinal);
        break;
      case 'release':
        this.#chunks.delete(action.ordinal);
        break;
      case 'notice':
        this.#options.logger.info({ ...action.notice }, 'receiver changed');
        this.#options.onEvent?.(action.notice);
        break;
      case 'end':
        this.#finish({});
        break;
      case 'fail':
        this.#finish({ error: new TdError('io', action.reason) });
        break;
    }
  }

  #send(run: Extract<SenderAction, { kind: 'send' }>): void {
    const chunk = this.#chunks.get(run.ordinal);
    if (chunk === undefined || this.#endpoint === undefined) return;
    const header = this.#header;
    const { fragmentBytes } = this.#layout;
    header.ordinal = run.ordinal;
    header.fragmentCount = this.#layout.fragmentCount(run.ordinal);
    header.pass = run.pass;
    for (let i = 0; i < run.count; i += 1) {
      header.fragment = run.first + i;
      header.sequence = run.sequence + i;
      const start = header.fragment * fragmentBytes;
      const end = Math.min(start + fragmentBytes, chunk.length);
      this.#endpoint.sendFragment(header, chunk, { start, end });
    }
  }

  async #read(ordinal: number): Promise<void> {
    try {
      const stored = await this.#source.read(ordinal);
      const wanted = this.#source.storedBytes(ordinal);
      if (stored.length !== wanted) throw new Error(`${stored.length} bytes instead of ${wanted}`);
      this.#chunks.set(ordinal, this.#keys.seal(ordinal, stored));
      this.#handle({ kind: 'chunk-ready', ordinal });
    } catch (error) {
      this.#handle({ kind: 'chunk-failed', ordinal, reason: errorLine(error) });
    }
  }

  #finish(end: { error?: unknown }): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#chunks.clear();
    const closed = this.#endpoint?.close() ?? Promise.resolve();
    if ('error' in end) {
      void closed.then(() => this.#result.reject(end.error));
      return;
    }
    const nowMs = this.#clock.nowMs();
    const summary = { ...this.#sender.state(nowMs), durationMs: nowMs - this.#startMs };
    void closed.then(() => this.#result.resolve(summary));
  }
}

function rateOptions(options: SendOptions): RateOptions {
  const { rateBytesPerSecond, rateStartBytesPerSecond } = options;
  return {
    ...(rateBytesPerSecond === undefined ? {} : { ceilingBytesPerSecond: rateBytesPerSecond }),
    ...(rateStartBytesPerSecond === undefined ? {} : { startBytesPerSecond: rateStartBytesPerSecond }),
  };
}
