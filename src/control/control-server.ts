import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { computerId } from '../schema/machine.ts';
import { ControlConnection } from './control-connection.ts';
import { CONTROL_LIMITS, type ControlLimits } from './control-limits.ts';
import { checkMessage, encodeFrame, FrameDecoder } from './frames.ts';
import { equalHex, type Identity } from './identity.ts';
import { type ConsoleMessage, type Hello, helloSchema, PROTOCOL_VERSION } from './messages.ts';
import { ServiceTokens } from './service-tokens.ts';
import { siteProof } from './site-proof.ts';

export interface ControlServerOptions {
  identity: Identity;
  /** Address to listen on; default every one. */
  host?: string;
  /** TCP port; 0 for any. */
  port: number;
  /** Port of the image service, told in the welcome. */
  servicePort: number;
  consoleName: string;
  consoleVersion: string;
  /** Lets computers in whose medium carried no site image. Default false. */
  acceptUnknown?: boolean;
  tokens?: ServiceTokens;
  limits?: Partial<ControlLimits>;
  /** Called once per computer, after its hello was accepted and the welcome was sent. */
  onConnection(connection: ControlConnection): void;
  /** Called when a computer was refused; `reason` is what it was told. */
  onRefused?(address: string, reason: string): void;
  logger: Logger;
}

export interface ControlServer extends AsyncDisposable {
  readonly port: number;
  readonly tokens: ServiceTokens;
  close(): Promise<void>;
}

/**
 * Listens for agents: TLS 1.3, hello within ten seconds, site key proven (see PROTOCOL.md).
 *
 * @throws TdError `network` when the port cannot be opened.
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const limits = { ...CONTROL_LIMITS, ...options.limits };
  const tokens = options.tokens ?? new ServiceTokens();
  const state: ServerState = { options, limits, tokens, sockets: new Set(), welcomed: new Set(), nextId: 1 };
  const server = createServer(
    {
      cert: options.identity.certificatePem,
      key: options.identity.keyPem,
      minVersion: 'TLSv1.3',
      handshakeTimeout: limits.helloTimeoutMs,
    },
    (socket) => awaitHello(socket, state),
  );
  server.maxConnections = limits.connectionsMax + limits.pendingMax;
  // Raw sockets are kept as well: a peer that never finishes its handshake must not outlive close().
  server.on('connection', (socket) => {
    state.sockets.add(socket);
    socket.once('close', () => state.sockets.delete(socket));
  });
  server.on('tlsClientError', (error, socket) => {
    options.logger.debug({ address: socket.remoteAddress, error: errorLine(error) }, 'TLS handshake failed');
    socket.destroy();
  });
  const port = await listen(server, options);
  server.on('error', (error) => options.logger.error({ error: errorLine(error) }, 'control server error'));
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of state.welcomed) connection.close();
    for (const socket of state.sockets) socket.destroy();
    await closed;
  };
  return { port, tokens, close, [Symbol.asyncDispose]: close };
}

interface ServerState {
  options: ControlServerOptions;
  limits: ControlLimits;
  tokens: ServiceTokens;
  sockets: Set<{ destroy(): void }>;
  welcomed: Set<ControlConnection>;
  nextId: number;
}

function listen(server: Server, options: ControlServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new TdError(
          'network',
          `Cannot listen for computers on TCP port ${options.port}: ${errorLine(cause)}; is another console running?`,
          { cause },
        ),
      ),
    );
    server.listen({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

function awaitHello(socket: TLSSocket, state: ServerState): void {
  const { limits } = state;
  const address = plainAddress(socket.remoteAddress);
  socket.on('error', (error) => {
    state.options.logger.debug({ address, error: errorLine(error) }, 'control connection error');
  });
  if (state.sockets.size - state.welcomed.size > limits.pendingMax) {
    socket.destroy();
    return;
  }
  socket.setNoDelay(true);
  const decoder = new FrameDecoder();
  const timer = setTimeout(() => socket.destroy(), limits.helloTimeoutMs);
  const onClose = () => {
    clearTimeout(timer);
    // A computer that pinned another console's certificate leaves like this; its own screen says so.
    const reason = 'it left without a hello; its medium may have been made by another console';
    state.options.logger.debug({ address, reason }, 'no hello');
    state.options.onRefused?.(address, reason);
  };
  socket.once('close', onClose);
  const onData = (bytes: Buffer) => {
    const results = decoder.push(bytes);
    const [first, ...rest] = results;
    if (first === undefined) return;
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('close', onClose);
    if (!first.ok) return refuse(socket, state, `hello not understood: ${first.reason}`);
    const hello = checkMessage(helloSchema, first.value);
    if (!hello.ok) return refuse(socket, state, `hello not understood: ${hello.reason}`);
    const reason = whyRefused(socket, hello.message, state);
    if (reason !== undefined) return refuse(socket, state, reason);
    welcome(socket, hello.message, { state, decoder, results: rest });
  };
  socket.on('data', onData);
}

/** Why this computer may not come in, or undefined. */
function whyRefused(socket: TLSSocket, hello: Hello, state: ServerState): string | undefined {
  const { options, limits } = state;
  if (hello.protocol !== PROTOCOL_VERSION) {
    return `this medium speaks protocol ${hello.protocol}, the console ${PROTOCOL_VERSION}: export the media again from this console`;
  }
  if (state.welcomed.size >= limits.connectionsMax) {
    return `${limits.connectionsMax} computers are connected, the most this console takes`;
  }
  if (hello.proof === '') {
    return options.acceptUnknown === true
      ? undefined
      : 'this medium carries no site image: export it from this console, or start the console with --accept-unknown';
  }
  return equalHex(hello.proof, siteProof(socket, options.identity.siteKey))
    ? undefined
    : 'the site key of this medium is not that of this console: export the medium again';
}

function refuse(socket: TLSSocket, state: ServerState, reason: string): void {
  const address = plainAddress(socket.remoteAddress);
  state.options.logger.warn({ address, reason }, 'refused a computer');
  state.options.onRefused?.(address, reason);
  const message: ConsoleMessage = { type: 'refuse', reason: reason.slice(0, 1000) };
  socket.end(encodeFrame(message));
  // A peer that does not close its side is not waited for.
  setTimeout(() => socket.destroy(), 2000).unref();
}

function welcome(
  socket: TLSSocket,
  hello: Hello,
  arrived: { state: ServerState; decoder: FrameDecoder; results: ReturnType<FrameDecoder['push']> },
): void {
  const { state } = arrived;
  const { options, tokens } = state;
  const id = state.nextId;
  state.nextId += 1;
  const serviceToken = tokens.issue({ computerId: computerId(hello.machine), connectionId: id });
  const connection = new ControlConnection(socket, {
    id,
    hello,
    address: plainAddress(socket.remoteAddress),
    serviceToken,
    limits: state.limits,
    decoder: arrived.decoder,
    logger: options.logger.child({ connection: id, computer: computerId(hello.machine) }),
  });
  state.welcomed.add(connection);
  connection.onClose(() => {
    state.welcomed.delete(connection);
    tokens.retire(serviceToken);
  });
  connection.send({
    type: 'welcome',
    protocol: PROTOCOL_VERSION,
    consoleName: options.consoleName,
    consoleVersion: options.consoleVersion,
    serviceToken,
    servicePort: options.servicePort,
  });
  options.onConnection(connection);
  connection.start(arrived.results);
}

/** IPv4 without the `::ffff:` that a socket listening on both families shows. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
