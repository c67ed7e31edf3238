import type { IncomingMessage } from 'node:http';
import { errorLine, TdError } from '../lib/errors.ts';

/** Where an upload goes; exactly one of `finish` and `abort` is called, once. */
export interface UploadReceiver {
  write(bytes: Buffer): Promise<void>;
  /** Checks and keeps what came; throws a TdError when it is not what was promised. */
  finish(): Promise<void>;
  /** Removes what came. */
  abort(reason: string): Promise<void>;
}

/**
 * Streams a request's body to its receiver, one piece at a time: reading goes on when a piece is written.
 *
 * @throws TdError `incomplete` when the body was cut short, `timeout` when nothing came for `idleMsMax`, and
 *   whatever the receiver throws; the receiver has been told to abort.
 */
export async function receiveUpload(
  request: IncomingMessage,
  receiver: UploadReceiver,
  options: { idleMsMax: number },
): Promise<void> {
  // Not destroyed on return: an answer still has to go out on the same connection.
  const pieces = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const piece = await nextWithin(pieces, options.idleMsMax);
      if (piece.done === true) break;
      await receiver.write(piece.value as Buffer);
    }
    if (!request.complete) throw new TdError('incomplete', 'the connection ended before the last byte');
    await receiver.finish();
  } catch (cause) {
    const broken = request.errored !== null && cause === request.errored;
    const error = broken
      ? new TdError('incomplete', `the connection broke: ${errorLine(cause)}`, { cause })
      : cause;
    await receiver.abort(errorLine(error));
    throw error;
  } finally {
    // Ends the iteration so that the rest can be read away; while a piece is awaited it ends by itself.
    pieces.return?.()?.catch(() => {});
  }
}

/** Only waiting for the sender is timed, not our own writing. */
function nextWithin<T>(pieces: AsyncIterator<T>, idleMsMax: number): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new TdError('timeout', `nothing came for ${idleMsMax / 1000} s`)),
      idleMsMax,
    );
    pieces
      .next()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
