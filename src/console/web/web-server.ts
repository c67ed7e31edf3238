import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Identity } from '../../control/identity.ts';
import { errnoOf, errorLine, TdError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { WebRoutes } from './web-routes.ts';

const CONNECTIONS_MAX = 100;

export interface WebServerOptions {
  identity: Pick<Identity, 'certificatePem' | 'keyPem'>;
  host: string;
  port: number;
  routes: WebRoutes;
  logger: Logger;
}

export interface WebServer extends AsyncDisposable {
  readonly port: number;
}

/** Serves the page over HTTPS with the console's own certificate. @throws TdError `network` when the port is taken. */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const { identity, host, port, routes, logger } = options;
  const server = createServer(
    {
      ...{ cert: identity.certificatePem, key: identity.keyPem, minVersion: 'TLSv1.2' },
      ...{
        handshakeTimeout: 10_000,
        headersTimeout: 10_000,
        requestTimeout: 20_000,
        keepAliveTimeout: 10_000,
      },
      ...{ connectionsCheckingInterval: 5000, maxHeaderSize: 8192 },
    },
    (request, response) => void routes.answer(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error) => {
    logger.debug({ error: errorLine(error) }, 'TLS handshake with a browser failed');
  });
  await listen(server, { host, port });
  server.on('error', (error) => logger.error({ error: errorLine(error) }, 'web view error'));
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const why = errnoOf(cause) === 'EADDRINUSE' ? 'another program uses that port' : errorLine(cause);
      reject(
        new TdError('network', `Cannot open the web view on ${host}:${port}: ${why}; set another port`, {
          cause,
        }),
      );
    });
    server.listen({ host, port }, resolve);
  });
}
