import { readdir, readFile, readlink } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { basename, join } from 'node:path';

/** One wired network interface as the kernel shows it now. */
export interface NetworkInterface {
  name: string;
  /** Lower case, colons. */
  mac: string;
  /** Empty for virtual interfaces. */
  driver: string;
  kind: 'card' | 'vlan';
  /** Set up administratively. */
  up: boolean;
  /** A cable with something alive at its other end. */
  link: boolean;
  /** Mbit/s; 0 when the driver does not say. */
  speedMbit: number;
  /** The largest IP packet. */
  mtuBytes: number;
  /** IPv4, as `10.0.0.5/24`. */
  addresses: string[];
}

const INTERFACES_MAX = 256;
const ARPHRD_ETHER = '1';
const IFF_UP = 0x1;
const MTU_BYTES_DEFAULT = 1500;

/**
 * Lists Ethernet cards and VLAN interfaces, sorted by name; no loopback, bridge or radio.
 *
 * Source: Documentation/ABI/testing/sysfs-class-net of the Linux kernel.
 */
export async function readInterfaces(sysDir = '/sys'): Promise<NetworkInterface[]> {
  const folder = join(sysDir, 'class/net');
  const names = (await readdir(folder).catch(() => [])).sort().slice(0, INTERFACES_MAX);
  const found = await Promise.all(names.map((name) => readInterface(join(folder, name), name)));
  return found.filter((item) => item !== undefined);
}

async function readInterface(folder: string, name: string): Promise<NetworkInterface | undefined> {
  // A card that is down answers EINVAL to `carrier` and `speed`.
  const attribute = async (file: string) =>
    (await readFile(join(folder, file), 'utf8').catch(() => '')).trim();
  const [type, mac, flags, carrier, speed, mtu, uevent] = await Promise.all(
    ['type', 'address', 'flags', 'carrier', 'speed', 'mtu', 'uevent'].map(attribute),
  );
  const deviceType = /^DEVTYPE=(.*)$/m.exec(uevent ?? '')?.[1] ?? '';
  const valid = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac ?? '');
  if (type !== ARPHRD_ETHER || name === 'lo' || !valid) return undefined;
  if (deviceType !== '' && deviceType !== 'vlan') return undefined;
  const driver = await readlink(join(folder, 'device/driver')).catch(() => '');
  return {
    name,
    mac: mac!,
    driver: basename(driver),
    kind: deviceType === 'vlan' ? 'vlan' : 'card',
    up: (Number(flags) & IFF_UP) !== 0,
    link: carrier === '1',
    speedMbit: Math.max(0, Number.parseInt(speed ?? '', 10) || 0),
    mtuBytes: Number.parseInt(mtu ?? '', 10) || MTU_BYTES_DEFAULT,
    addresses: ipv4Addresses(name),
  };
}

function ipv4Addresses(name: string): string[] {
  const entries = networkInterfaces()[name] ?? [];
  return entries.flatMap((entry) => (entry.family === 'IPv4' && entry.cidr !== null ? [entry.cidr] : []));
}
