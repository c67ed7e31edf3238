import { describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { datagramBytesFor, machineMtuBytes, ownMtuBytes } from './datagram-size.ts';

describe('the size of datagrams', () => {
  it.each([
    ['plain Ethernet', [1500, 1500], 1472],
    ['jumbo frames everywhere', [9000, 9000], 8972],
    ['one card without jumbo frames', [9000, 1500, 9000], 1472],
    ['a tunnel', [1400, 1500], 1372],
    ['a loopback interface', [65_536], 8972],
    ['nonsense', [0], 544],
  ])('fills one frame with %s', (_, mtusBytes, expected) => {
    expect(datagramBytesFor(mtusBytes)).toBe(expected);
  });

  it('asks the card that a computer is connected by', () => {
    const machine = testMachine(1);
    const nic = machine.nics[0]!;
    machine.nics = [
      { ...nic, addresses: ['10.0.0.5/24'] },
      { ...nic, addresses: ['10.0.1.5/24'], mtuBytes: 9000 },
    ];
    expect(machineMtuBytes(machine, '10.0.1.5')).toBe(9000);
    expect(machineMtuBytes(machine, '10.0.0.5')).toBe(1500);
    expect(machineMtuBytes(machine, '10.0.2.5')).toBe(1500);
  });

  it('knows the MTU of its own interfaces', async () => {
    expect(await ownMtuBytes('127.0.0.1')).toBe(65_536);
    expect(await ownMtuBytes('192.0.2.77')).toBe(1500);
  });
});
