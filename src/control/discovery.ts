import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { DEFAULT_PORTS, DISCOVERY_GROUP } from '../schema/site.ts';
import { type ConsoleAnnouncement, decodeDiscovery, encodeDiscovery } from './discovery-messages.ts';
import { PROTOCOL_VERSION } from './messages.ts';

const QUERY_INTERVAL_MS = 1000;
/** After the first answer, how long others may still take: the screen then names all of them. */
const MORE_WAIT_MS = 1500;
const CONSOLES_MAX = 64;

/** A console somebody announced; nothing of it is proven before TLS checked its certificate. */
export interface FoundConsole {
  /** IPv4 address the announcement came from. */
  address: string;
  controlPort: number;
  name: string;
  version: string;
  protocol: number;
  certificateSha256: string;
}

export interface DiscoveryOptions {
  /** Own IPv4 addresses to ask from, one a network; empty lets the kernel choose one. */
  interfaceAddresses: readonly string[];
  /** Of the site image: only this console is taken, and asking ends as soon as it answers. */
  certificateSha256?: string | undefined;
  /** Give up after this long; default 10,000. */
  waitMs?: number;
  group?: string;
  port?: number;
  logger: Logger;
  signal?: AbortSignal;
}

/**
 * Finds the console of this computer's site, or the only one there is.
 *
 * @throws TdError `not-found` when none (or only foreign ones) answered; `refused` when several did and no site
 *   image says which; `network`, `cancelled`.
 */
export async function findConsole(options: DiscoveryOptions): Promise<FoundConsole> {
  const found = await findConsoles(options);
  return chooseConsole(found, options.certificateSha256);
}

/** Picks among what discovery found; pure. Errors as {@link findConsole}. */
export function chooseConsole(
  found: readonly FoundConsole[],
  certificateSha256: string | undefined,
): FoundConsole {
  const list = found
    .map((one) => `"${one.name}" at ${one.address}:${one.controlPort} (${one.certificateSha256.slice(0, 8)})`)
    .join(', ');
  const candidates =
    certificateSha256 === undefined
      ? found
      : found.filter((one) => one.certificateSha256 === certificateSha256);
  const [first] = candidates;
  if (first === undefined) {
    throw new TdError(
      'not-found',
      found.length === 0
        ? 'Cannot find a console: none answered on this network; start one, or name it with td.console=ADDRESS'
        : `Cannot find this medium's console: only foreign ones answered: ${list}; start it, or export the medium again`,
    );
  }
  // One console with two networks answers twice; any of its addresses will do.
  const differing = candidates.some((one) => one.certificateSha256 !== first.certificateSha256);
  if (differing) {
    throw new TdError(
      'refused',
      `Cannot choose between ${candidates.length} consoles: ${list}; name one with td.console=ADDRESS or use media exported from it`,
    );
  }
  return first;
}

/** Asks until `waitMs` is over or the wanted console answered; every console that answered, first come first. */
export async function findConsoles(options: DiscoveryOptions): Promise<FoundConsole[]> {
  const { group = DISCOVERY_GROUP, port = DEFAULT_PORTS.discovery, waitMs = 10_000, signal } = options;
  if (signal?.aborted) throw new TdError('cancelled', 'Looking for a console was cancelled');
  const nonce = randomBytes(8).toString('hex');
  const found = new Map<string, FoundConsole>();
  const sockets = await openSockets(options, { group, port });
  try {
    await new Promise<void>((resolve, reject) => {
      const timers: NodeJS.Timeout[] = [];
      let onlyMore = false;
      const end = (error?: TdError) => {
        for (const timer of timers) clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => end(new TdError('cancelled', 'Looking for a console was cancelled'));
      signal?.addEventListener('abort', onAbort, { once: true });
      for (const socket of sockets.all) {
        socket.on('message', (datagram, from) => {
          const one = announcedBy(datagram, { address: from.address, nonce });
          if (one === undefined || found.size >= CONSOLES_MAX) return;
          found.set(`${one.address}:${one.controlPort}/${one.certificateSha256}`, one);
          if (one.certificateSha256 === options.certificateSha256) end();
          else if (options.certificateSha256 === undefined && !onlyMore) {
            onlyMore = true;
            timers.push(setTimeout(end, MORE_WAIT_MS));
          }
        });
      }
      const query = encodeDiscovery({ type: 'query', protocol: PROTOCOL_VERSION, nonce });
      const ask = () => {
        for (const socket of sockets.asking) socket.send(query, port, group, () => {});
      };
      ask();
      timers.push(setInterval(ask, QUERY_INTERVAL_MS), setTimeout(end, waitMs));
    });
  } finally {
    for (const socket of sockets.all) socket.close();
  }
  return [...found.values()];
}

function announcedBy(
  datagram: Uint8Array,
  from: { address: string; nonce: string },
): FoundConsole | undefined {
  const decoded = decodeDiscovery(datagram);
  if (!decoded.ok || decoded.message.type !== 'console') return undefined;
  const said: ConsoleAnnouncement = decoded.message;
  if (said.nonce !== '' && said.nonce !== from.nonce) return undefined;
  return {
    address: from.address,
    controlPort: said.controlPort,
    name: said.name,
    version: said.version,
    protocol: said.protocol,
    certificateSha256: said.certificateSha256,
  };
}

/** One asking socket a network, and one that hears announcements where questions do not get through. */
async function openSockets(
  options: DiscoveryOptions,
  at: { group: string; port: number },
): Promise<{ all: Socket[]; asking: Socket[] }> {
  const all: Socket[] = [];
  const asking: Socket[] = [];
  const addresses = options.interfaceAddresses.length > 0 ? options.interfaceAddresses : [undefined];
  let lastError: unknown;
  for (const address of addresses) {
    try {
      const socket = await bound({ address, port: 0 });
      all.push(socket);
      if (address !== undefined) socket.setMulticastInterface(address);
      asking.push(socket);
    } catch (error) {
      lastError = error;
      options.logger.warn({ address, error: errorLine(error) }, 'cannot ask for consoles on this address');
    }
  }
  if (asking.length === 0) {
    for (const socket of all) socket.close();
    throw new TdError('network', `Cannot ask for consoles: ${errorLine(lastError)}; check the network`, {
      cause: lastError,
    });
  }
  try {
    const listener = await bound({ address: undefined, port: at.port });
    all.push(listener);
    for (const address of addresses) listener.addMembership(at.group, address);
  } catch (error) {
    options.logger.debug({ error: errorLine(error) }, 'announcements are not heard; answers still are');
  }
  return { all, asking };
}

function bound(at: { address: string | undefined; port: number }): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: at.port !== 0 });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port: at.port, ...(at.address === undefined ? {} : { address: at.address }) }, () => {
      socket.removeAllListeners('error');
      // A card that goes down while we wait must not end the program: asking again is the cure.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
