import { createSocket, type Socket } from 'node:dgram';
import { type Clock, monotonicClock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { DEFAULT_PORTS, DISCOVERY_GROUP } from '../schema/site.ts';
import { decodeDiscovery, encodeDiscovery } from './discovery-messages.ts';
import { PROTOCOL_VERSION } from './messages.ts';

const ANNOUNCE_INTERVAL_MS = 5000;
// Bounds what a flood of queries with a forged sender can make the console send to a third party.
const ANSWERS_PER_SECOND_MAX = 1000;

export interface DiscoveryResponderOptions {
  consoleName: string;
  consoleVersion: string;
  controlPort: number;
  certificateSha256: string;
  /** Own IPv4 address of the network to answer on. */
  interfaceAddress: string;
  group?: string;
  port?: number;
  /** Hops an announcement may take; default 1. */
  ttl?: number;
  announceIntervalMs?: number;
  clock?: Clock;
  logger: Logger;
}

export interface DiscoveryResponder extends AsyncDisposable {
  close(): Promise<void>;
}

/**
 * Announces a console to the discovery group every five seconds and answers queries directly.
 *
 * @throws TdError `network` when the port cannot be opened or the group cannot be joined.
 */
export async function startDiscoveryResponder(
  options: DiscoveryResponderOptions,
): Promise<DiscoveryResponder> {
  const { group = DISCOVERY_GROUP, port = DEFAULT_PORTS.discovery } = options;
  const { interfaceAddress, logger } = options;
  // Several consoles and agents may listen on one computer: the port is shared.
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  try {
    await bind(socket, port);
    socket.addMembership(group, interfaceAddress);
    socket.setMulticastInterface(interfaceAddress);
    socket.setMulticastTTL(options.ttl ?? 1);
  } catch (cause) {
    socket.close();
    throw new TdError(
      'network',
      `Cannot answer discovery on ${interfaceAddress} (UDP ${port}, group ${group}): ${errorLine(cause)}`,
      { cause },
    );
  }
  socket.on('error', (error) => logger.warn({ error: errorLine(error) }, 'discovery socket error'));
  const said = (nonce: string) =>
    encodeDiscovery({
      type: 'console',
      protocol: PROTOCOL_VERSION,
      name: options.consoleName.slice(0, 100),
      version: options.consoleVersion.slice(0, 40),
      controlPort: options.controlPort,
      certificateSha256: options.certificateSha256,
      nonce,
    });
  const allowed = answerLimit(options.clock ?? monotonicClock);
  const sent = (error: Error | null) => {
    if (error !== null) logger.debug({ error: errorLine(error) }, 'could not send a discovery datagram');
  };
  socket.on('message', (datagram, from) => {
    const decoded = decodeDiscovery(datagram);
    if (!decoded.ok) {
      logger.debug({ from: from.address, reason: decoded.reason }, 'dropped a discovery datagram');
    } else if (decoded.message.type === 'query' && allowed()) {
      socket.send(said(decoded.message.nonce), from.port, from.address, sent);
    }
  });
  const announce = () => socket.send(said(''), port, group, sent);
  announce();
  const timer = setInterval(announce, options.announceIntervalMs ?? ANNOUNCE_INTERVAL_MS);
  const close = async () => {
    clearInterval(timer);
    await new Promise<void>((resolve) => socket.close(resolve));
  };
  return { close, [Symbol.asyncDispose]: close };
}

function bind(socket: Socket, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function answerLimit(clock: Clock): () => boolean {
  let sinceMs = clock.nowMs();
  let answers = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs - sinceMs >= 1000) {
      sinceMs = nowMs;
      answers = 0;
    }
    answers += 1;
    return answers <= ANSWERS_PER_SECOND_MAX;
  };
}
