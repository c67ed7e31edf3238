import type { ScreenRow } from '../lib/screen.ts';
import type { NetworkInterface } from './interfaces.ts';
import { addressedInterfaces, chosenCards, type NetworkSettings } from './network-plan.ts';

export interface NetworkStatus {
  interfaces: readonly NetworkInterface[];
  /** Interfaces that can be used now. */
  usable: readonly { name: string; address: string }[];
  /** One row a card. */
  rows: readonly ScreenRow[];
  activity: string;
  /** Why it does not work yet and what to do, one line each. */
  problems: readonly string[];
}

export interface NetworkWaits {
  /** Since when each interface waits for a lease. */
  dhcpSinceMs: ReadonlyMap<string, number>;
  /** Interfaces whose address may be there already, but not yet their routes. */
  unleased: ReadonlySet<string>;
  /** What the last command on an interface said. */
  failures: ReadonlyMap<string, string>;
  nowMs: number;
}

/** A server that answers at all does so within this time. */
const DHCP_PATIENCE_MS = 10_000;

/** Says in words how the network stands. */
export function describeNetwork(
  settings: NetworkSettings,
  seen: readonly NetworkInterface[],
  waits: NetworkWaits,
): NetworkStatus {
  const cards = chosenCards(settings, seen);
  const addressed = addressedInterfaces(settings, seen);
  const usable = addressed
    .filter(
      (item) => item.up && item.link && !waits.unleased.has(item.name) && hasWantedAddress(settings, item),
    )
    .map((item) => ({ name: item.name, address: addressOf(settings, item) }));
  const rows = (cards.length > 0 ? [...cards, ...addressed.filter((i) => i.kind === 'vlan')] : seen).map(
    (item) => ({ label: item.name, value: interfaceLine(item) }),
  );
  return {
    interfaces: seen,
    usable,
    rows,
    activity: activityOf(settings, cards, usable.length),
    problems: usable.length > 0 ? [] : problemsOf(settings, { cards, seen, addressed }, waits),
  };
}

function hasWantedAddress(settings: NetworkSettings, item: NetworkInterface): boolean {
  const { ip } = settings;
  if (ip.kind === 'dhcp') return item.addresses.length > 0;
  return item.addresses.includes(`${ip.address}/${ip.prefixLength}`);
}

function addressOf(settings: NetworkSettings, item: NetworkInterface): string {
  return settings.ip.kind === 'static' ? settings.ip.address : item.addresses[0]!.split('/')[0]!;
}

function interfaceLine(item: NetworkInterface): string {
  const speed = item.speedMbit > 0 ? ` ${item.speedMbit} Mbit/s` : '';
  const link = item.link ? `link${speed}` : 'no link';
  return [item.mac, item.driver, link, ...item.addresses].filter((part) => part !== '').join(', ');
}

function activityOf(settings: NetworkSettings, cards: readonly NetworkInterface[], usable: number): string {
  if (usable > 0) return 'The network is up';
  if (cards.length === 0) return 'Looking for a network card';
  if (!cards.some((card) => card.link)) return 'Waiting for a link';
  return settings.ip.kind === 'dhcp' ? 'Asking for an address (DHCP)' : `Setting ${settings.ip.address}`;
}

function problemsOf(
  settings: NetworkSettings,
  found: {
    cards: readonly NetworkInterface[];
    seen: readonly NetworkInterface[];
    addressed: readonly NetworkInterface[];
  },
  waits: NetworkWaits,
): string[] {
  const { cards, seen, addressed } = found;
  const failures = [...waits.failures].map(([name, text]) => `${name}: ${text}`);
  if (cards.length === 0) return [...failures, noCard(settings, seen)];
  if (!cards.some((card) => card.link)) {
    const names = cards.map((card) => `${card.name} (${[card.driver, card.mac].filter(Boolean).join(', ')})`);
    return [...failures, `No link on ${names.join(', ')}: plug in the cable or check the switch port`];
  }
  const silent = addressed.flatMap((item) => {
    const sinceMs = waits.dhcpSinceMs.get(item.name);
    if (sinceMs === undefined || waits.nowMs - sinceMs < DHCP_PATIENCE_MS) return [];
    const seconds = Math.floor((waits.nowMs - sinceMs) / DHCP_PATIENCE_MS) * (DHCP_PATIENCE_MS / 1000);
    return [
      `No DHCP answer on ${item.name} for ${seconds} s: check the DHCP server, cable and VLAN, or set td.ip=ADDRESS/LENGTH`,
    ];
  });
  return [...failures, ...silent];
}

function noCard(settings: NetworkSettings, seen: readonly NetworkInterface[]): string {
  const cards = seen.filter((item) => item.kind === 'card').map((item) => `${item.name} (${item.mac})`);
  if (settings.iface === undefined || cards.length === 0) {
    return 'No network card was found: its driver may be missing; use another card';
  }
  const wanted = settings.iface.kind === 'name' ? settings.iface.name : settings.iface.mac;
  return `No network card ${wanted}: set td.iface to one of ${cards.join(', ')}`;
}
