import type { InterfaceSetting, IpSetting } from '../schema/boot-params.ts';
import type { NetworkInterface } from './interfaces.ts';

export interface NetworkSettings {
  ip: IpSetting;
  /** Every card when missing. */
  iface?: InterfaceSetting;
  vlan?: number;
}

export interface StaticAddress {
  address: string;
  prefixLength: number;
  /** Empty when there is none. */
  gateway: string;
  dns: readonly string[];
}

export type NetworkAction =
  | { kind: 'link-up'; name: string }
  | { kind: 'add-vlan'; parent: string; name: string; vlan: number }
  | { kind: 'set-address'; name: string; setting: StaticAddress }
  | { kind: 'start-dhcp'; name: string; requestAddress: string | undefined }
  | { kind: 'stop-dhcp'; name: string };

/** What the plan must remember between two looks at the interfaces. */
export interface NetworkMemory {
  /** Interfaces whose DHCP client runs. */
  dhcp: Set<string>;
  /** When a card was first seen without the link it had. */
  lostAtMs: Map<string, number>;
  /** When a kept address, configured by the loader, wants a client that renews it. */
  renewAtMs: Map<string, number>;
}

/** A switch port that renegotiates is away for a few seconds; its address must survive that. */
export const LINK_LOST_MS = 10_000;
const INTERFACE_NAME_CHARS_MAX = 15;

export function newNetworkMemory(): NetworkMemory {
  return { dhcp: new Set(), lostAtMs: new Map(), renewAtMs: new Map() };
}

/** The name of a card's VLAN interface, within the kernel's 15 characters. */
export function vlanName(card: string, vlan: number): string {
  const suffix = `.${vlan}`;
  return `${card.slice(0, INTERFACE_NAME_CHARS_MAX - suffix.length)}${suffix}`;
}

/** The cards the settings allow. */
export function chosenCards(
  settings: NetworkSettings,
  seen: readonly NetworkInterface[],
): NetworkInterface[] {
  const { iface } = settings;
  return seen.filter((card) => {
    if (card.kind !== 'card') return false;
    if (iface === undefined) return true;
    return iface.kind === 'name' ? card.name === iface.name : card.mac === iface.mac;
  });
}

/** The interfaces that get addresses: the cards, or their VLAN interfaces. */
export function addressedInterfaces(
  settings: NetworkSettings,
  seen: readonly NetworkInterface[],
): NetworkInterface[] {
  const cards = chosenCards(settings, seen);
  const { vlan } = settings;
  if (vlan === undefined) return cards;
  const names = new Set(cards.map((card) => vlanName(card.name, vlan)));
  return seen.filter((item) => item.kind === 'vlan' && names.has(item.name));
}

/**
 * Decides what to do next about the network, from what is seen now; pure but for `memory`, which the
 * caller keeps between calls.
 */
export function planNetwork(
  settings: NetworkSettings,
  seen: readonly NetworkInterface[],
  now: { memory: NetworkMemory; nowMs: number },
): NetworkAction[] {
  const actions: NetworkAction[] = [];
  const cards = chosenCards(settings, seen);
  const names = new Set(seen.map((item) => item.name));
  for (const card of cards) {
    if (!card.up) actions.push({ kind: 'link-up', name: card.name });
    if (settings.vlan === undefined || !card.link) continue;
    const name = vlanName(card.name, settings.vlan);
    if (!names.has(name)) actions.push({ kind: 'add-vlan', parent: card.name, name, vlan: settings.vlan });
  }
  const addressed = addressedInterfaces(settings, seen);
  for (const item of addressed) {
    if (item.kind === 'vlan' && !item.up) actions.push({ kind: 'link-up', name: item.name });
  }
  if (settings.ip.kind === 'static') return [...actions, ...planStatic(settings.ip, addressed)];
  return [...actions, ...addressed.flatMap((item) => planDhcp(item, now))];
}

function planStatic(setting: StaticAddress, addressed: readonly NetworkInterface[]): NetworkAction[] {
  const wanted = `${setting.address}/${setting.prefixLength}`;
  if (addressed.some((item) => item.addresses.includes(wanted))) return [];
  const first = addressed.find((item) => item.up && item.link);
  return first === undefined ? [] : [{ kind: 'set-address', name: first.name, setting }];
}

function planDhcp(
  item: NetworkInterface,
  { memory, nowMs }: { memory: NetworkMemory; nowMs: number },
): NetworkAction[] {
  const { name } = item;
  if (item.up && item.link) {
    memory.lostAtMs.delete(name);
    if (memory.dhcp.has(name)) return [];
    const address = item.addresses[0]?.split('/')[0];
    if (address === undefined) return [{ kind: 'start-dhcp', name, requestAddress: undefined }];
    const renewAtMs = memory.renewAtMs.get(name);
    if (renewAtMs === undefined || nowMs < renewAtMs) return [];
    return [{ kind: 'start-dhcp', name, requestAddress: address }];
  }
  if (!memory.dhcp.has(name)) return [];
  const lostAtMs = memory.lostAtMs.get(name) ?? nowMs;
  memory.lostAtMs.set(name, lostAtMs);
  return nowMs - lostAtMs >= LINK_LOST_MS ? [{ kind: 'stop-dhcp', name }] : [];
}
