import type { Deployment } from '../control/messages.ts';
import { decodeChunk } from '../image/codec.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ReceiveSession, startReceiveSession } from '../multicast/receive-session.ts';
import type { ChosenParts } from './chosen-parts.ts';
import type { FetchedImage, GetFromConsole } from './image-fetch.ts';
import type { TargetWriter } from './target-writer.ts';

const ZERO_RUN_BYTES_MAX = 64 * 1024 * 1024;

/** What came how, summed over all sessions. */
export interface ReceiveCounts {
  multicastChunks: number;
  tcpChunks: number;
  datagrams: number;
  lostFragments: number;
  badDatagrams: number;
}

export interface SessionOptions {
  deployment: Deployment;
  get: GetFromConsole;
  /** Own address on the console's network. */
  localAddress: string;
  /** Where reports go. */
  remoteAddress: string;
  logger: Logger;
  /** Ends this session; the chunks it brought stay. */
  signal: AbortSignal;
  /** No datagram for this long: the rest comes over TCP. */
  silenceMsMax?: number;
  startSession?: typeof startReceiveSession;
}

/**
 * Receives the chunks of one image in one session after another, verifies them and writes them to all
 * their places; zeros are written meanwhile.
 */
export class ImageReceiver {
  readonly #image: FetchedImage;
  readonly #writer: TargetWriter;
  readonly #parts: ChosenParts;
  /** One byte a chunk: 1 where it is on the disk, or not wanted there. */
  readonly #have: Uint8Array;
  readonly #delivering = new Set<Promise<unknown>>();
  /** Aborted with the first failure of the disk or the image. */
  readonly #failed = new AbortController();
  readonly #zeros: Promise<void>;
  readonly #counts: ReceiveCounts = {
    multicastChunks: 0,
    tcpChunks: 0,
    datagrams: 0,
    lostFragments: 0,
    badDatagrams: 0,
  };

  /** @param options `signal` ends the writing of zeros. */
  constructor(
    image: FetchedImage,
    writer: TargetWriter,
    options: { parts: ChosenParts; signal: AbortSignal },
  ) {
    this.#image = image;
    this.#writer = writer;
    this.#parts = options.parts;
    this.#have = new Uint8Array(image.index.chunkCount);
    if (image.manifest.disks.length > 1 || this.#parts.cleared.length > 0) this.#skipUnwanted();
    this.#zeros = this.#writeZeros(AbortSignal.any([options.signal, this.#failed.signal]));
    // Looked at when the chunks are there, but a failing disk ends their reception at once.
    this.#zeros.catch((error) => this.#failed.abort(error));
  }

  get counts(): ReceiveCounts {
    return this.#counts;
  }

  /**
   * Takes part in a session until all chunks and zeros are on the disk.
   *
   * @throws TdError `io`, `no-space` of the disk; `invalid` for a chunk that is no chunk; `network` when
   *   the rest could not be had; the signal's reason. Nothing is being written any more then.
   */
  async receive(options: SessionOptions): Promise<void> {
    const signal = AbortSignal.any([options.signal, this.#failed.signal]);
    const session = this.#start(options, signal);
    try {
      await session.done;
      await this.#zeros;
    } catch (error) {
      await Promise.allSettled(this.#delivering);
      if (this.#failed.signal.aborted) {
        await Promise.allSettled([this.#zeros]);
        throw this.#failed.signal.reason;
      }
      options.signal.throwIfAborted();
      throw error;
    } finally {
      const state = session.state();
      for (const key of Object.keys(this.#counts) as (keyof ReceiveCounts)[]) this.#counts[key] += state[key];
    }
  }

  #start(options: SessionOptions, signal: AbortSignal): ReceiveSession {
    const { index } = this.#image;
    const { image, session: wanted } = options.deployment;
    const { localAddress, remoteAddress, logger, silenceMsMax, startSession = startReceiveSession } = options;
    return startSession(
      {
        chunkCount: index.chunkCount,
        storedBytes: (ordinal) => index.chunk(ordinal).storedBytes,
        deliver: (ordinal, bytes) => this.#deliver(ordinal, bytes),
        fetch: (ordinal) => {
          const bytesMax = index.chunk(ordinal).storedBytes;
          return options.get(`${image.path}/chunks/${ordinal}`, { signal, bytesMax });
        },
        have: this.#ordinalsHad(),
      },
      {
        token: Buffer.from(wanted.token, 'hex'),
        receiverId: wanted.receiverId,
        ...(wanted.key === '' ? {} : { key: Buffer.from(wanted.key, 'hex') }),
        group: wanted.group,
        port: wanted.port,
        interfaceAddress: localAddress,
        reportTo: { address: remoteAddress, port: wanted.reportPort },
        logger,
        signal,
        ...(silenceMsMax === undefined ? {} : { silenceMsMax }),
      },
    );
  }

  async #deliver(ordinal: number, bytes: Buffer): Promise<'ok' | 'damaged'> {
    const work = this.#verifyAndWrite(ordinal, bytes);
    this.#delivering.add(work);
    try {
      return await work;
    } finally {
      this.#delivering.delete(work);
    }
  }

  async #verifyAndWrite(ordinal: number, bytes: Buffer): Promise<'ok' | 'damaged'> {
    if (this.#have[ordinal] === 1) return 'ok';
    try {
      const raw = await decodeChunk(this.#image.index.chunk(ordinal), bytes);
      for (const place of this.#image.index.placementsOf(ordinal)) {
        if (this.#isWanted(place)) await this.#writer.write(place.offsetBytes, raw);
      }
      this.#have[ordinal] = 1;
      return 'ok';
    } catch (error) {
      if (error instanceof TdError && error.code === 'damaged') return 'damaged';
      this.#failed.abort(error);
      throw error;
    }
  }

  #isWanted({ disk, offsetBytes }: { disk: number; offsetBytes: number }): boolean {
    return disk === this.#image.disk && this.#parts.isWanted(offsetBytes);
  }

  /** What this disk takes no part of is not asked for. */
  #skipUnwanted(): void {
    const { index } = this.#image;
    for (let ordinal = 0; ordinal < index.chunkCount; ordinal += 1) {
      if (!index.placementsOf(ordinal).some((place) => this.#isWanted(place))) this.#have[ordinal] = 1;
    }
  }

  *#ordinalsHad(): Generator<number> {
    for (let ordinal = 0; ordinal < this.#have.length; ordinal += 1) {
      if (this.#have[ordinal] === 1) yield ordinal;
    }
  }

  /** Neighbouring zero blocks become one write. */
  async #writeZeros(signal: AbortSignal): Promise<void> {
    let start = 0;
    let end = 0;
    for (const { disk, offsetBytes, rawBytes } of this.#image.index.zeroPlacements()) {
      if (!this.#isWanted({ disk, offsetBytes })) continue;
      if (offsetBytes !== end || end - start >= ZERO_RUN_BYTES_MAX) {
        signal.throwIfAborted();
        if (end > start) await this.#writer.writeZeros(start, end - start);
        start = offsetBytes;
      }
      end = offsetBytes + rawBytes;
    }
    signal.throwIfAborted();
    if (end > start) await this.#writer.writeZeros(start, end - start);
  }
}
