import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { normalMac } from './computers.ts';

/** The discard service: what wake-up packets are sent to by custom. */
const WAKE_PORT = 9;
/** A switch that is just waking up itself loses the first ones. */
const ROUNDS = 3;
const ROUND_INTERVAL_MS = 100;
const MAC_REPEATS = 16;

export interface WakeOptions {
  /** Every computer that was ever seen. */
  known: readonly { computerId: string; macs: readonly string[] }[];
  /** The console's address: its network is where the packets go. */
  interfaceAddress: string;
  port?: number;
}

/** Six bytes of 0xff and sixteen times the address (AMD, "Magic Packet Technology", 1995). */
export function magicPacket(mac: string): Buffer {
  const address = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array<Buffer>(MAC_REPEATS).fill(address)]);
}

/**
 * Sends wake-up packets to all cards of computers.
 *
 * @param names computer ids or MAC addresses, also of computers never seen; `all` for every known one.
 * @returns what was woken: computer ids, and MAC addresses of unknown ones.
 * @throws TdError `not-found` before anything is sent; `network`.
 */
export async function wakeComputers(
  names: 'all' | readonly string[],
  options: WakeOptions,
): Promise<string[]> {
  const chosen = names === 'all' ? options.known : names.map((name) => findSleeper(name, options.known));
  const macs = new Set(chosen.flatMap((one) => one.macs));
  await broadcast([...macs].map(magicPacket), options);
  return [...new Set(chosen.map((one) => one.computerId))];
}

function findSleeper(name: string, known: WakeOptions['known']): WakeOptions['known'][number] {
  // The id of one that is named only by its address holds it behind the slash.
  const mac = normalMac(name.split('/').at(-1) ?? '');
  const found = known.find((one) => one.computerId === name) ?? known.find((one) => one.macs.includes(mac));
  if (found !== undefined) return found;
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return { computerId: mac, macs: [mac] };
  throw new TdError(
    'not-found',
    `Cannot wake "${name}": no computer of that name was ever connected; give its MAC address`,
  );
}

async function broadcast(packets: readonly Buffer[], options: WakeOptions): Promise<void> {
  const { interfaceAddress, port = WAKE_PORT } = options;
  const address = broadcastOf(interfaceAddress);
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: interfaceAddress, port: 0 }, resolve);
    });
    socket.setBroadcast(true);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round > 0) await sleep(ROUND_INTERVAL_MS);
      for (const packet of packets) await send(socket, packet, { address, port });
    }
  } catch (cause) {
    throw new TdError('network', `Cannot send wake-up packets to ${address}: ${errorLine(cause)}`, { cause });
  } finally {
    socket.close();
  }
}

function send(socket: Socket, packet: Buffer, to: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(packet, to.port, to.address, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** The broadcast address of the network that an own address is in. */
function broadcastOf(address: string): string {
  const own = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .find((entry) => entry.address === address);
  if (own === undefined) return '255.255.255.255';
  const mask = own.netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, i) => Number(part) | (~(mask[i] ?? 255) & 0xff))
    .join('.');
}
