import type { InterfaceSetting } from '../schema/boot-params.ts';
import { isIpv4, prefixOf } from './lease-file.ts';
import type { NetworkSettings } from './network-plan.ts';

const DNS_MAX = 3;
const PREFIX_MAX = 30;
const VLAN_MAX = 4094;

/** The network dialog's fields as text, whatever was typed. */
export interface NetworkDraft {
  kind: 'dhcp' | 'static';
  address: string;
  mask: string;
  gateway: string;
  dns: string;
  /** A card's MAC, or empty for every card with a link. */
  card: string;
  vlan: string;
}

/** What stands in the fields at first. @param cards to find a card's MAC by its name. */
export function draftOf(
  settings: NetworkSettings,
  cards: readonly { name: string; mac: string }[],
): NetworkDraft {
  const { ip, iface, vlan } = settings;
  const named = cards.find((card) => iface?.kind === 'name' && card.name === iface.name);
  const common = {
    card: iface === undefined ? '' : iface.kind === 'mac' ? iface.mac : (named?.mac ?? ''),
    vlan: vlan === undefined ? '' : String(vlan),
  };
  if (ip.kind === 'dhcp') {
    return { kind: 'dhcp', address: '', mask: '255.255.255.0', gateway: '', dns: '', ...common };
  }
  const { address, prefixLength, gateway, dns } = ip;
  return { kind: 'static', address, mask: maskText(prefixLength), gateway, dns: dns.join(' '), ...common };
}

export function maskText(prefixLength: number): string {
  const bits = (0xffff_ffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

/** The problem of each field that has one; an empty object when all can be used. */
export function draftProblems(draft: NetworkDraft): Partial<Record<keyof NetworkDraft, string>> {
  const problems: Partial<Record<keyof NetworkDraft, string>> = {};
  const vlan = /^[0-9]{1,4}$/.test(draft.vlan) ? Number(draft.vlan) : 0;
  if (draft.vlan !== '' && (vlan < 1 || vlan > VLAN_MAX)) {
    problems.vlan = `use a whole number from 1 to ${VLAN_MAX}, or leave it empty`;
  }
  if (draft.kind === 'dhcp') return problems;
  const prefix = prefixOf(draft.mask.trim().replace(/^\//, ''));
  if (prefix === undefined || prefix > PREFIX_MAX) {
    problems.mask = 'use e.g. 255.255.255.0 or 24';
  }
  const address = addressProblem(draft.address.trim(), prefix);
  if (address !== '') problems.address = address;
  const gateway = gatewayProblem(draft, address === '' ? prefix : undefined);
  if (gateway !== '') problems.gateway = gateway;
  const servers = dnsOf(draft.dns);
  if (servers.length > DNS_MAX || !servers.every(isIpv4)) {
    problems.dns = `use up to ${DNS_MAX} addresses such as 10.0.0.2, with spaces between them`;
  }
  return problems;
}

function addressProblem(address: string, prefix: number | undefined): string {
  if (!isIpv4(address)) return 'use an IPv4 address such as 10.0.0.5';
  const first = Number(address.split('.')[0]);
  if (first === 0 || first === 127 || first >= 224) return `${address} is no address of a computer`;
  if (prefix === undefined || prefix > PREFIX_MAX) return '';
  const host = numberOf(address) & ~maskOf(prefix);
  if (host === 0) return `${address} is the network itself with this mask; use another one`;
  if (host >>> 0 === ~maskOf(prefix) >>> 0) return `${address} is the broadcast address; use another one`;
  return '';
}

/** @param prefix undefined while address and mask are not right: nothing can be compared with them. */
function gatewayProblem(draft: NetworkDraft, prefix: number | undefined): string {
  const gateway = draft.gateway.trim();
  const address = draft.address.trim();
  if (gateway === '') return '';
  if (!isIpv4(gateway)) return 'use an IPv4 address such as 10.0.0.1, or leave it empty';
  if (prefix === undefined || prefix > PREFIX_MAX || !isIpv4(address)) return '';
  if (gateway === address) return 'this is the computer itself; use the router';
  const isNear = ((numberOf(gateway) ^ numberOf(address)) & maskOf(prefix)) === 0;
  return isNear ? '' : `it is not in the network of ${address}; check address, mask and gateway`;
}

function maskOf(prefix: number): number {
  return 0xffff_ffff << (32 - prefix);
}

function numberOf(address: string): number {
  return address.split('.').reduce((number, part) => (number << 8) | Number(part), 0);
}

function dnsOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((part) => part !== '');
}

/** Settings of a draft without problems. */
export function settingsOf(draft: NetworkDraft): NetworkSettings {
  const iface: InterfaceSetting | undefined =
    draft.card === '' ? undefined : { kind: 'mac', mac: draft.card.toLowerCase() };
  const common = {
    ...(iface === undefined ? {} : { iface }),
    ...(draft.vlan === '' ? {} : { vlan: Number(draft.vlan) }),
  };
  if (draft.kind === 'dhcp') return { ip: { kind: 'dhcp' }, ...common };
  const ip = {
    kind: 'static' as const,
    address: draft.address.trim(),
    prefixLength: prefixOf(draft.mask.trim().replace(/^\//, ''))!,
    gateway: draft.gateway.trim(),
    dns: dnsOf(draft.dns),
  };
  return { ip, ...common };
}
