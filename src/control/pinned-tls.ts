import { connect, type TLSSocket } from 'node:tls';
import { errorLine, TdError } from '../lib/errors.ts';
import { equalHex, sha256Hex } from './identity.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export interface PinnedTlsOptions {
  host: string;
  port: number;
  /** SHA-256 of the only certificate that is trusted; undefined trusts whichever answers. */
  certificateSha256: string | undefined;
  /** Own address to connect from. */
  localAddress?: string;
  /** For TCP, TLS and the check together; default 10,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Opens a TLS 1.3 connection and compares the peer's certificate with the pin before any byte is sent.
 * TLS itself proves that the peer has that certificate's key.
 *
 * @throws TdError `untrusted` on another certificate, `network`, `timeout`, `cancelled`.
 */
export function connectPinned(
  options: PinnedTlsOptions,
): Promise<{ socket: TLSSocket; certificateSha256: string }> {
  const { host, port, signal, timeoutMs = CONNECT_TIMEOUT_MS } = options;
  const where = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(where));
    const socket = connect({
      host,
      port,
      minVersion: 'TLSv1.3',
      // Trust comes from the pin below; there is no authority that could have signed a console's certificate.
      rejectUnauthorized: false,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const fail = (error: TdError) => {
      settle();
      socket.on('error', () => {});
      // Ended in order when the handshake is done, so that the other side sees who left and can say so.
      if (error.code === 'untrusted') socket.end();
      else socket.destroy();
      setTimeout(() => socket.destroy(), 1000).unref();
      reject(error);
    };
    const onAbort = () => fail(cancelled(where));
    const timer = setTimeout(
      () =>
        fail(
          new TdError('timeout', `Cannot connect to the console at ${where}: no answer in ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    const onError = (cause: Error) =>
      fail(
        new TdError('network', `Cannot connect to the console at ${where}: ${errorLine(cause)}`, { cause }),
      );
    const onClose = () =>
      fail(new TdError('network', `Cannot connect to the console at ${where}: it closed the connection`));
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      const found = certificate === undefined ? '' : sha256Hex(certificate.raw);
      const wanted = options.certificateSha256;
      if (found === '' || (wanted !== undefined && !equalHex(found, wanted))) {
        fail(
          new TdError(
            'untrusted',
            `Cannot trust the console at ${where}: its certificate is ${found.slice(0, 16) || 'missing'}…, this medium was made for ${wanted?.slice(0, 16)}…; export the medium again from that console`,
          ),
        );
        return;
      }
      settle();
      resolve({ socket, certificateSha256: found });
    });
  });
}

function cancelled(where: string): TdError {
  return new TdError('cancelled', `Connecting to the console at ${where} was cancelled`);
}
