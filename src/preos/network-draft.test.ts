import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { draftOf, draftProblems, maskText, type NetworkDraft, settingsOf } from './network-draft.ts';

const cards = [{ name: 'eth0', mac: '52:54:00:00:00:01' }];
const right: NetworkDraft = {
  kind: 'static',
  address: '10.0.0.5',
  mask: '255.255.255.0',
  gateway: '10.0.0.1',
  dns: '10.0.0.2, 10.0.0.3',
  card: '52:54:00:00:00:01',
  vlan: '12',
};

describe('network draft', () => {
  it('gives the settings that were entered', () => {
    expect(draftProblems(right)).toEqual({});
    expect(settingsOf(right)).toEqual({
      ip: {
        kind: 'static',
        address: '10.0.0.5',
        prefixLength: 24,
        gateway: '10.0.0.1',
        dns: ['10.0.0.2', '10.0.0.3'],
      },
      iface: { kind: 'mac', mac: '52:54:00:00:00:01' },
      vlan: 12,
    });
    const dhcp = settingsOf({ ...right, kind: 'dhcp', card: '', vlan: '' });
    expect(dhcp).toEqual({ ip: { kind: 'dhcp' } });
  });

  it('shows what is set, finding a card that was named', () => {
    expect(draftOf({ ip: { kind: 'dhcp' }, iface: { kind: 'name', name: 'eth0' } }, cards)).toMatchObject({
      kind: 'dhcp',
      card: '52:54:00:00:00:01',
    });
    const settings = settingsOf(right);
    expect(settingsOf(draftOf(settings, cards))).toEqual(settings);
  });

  it.each([
    [{ address: '' }, 'address', /use an IPv4 address/],
    [{ address: '10.0.0.256' }, 'address', /use an IPv4 address/],
    [{ address: '127.0.0.1' }, 'address', /no address of a computer/],
    [{ address: '239.1.1.1' }, 'address', /no address of a computer/],
    [{ address: '10.0.0.0' }, 'address', /the network itself/],
    [{ address: '10.0.0.255' }, 'address', /the broadcast address/],
    [{ mask: '255.0.255.0' }, 'mask', /use e\.g\. 255/],
    [{ mask: '31' }, 'mask', /use e\.g\. 255/],
    [{ gateway: '10.0.1.1' }, 'gateway', /not in the network/],
    [{ gateway: '10.0.0.5' }, 'gateway', /the computer itself/],
    [{ gateway: 'router' }, 'gateway', /use an IPv4 address/],
    [{ dns: '1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4' }, 'dns', /up to 3/],
    [{ dns: 'dns.lab' }, 'dns', /up to 3/],
    [{ vlan: '4095' }, 'vlan', /1 to 4094/],
    [{ vlan: 'x' }, 'vlan', /1 to 4094/],
  ] as const)('refuses %j at its field', (change, field, problem) => {
    const problems = draftProblems({ ...right, ...change });
    expect(problems[field]).toMatch(problem);
    expect(Object.keys(problems)).toEqual([field]);
  });

  it('writes every mask as people know it', () => {
    expect([1, 8, 22, 24, 30].map(maskText)).toEqual([
      '128.0.0.0',
      '255.0.0.0',
      '255.255.252.0',
      '255.255.255.0',
      '255.255.255.252',
    ]);
  });

  it('never makes settings of anything but an IPv4 address, whatever is typed', () => {
    const text = fc.string({ maxLength: 20, unit: 'binary' });
    const record = { address: text, mask: text, gateway: text, dns: text, vlan: text };
    fc.assert(
      fc.property(fc.record(record), (typed) => {
        const draft = { ...right, ...typed };
        if (Object.keys(draftProblems(draft)).length > 0) return;
        const { ip } = settingsOf(draft);
        expect(ip).toMatchObject({ kind: 'static', address: expect.stringMatching(/^\d+(\.\d+){3}$/) });
      }),
    );
  });
});
