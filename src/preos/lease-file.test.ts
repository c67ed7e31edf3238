import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLease } from './lease-file.ts';

describe('parseLease', () => {
  it('reads what the script writes', () => {
    const text =
      "interface=eth0\nip=192.168.7.20\nsubnet=255.255.255.0\nmask=24\nrouter='192.168.7.1 192.168.7.2'\ndns=192.168.7.1 8.8.8.8 x\nlease=3600\n";
    expect(parseLease(text)).toEqual({
      address: '192.168.7.20',
      prefixLength: 24,
      gateway: '192.168.7.1',
      dns: ['192.168.7.1', '8.8.8.8'],
      leaseSeconds: 3600,
    });
  });

  it('takes the subnet mask when there is no length', () => {
    expect(parseLease('ip=10.1.2.3\nsubnet=255.255.240.0')?.prefixLength).toBe(20);
    expect(parseLease('ip=10.1.2.3\nsubnet=255.0.255.0')).toBeUndefined();
  });

  it.each([
    '',
    'ip=10.0.0.1',
    'ip=0.0.0.0\nmask=24',
    'ip=10.0.0.256\nmask=24',
    'ip=10.0.0.1\nmask=33',
    'ip=10.0.0.1\nmask=0',
  ])('gives nothing for %j', (text) => expect(parseLease(text)).toBeUndefined());

  it('never throws and never gives an unusable address', () => {
    const line = fc.tuple(
      fc.constantFrom('ip', 'mask', 'subnet', 'router', 'dns', 'lease', 'x'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line), (pairs) => {
        const lease = parseLease(pairs.map(([key, value]) => `${key}=${value}`).join('\n'));
        if (lease === undefined) return;
        expect(lease.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        expect(lease.prefixLength).toBeGreaterThan(0);
      }),
    );
  });
});
