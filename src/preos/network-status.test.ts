import { describe, expect, it } from 'vitest';
import type { NetworkInterface } from './interfaces.ts';
import type { NetworkSettings } from './network-plan.ts';
import { describeNetwork } from './network-status.ts';

const dhcp: NetworkSettings = { ip: { kind: 'dhcp' } };
const card: NetworkInterface = {
  name: 'eth0',
  mac: '52:54:00:00:00:01',
  driver: 'e1000e',
  kind: 'card',
  up: true,
  link: true,
  speedMbit: 1000,
  mtuBytes: 1500,
  addresses: [],
};

function statusOf(
  seen: NetworkInterface[],
  settings: NetworkSettings = dhcp,
  since: [string, number][] = [],
  failures: [string, string][] = [],
) {
  return describeNetwork(settings, seen, {
    dhcpSinceMs: new Map(since),
    unleased: new Set(since.map(([name]) => name)),
    failures: new Map(failures),
    nowMs: 25_000,
  });
}

describe('describeNetwork', () => {
  it('names every card with driver, MAC and link state when there is no link', () => {
    const status = statusOf([{ ...card, link: false, speedMbit: 0 }]);
    expect(status.activity).toBe('Waiting for a link');
    expect(status.rows).toEqual([{ label: 'eth0', value: '52:54:00:00:00:01, e1000e, no link' }]);
    expect(status.problems).toEqual([
      'No link on eth0 (e1000e, 52:54:00:00:00:01): plug in the cable or check the switch port',
    ]);
  });

  it('says how long no DHCP server answered and what to do', () => {
    const status = statusOf([card], dhcp, [['eth0', 3000]]);
    expect(status.problems).toEqual([
      'No DHCP answer on eth0 for 20 s: check the DHCP server, cable and VLAN, or set td.ip=ADDRESS/LENGTH',
    ]);
    expect(statusOf([card], dhcp, [['eth0', 20_000]]).problems).toEqual([]);
  });

  it('names the cards there are when the wanted one is not', () => {
    const status = statusOf([card], { ...dhcp, iface: { kind: 'name', name: 'eth7' } });
    expect(status.problems).toEqual([
      'No network card eth7: set td.iface to one of eth0 (52:54:00:00:00:01)',
    ]);
    expect(statusOf([]).problems[0]).toContain('No network card was found');
  });

  it('has no problems once one interface is usable', () => {
    const status = statusOf([{ ...card, addresses: ['10.0.0.9/24'] }], dhcp, [['eth1', 0]], [['eth1', 'x']]);
    expect(status.usable).toEqual([{ name: 'eth0', address: '10.0.0.9' }]);
    expect(status.problems).toEqual([]);
  });

  it('does not use an address before its lease, with the routes, is there', () => {
    expect(statusOf([{ ...card, addresses: ['10.0.0.9/24'] }], dhcp, [['eth0', 0]]).usable).toEqual([]);
  });

  it('does not take another address for the static one', () => {
    const ip = { kind: 'static', address: '10.0.0.5', prefixLength: 24, gateway: '', dns: [] } as const;
    const settings: NetworkSettings = { ip: { ...ip, dns: [] } };
    expect(statusOf([{ ...card, addresses: ['10.0.0.9/24'] }], settings).usable).toEqual([]);
    const failed = statusOf([card], settings, [], [['eth0', 'ip ended with 2']]);
    expect(failed.problems).toEqual(['eth0: ip ended with 2']);
  });
});
