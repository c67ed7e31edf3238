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
  let idle = false;
  const timer = setTimeout(() => {
    idle = true;
    request.destroy();
  }, options.idleMsMax);
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      timer.refresh();
      await receiver.write(piece);
      timer.refresh();
    }
    if (!request.complete) throw new TdError('incomplete', 'the connection ended before the last byte');
    clearTimeout(timer);
    await receiver.finish();
  } catch (cause) {
    const error = idle
      ? new TdError('timeout', `nothing came for ${options.idleMsMax / 1000} s`, { cause })
      : request.errored !== null && cause === request.errored
        ? new TdError('incomplete', `the connection broke: ${errorLine(cause)}`, { cause })
        : cause;
    await receiver.abort(errorLine(error));
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
