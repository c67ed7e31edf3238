import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN } from '../multicast/limits.ts';
import type { Machine } from '../schema/machine.ts';

/** Ethernet without jumbo frames. */
export const MTU_BYTES_DEFAULT = 1500;
const IP_AND_UDP_HEADER_BYTES = 28;

/** The UDP payload that fills one frame in the narrowest of these networks; larger ones would be lost or cut up. */
export function datagramBytesFor(mtusBytes: readonly number[]): number {
  const fits = Math.min(...mtusBytes) - IP_AND_UDP_HEADER_BYTES;
  return Math.min(Math.max(fits, DATAGRAM_BYTES_MIN), DATAGRAM_BYTES_MAX);
}

/** MTU of the card that a computer is connected by. */
export function machineMtuBytes(machine: Machine, address: string): number {
  const nic = machine.nics.find(({ addresses }) => addresses.some((one) => one.split('/')[0] === address));
  return nic?.mtuBytes ?? MTU_BYTES_DEFAULT;
}

/** MTU of this computer's interface with the address. */
export async function ownMtuBytes(address: string): Promise<number> {
  const found = Object.entries(networkInterfaces()).find(([, infos]) =>
    infos?.some((info) => info.address === address),
  );
  if (found === undefined) return MTU_BYTES_DEFAULT;
  const text = await readFile(`/sys/class/net/${found[0]}/mtu`, 'utf8').catch(() => '');
  return Number.parseInt(text, 10) || MTU_BYTES_DEFAULT;
}
