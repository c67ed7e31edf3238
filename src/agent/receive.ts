import type { Deployment } from '../control/messages.ts';
import { decodeChunk } from '../image/codec.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type ReceiveSummary, startReceiveSession } from '../multicast/receive-session.ts';
import { type FetchedImage, type GetFromConsole, IMAGE_DISK } from './image-fetch.ts';
import type { TargetWriter } from './target-writer.ts';

export interface ReceiveOptions {
  deployment: Deployment;
  get: GetFromConsole;
  /** Own address on the console's network. */
  localAddress: string;
  /** Where reports go. */
  remoteAddress: string;
  logger: Logger;
  signal: AbortSignal;
  /** No datagram for this long: the rest comes over TCP. */
  silenceMsMax?: number;
  startSession?: typeof startReceiveSession;
}

/**
 * Receives every chunk of an image, verifies it and writes it to all its places; zeros are written
 * meanwhile.
 *
 * @throws TdError `io`, `no-space` of the disk; `invalid` for a chunk that is no chunk; `network` when the
 *   rest could not be had; the signal's reason.
 */
export async function receiveImage(
  image: FetchedImage,
  writer: TargetWriter,
  options: ReceiveOptions,
): Promise<ReceiveSummary> {
  const { session: wanted } = options.deployment;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const session = (options.startSession ?? startReceiveSession)(
    {
      chunkCount: image.index.chunkCount,
      storedBytes: (ordinal) => image.index.chunk(ordinal).storedBytes,
      deliver: (ordinal, bytes) => deliver(ordinal, bytes, { image, writer, stop }),
      fetch: (ordinal) =>
        options.get(`${options.deployment.image.path}/chunks/${ordinal}`, {
          signal,
          bytesMax: image.index.chunk(ordinal).storedBytes,
        }),
    },
    {
      token: Buffer.from(wanted.token, 'hex'),
      receiverId: wanted.receiverId,
      ...(wanted.key === '' ? {} : { key: Buffer.from(wanted.key, 'hex') }),
      group: wanted.group,
      port: wanted.port,
      interfaceAddress: options.localAddress,
      reportTo: { address: options.remoteAddress, port: wanted.reportPort },
      logger: options.logger,
      signal,
      ...(options.silenceMsMax === undefined ? {} : { silenceMsMax: options.silenceMsMax }),
    },
  );
  const zeros = writeZeros(image, writer, signal).catch((error) => {
    stop.abort(error);
    throw error;
  });
  const [received, zeroed] = await Promise.allSettled([session.done, zeros]);
  // The first failure stopped the other half, whose own error only says so.
  if (stop.signal.aborted) throw stop.signal.reason;
  options.signal.throwIfAborted();
  if (received.status === 'rejected') throw received.reason;
  if (zeroed.status === 'rejected') throw zeroed.reason;
  return received.value;
}

async function deliver(
  ordinal: number,
  bytes: Buffer,
  { image, writer, stop }: { image: FetchedImage; writer: TargetWriter; stop: AbortController },
): Promise<'ok' | 'damaged'> {
  try {
    const raw = await decodeChunk(image.index.chunk(ordinal), bytes);
    for (const place of image.index.placementsOf(ordinal)) {
      if (place.disk === IMAGE_DISK) await writer.write(place.offsetBytes, raw);
    }
    return 'ok';
  } catch (error) {
    if (error instanceof TdError && error.code === 'damaged') return 'damaged';
    stop.abort(error);
    throw error;
  }
}

/** Neighbouring zero blocks become one write. */
async function writeZeros(image: FetchedImage, writer: TargetWriter, signal: AbortSignal): Promise<void> {
  let start = 0;
  let end = 0;
  for (const { disk, offsetBytes, rawBytes } of image.index.zeroPlacements()) {
    if (disk !== IMAGE_DISK) continue;
    signal.throwIfAborted();
    if (offsetBytes !== end || end - start >= ZERO_RUN_BYTES_MAX) {
      if (end > start) await writer.writeZeros(start, end - start);
      start = offsetBytes;
    }
    end = offsetBytes + rawBytes;
  }
  if (end > start) await writer.writeZeros(start, end - start);
}

const ZERO_RUN_BYTES_MAX = 64 * 1024 * 1024;
