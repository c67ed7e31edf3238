import { randomBytes } from 'node:crypto';
import type { Deployment } from '../control/messages.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { datagramBytesFor, MTU_BYTES_DEFAULT, ownMtuBytes } from './datagram-size.ts';
import type { ImageLease } from './image-library.ts';

export interface Receiver {
  receiverId: number;
  name: string;
  /** Of the card it is connected by; default 1500. */
  mtuBytes?: number;
}

/** What the console needs of a multicast session; src/multicast/send-session.ts is one. */
export interface MulticastSession {
  reportPort: Promise<number>;
  addReceiver(receiver: Receiver): void;
  dropReceiver(receiverId: number, reason: string): void;
  /** Resolves with a summary when no receiver needs anything more; rejects when the image cannot be read. */
  done: Promise<object>;
  state(): { rateBytesPerSecond: number };
  stop(): void;
}

export interface MulticastOptions {
  token: Buffer;
  key: Buffer;
  group: string;
  port: number;
  interfaceAddress: string;
  reportPort: number;
  rateBytesPerSecond?: number;
  datagramBytes: number;
  receivers: Receiver[];
  onEvent(event: { kind: string; receiverId: number; detail: string }): void;
  logger: Logger;
}

export type StartMulticast = (
  source: {
    chunkCount: number;
    storedBytes(ordinal: number): number;
    read(ordinal: number): Promise<Buffer>;
  },
  options: MulticastOptions,
) => MulticastSession;

const SESSIONS_MAX = 250;
const STOP_MS_MAX = 2000;

/** Groups for sessions that run at the same time: `239.254.1.2`, `.3` and up. */
export class SessionPlaces {
  readonly #taken = new Set<number>();
  readonly #firstGroup: string;
  readonly #port: number;

  constructor(firstGroup: string, port: number) {
    this.#firstGroup = firstGroup;
    this.#port = port;
  }

  /** @throws TdError `refused` when 250 sessions run already. */
  take(): { group: string; port: number; release: () => void } {
    const [a, b, c, d] = this.#firstGroup.split('.').map(Number);
    for (let number = 0; number < SESSIONS_MAX; number += 1) {
      if (this.#taken.has(number)) continue;
      this.#taken.add(number);
      const group = `${a}.${b}.${c}.${(d ?? 0) + number}`;
      return { group, port: this.#port, release: () => this.#taken.delete(number) };
    }
    throw new TdError(
      'refused',
      'Cannot start another multicast session: 250 are running; wait for one to end',
    );
  }
}

export interface TransmissionOptions {
  places: SessionPlaces;
  interfaceAddress: string;
  /** Upper limit in Mbit/s; 0 leaves it to the session. */
  rateMbit: number;
  /** 0 fills one frame of the narrowest card in the session. */
  datagramBytes: number;
  start: StartMulticast;
  onStarted(details: {
    group: string;
    port: number;
    reportPort: number;
    receivers: number;
    datagramBytes: number;
  }): void;
  onEvent: MulticastOptions['onEvent'];
  /** The session cannot go on, e.g. the image turned out damaged. */
  onError(error: unknown): void;
  logger: Logger;
}

interface LiveSession {
  session: MulticastSession;
  /** What every target of the session is told alike. */
  facts: Omit<Deployment['session'], 'receiverId'>;
  ended: boolean;
  release: () => void;
}

/** The multicast side of one job: one session after the other, mostly just one. */
export class Transmission {
  readonly #lease: ImageLease;
  readonly #options: TransmissionOptions;
  readonly #summaries: object[] = [];
  #joins: Promise<unknown> = Promise.resolve();
  #current: LiveSession | undefined;
  #nextReceiverId = 1;

  constructor(lease: ImageLease, options: TransmissionOptions) {
    this.#lease = lease;
    this.#options = options;
  }

  get bytesPerSecond(): number {
    const current = this.#current;
    return current === undefined || current.ended ? 0 : current.session.state().rateBytesPerSecond;
  }

  /** Of the sessions that have ended. */
  get summaries(): readonly object[] {
    return this.#summaries;
  }

  /** A number no receiver of this job had before: an old one's reports cannot be taken for a new one's. */
  newReceiverId(): number {
    const receiverId = this.#nextReceiverId;
    this.#nextReceiverId += 1;
    return receiverId;
  }

  /**
   * Adds receivers to the running session, or starts one when there is none any more.
   *
   * @throws TdError when a session cannot be started.
   */
  join(receivers: Receiver[]): Promise<LiveSession['facts']> {
    // One after the other: two that come back at the same time must not start a session each.
    const joined = this.#joins.then(() => this.#joinNow(receivers));
    this.#joins = joined.catch(() => {});
    return joined;
  }

  async #joinNow(receivers: Receiver[]): Promise<LiveSession['facts']> {
    const running = this.#current;
    if (running !== undefined && !running.ended) {
      for (const receiver of receivers) running.session.addReceiver(receiver);
      return running.facts;
    }
    return (await this.#startSession(receivers)).facts;
  }

  drop(receiverId: number, reason: string): void {
    const current = this.#current;
    if (current !== undefined && !current.ended) current.session.dropReceiver(receiverId, reason);
  }

  /** Ends the session that runs, for its summary; one that does not end is left alone after two seconds. */
  async stop(): Promise<void> {
    await this.#joins;
    const live = this.#current;
    if (live === undefined || live.ended) return;
    live.session.stop();
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      live.session.done.catch(() => {}),
      new Promise((resolve) => {
        timer = setTimeout(resolve, STOP_MS_MAX);
      }),
    ]);
    clearTimeout(timer);
    live.release();
  }

  async #startSession(receivers: Receiver[]): Promise<LiveSession> {
    const { reader } = this.#lease;
    const { places, interfaceAddress, rateMbit, logger, onEvent } = this.#options;
    const mtus = receivers.map(({ mtuBytes }) => mtuBytes ?? MTU_BYTES_DEFAULT);
    const datagramBytes =
      this.#options.datagramBytes || datagramBytesFor([await ownMtuBytes(interfaceAddress), ...mtus]);
    const { group, port, release } = places.take();
    const token = randomBytes(8);
    const key = randomBytes(32);
    let session: MulticastSession;
    try {
      session = this.#options.start(
        {
          chunkCount: reader.index.chunkCount,
          storedBytes: (ordinal) => reader.index.chunk(ordinal).storedBytes,
          read: (ordinal) => reader.readStored(ordinal),
        },
        {
          ...{ token, key, group, port, interfaceAddress, reportPort: 0, receivers, onEvent, logger },
          datagramBytes,
          ...(rateMbit === 0 ? {} : { rateBytesPerSecond: (rateMbit * 1_000_000) / 8 }),
        },
      );
    } catch (error) {
      release();
      throw error;
    }
    const facts = { token: token.toString('hex'), key: key.toString('hex'), group, port, reportPort: 0 };
    const live: LiveSession = { session, facts, ended: false, release };
    // Listened for before anything is awaited: a session may end at once.
    session.done.then(
      (summary) => {
        live.ended = true;
        release();
        this.#summaries.push(summary);
      },
      (error) => {
        live.ended = true;
        release();
        logger.error({ error: errorLine(error) }, 'multicast session failed');
        this.#options.onError(error);
      },
    );
    facts.reportPort = await session.reportPort;
    this.#current = live;
    this.#options.onStarted({
      group,
      port,
      reportPort: facts.reportPort,
      receivers: receivers.length,
      datagramBytes,
    });
    return live;
  }
}
