import type { NetworkInterfaceInfo } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consolePorts } from './console-ports.ts';
import { chooseNetwork } from './network-choice.ts';

function info(address: string, internal = false): NetworkInterfaceInfo {
  return { address, internal, family: 'IPv4', netmask: '255.255.255.0', mac: '', cidr: null };
}
const lo = [info('127.0.0.1', true)];
const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
const route = (name: string, metric = 0) =>
  `${name}\t00000000\t0100000A\t0003\t0\t0\t${metric}\t00000000\t0\t0\t0\n`;

describe('choosing the network of a console', () => {
  it('takes the named one, the one with the best default route, or the only one', () => {
    const interfaces = { lo, eth0: [info('10.0.0.1')], eth1: [info('10.1.0.1')] };
    const routes = `${HEAD}${route('eth0', 200)}${route('eth1', 100)}`;
    expect(chooseNetwork({ interfaces, routes })).toEqual({ name: 'eth1', address: '10.1.0.1' });
    expect(chooseNetwork({ interfaces, routes, wanted: 'eth0' }).address).toBe('10.0.0.1');
    expect(chooseNetwork({ interfaces: { lo, eth7: [info('10.2.0.1')] }, routes: '' }).name).toBe('eth7');
    expect(chooseNetwork({ interfaces, routes, wanted: 'lo' }).address).toBe('127.0.0.1');
  });

  it('does not guess and names what there is', () => {
    const interfaces = { lo, eth0: [info('10.0.0.1')], eth1: [info('10.1.0.1')] };
    expect(() => chooseNetwork({ interfaces, routes: HEAD })).toThrow(
      /eth0 \(10\.0\.0\.1\), eth1.*--interface/,
    );
    expect(() => chooseNetwork({ interfaces: { lo }, routes: HEAD })).toThrow(
      'no interface has an IPv4 address',
    );
    expect(() => chooseNetwork({ interfaces, routes: HEAD, wanted: 'wlan0' })).toThrow(/"wlan0".*eth0/);
  });

  it('survives any route table', () => {
    fc.assert(
      fc.property(fc.string(), (routes) => {
        expect(chooseNetwork({ interfaces: { eth0: [info('10.0.0.1')] }, routes }).name).toBe('eth0');
      }),
    );
  });
});

describe('ports of a console', () => {
  it('are read by name and refused with what is allowed', () => {
    expect(consolePorts('control=6001, data=6004')).toEqual({ control: 6001, data: 6004 });
    for (const wrong of [
      '',
      'control',
      'control=0',
      'control=70000',
      'other=1',
      'control=1;service=2',
      '__proto__=1',
    ]) {
      expect(() => consolePorts(wrong), wrong).toThrow(expect.objectContaining({ code: 'usage' }));
    }
  });
});
