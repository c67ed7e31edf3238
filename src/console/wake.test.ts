import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { until } from './testdata/test-console.ts';
import { magicPacket, wakeComputers } from './wake.ts';

const known = [
  { computerId: 'uuid-1/02:00:00:00:00:01', macs: ['02:00:00:00:00:01', '02:00:00:00:00:0a'] },
  { computerId: 'uuid-2/02:00:00:00:00:02', macs: ['02:00:00:00:00:02'] },
];

describe('waking computers', () => {
  it('sends six ff bytes and the address sixteen times', () => {
    const packet = magicPacket('02:00:00:00:00:fe');
    expect(packet).toHaveLength(102);
    expect(packet.toString('hex')).toBe('ff'.repeat(6) + '0200000000fe'.repeat(16));
  });

  it('broadcasts to every card of the named computers and to addresses never seen', async () => {
    const heard = new Set<string>();
    const socket = createSocket('udp4');
    socket.on('message', (bytes) => heard.add(bytes.subarray(6, 12).toString('hex')));
    try {
      const port = await new Promise<number>((resolve) =>
        socket.bind(0, '0.0.0.0', () => resolve(socket.address().port)),
      );
      const options = { known, interfaceAddress: '127.0.0.1', port };
      const woken = await wakeComputers(['02-00-00-00-00-0A', '0200000000FF'], options);
      expect(woken).toEqual(['uuid-1/02:00:00:00:00:01', '02:00:00:00:00:ff']);
      await until(() => heard.size === 3, 'the packets');
      expect([...heard].sort()).toEqual(['020000000001', '02000000000a', '0200000000ff']);
      expect(await wakeComputers('all', options)).toHaveLength(2);
      await until(() => heard.has('020000000002'), 'the other computer');
    } finally {
      socket.close();
    }
  });

  it('sends nothing when a name is unknown, and says when there is no such network', async () => {
    const options = { known, interfaceAddress: '127.0.0.1' };
    await expect(wakeComputers(['nobody'], options)).rejects.toMatchObject({ code: 'not-found' });
    await expect(
      wakeComputers(['02:00:00:00:00:01'], { known, interfaceAddress: '203.0.113.9' }),
    ).rejects.toMatchObject({ code: 'network' });
  });
});
