import type { StaticAddress } from './network-plan.ts';

export interface Lease extends StaticAddress {
  /** 0 when the server did not say. */
  leaseSeconds: number;
}

const LEASE_CHARS_MAX = 16_384;
const DNS_MAX = 3;

/**
 * Reads what the udhcpc script wrote: `KEY=value` lines with udhcpc's own names (ip, mask, subnet,
 * router, dns, lease); undefined when there is no usable address in it.
 */
export function parseLease(text: string): Lease | undefined {
  const values = new Map<string, string>();
  for (const line of text.slice(0, LEASE_CHARS_MAX).split('\n')) {
    const match = /^([A-Za-z0-9_]+)=['"]?([^'"]*)['"]?\s*$/.exec(line);
    if (match !== null) values.set(match[1]!.toLowerCase(), match[2]!.trim());
  }
  const address = values.get('ip') ?? '';
  const prefixLength = prefixOf(values.get('mask') ?? '') ?? prefixOf(values.get('subnet') ?? '');
  if (!isIpv4(address) || address === '0.0.0.0' || prefixLength === undefined) return undefined;
  const list = (key: string) => (values.get(key) ?? '').split(/\s+/).filter(isIpv4);
  const lease = Number(values.get('lease') ?? '0');
  return {
    address,
    prefixLength,
    gateway: list('router')[0] ?? '',
    dns: list('dns').slice(0, DNS_MAX),
    leaseSeconds: Number.isSafeInteger(lease) && lease > 0 ? lease : 0,
  };
}

/** From `24` or `255.255.255.0`. */
export function prefixOf(text: string): number | undefined {
  if (/^[0-9]{1,2}$/.test(text)) {
    const length = Number(text);
    return length >= 1 && length <= 32 ? length : undefined;
  }
  if (!isIpv4(text)) return undefined;
  const bits = text
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
  const match = /^(1+)0*$/.exec(bits);
  return match === null ? undefined : match[1]!.length;
}

export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return (
    parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
  );
}
