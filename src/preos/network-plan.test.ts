import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NetworkInterface } from './interfaces.ts';
import {
  LINK_LOST_MS,
  type NetworkMemory,
  type NetworkSettings,
  newNetworkMemory,
  planNetwork,
  vlanName,
} from './network-plan.ts';

const dhcp: NetworkSettings = { ip: { kind: 'dhcp' } };
const fixed: NetworkSettings = {
  ip: { kind: 'static', address: '10.0.0.5', prefixLength: 24, gateway: '10.0.0.1', dns: [] },
};

function card(name: string, changes: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    name,
    mac: `52:54:00:00:00:0${name.slice(-1)}`,
    driver: 'virtio_net',
    kind: 'card',
    up: true,
    link: true,
    speedMbit: 1000,
    mtuBytes: 1500,
    addresses: [],
    ...changes,
  };
}

const plan = (settings: NetworkSettings, seen: NetworkInterface[], memory: NetworkMemory, nowMs = 0) =>
  planNetwork(settings, seen, { memory, nowMs });

describe('planNetwork', () => {
  it('brings up every card and asks for addresses on all with a link at once', () => {
    const seen = [
      card('eth0'),
      card('eth1', { link: false }),
      card('eth2', { up: false, link: false }),
      card('eth3'),
    ];
    expect(plan(dhcp, seen, newNetworkMemory())).toEqual([
      { kind: 'link-up', name: 'eth2' },
      { kind: 'start-dhcp', name: 'eth0', requestAddress: undefined },
      { kind: 'start-dhcp', name: 'eth3', requestAddress: undefined },
    ]);
  });

  it('keeps an interface that the loader configured', () => {
    expect(plan(dhcp, [card('eth0', { addresses: ['10.0.0.9/24'] })], newNetworkMemory())).toEqual([]);
  });

  it('renews a kept address when its lease is half over', () => {
    const memory = newNetworkMemory();
    memory.renewAtMs.set('eth0', 5000);
    const seen = [card('eth0', { addresses: ['10.0.0.9/24'] })];
    expect(plan(dhcp, seen, memory, 4999)).toEqual([]);
    expect(plan(dhcp, seen, memory, 5000)).toEqual([
      { kind: 'start-dhcp', name: 'eth0', requestAddress: '10.0.0.9' },
    ]);
  });

  it('starts no second client', () => {
    const memory = newNetworkMemory();
    memory.dhcp.add('eth0');
    expect(plan(dhcp, [card('eth0')], memory)).toEqual([]);
  });

  it('lets go of a card only when its link stays away', () => {
    const memory = newNetworkMemory();
    memory.dhcp.add('eth0');
    const gone = [card('eth0', { link: false })];
    expect(plan(dhcp, gone, memory, 1000)).toEqual([]);
    expect(plan(dhcp, [card('eth0')], memory, 2000)).toEqual([]);
    expect(plan(dhcp, gone, memory, 3000)).toEqual([]);
    expect(plan(dhcp, gone, memory, 2999 + LINK_LOST_MS)).toEqual([]);
    expect(plan(dhcp, gone, memory, 3000 + LINK_LOST_MS)).toEqual([{ kind: 'stop-dhcp', name: 'eth0' }]);
  });

  it('uses only the named card, by name or MAC', () => {
    const seen = [card('eth0'), card('eth1')];
    const start = [{ kind: 'start-dhcp', name: 'eth1', requestAddress: undefined }];
    expect(plan({ ...dhcp, iface: { kind: 'name', name: 'eth1' } }, seen, newNetworkMemory())).toEqual(start);
    const byMac: NetworkSettings = { ...dhcp, iface: { kind: 'mac', mac: '52:54:00:00:00:01' } };
    expect(plan(byMac, seen, newNetworkMemory())).toEqual(start);
    expect(plan({ ...dhcp, iface: { kind: 'name', name: 'eth7' } }, seen, newNetworkMemory())).toEqual([]);
  });

  it('gives a static address to the first card with a link, once', () => {
    const seen = [card('eth0', { link: false }), card('eth1')];
    expect(plan(fixed, seen, newNetworkMemory())).toEqual([
      { kind: 'set-address', name: 'eth1', setting: fixed.ip },
    ]);
    seen[1] = card('eth1', { addresses: ['10.0.0.5/24'] });
    expect(plan(fixed, seen, newNetworkMemory())).toEqual([]);
  });

  it('works in the VLAN and leaves the card itself without an address', () => {
    const settings: NetworkSettings = { ...dhcp, vlan: 12 };
    expect(plan(settings, [card('eth0')], newNetworkMemory())).toEqual([
      { kind: 'add-vlan', parent: 'eth0', name: 'eth0.12', vlan: 12 },
    ]);
    const seen = [card('eth0'), card('eth0.12', { kind: 'vlan' })];
    expect(plan(settings, seen, newNetworkMemory())).toEqual([
      { kind: 'start-dhcp', name: 'eth0.12', requestAddress: undefined },
    ]);
  });

  it('settles: doing what is planned leaves nothing to do', () => {
    const anyCard = fc.record({
      up: fc.boolean(),
      link: fc.boolean(),
      addresses: fc.constantFrom<string[][]>([], ['10.0.0.9/24']),
    });
    fc.assert(
      fc.property(
        fc.array(anyCard, { maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        (cards, isStatic, hasVlan) => {
          const settings: NetworkSettings = { ...(isStatic ? fixed : dhcp), ...(hasVlan ? { vlan: 7 } : {}) };
          let seen = cards.map((changes, i) => card(`eth${i}`, changes));
          const memory = newNetworkMemory();
          for (let round = 0; round < 4; round += 1) {
            for (const action of plan(settings, seen, memory)) {
              if (action.kind === 'start-dhcp') memory.dhcp.add(action.name);
              if (action.kind === 'add-vlan') seen.push(card(action.name, { kind: 'vlan', up: false }));
              seen = seen.map((item) => {
                if (item.name !== ('name' in action ? action.name : '')) return item;
                if (action.kind === 'link-up') return { ...item, up: true };
                if (action.kind === 'set-address') return { ...item, addresses: ['10.0.0.5/24'] };
                return item;
              });
            }
          }
          expect(plan(settings, seen, memory)).toEqual([]);
        },
      ),
    );
  });
});

describe('vlanName', () => {
  it('stays within the 15 characters of the kernel', () => {
    expect(vlanName('eth0', 7)).toBe('eth0.7');
    expect(vlanName('enp0s31f6abcdef', 4094)).toBe('enp0s31f6a.4094');
  });
});
