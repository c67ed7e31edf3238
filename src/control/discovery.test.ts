import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseConsole, type FoundConsole } from './discovery.ts';
import { DISCOVERY_BYTES_MAX, decodeDiscovery, encodeDiscovery } from './discovery-messages.ts';

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((all) => all.join(''));

function found(name: string, certificate: string, address = '10.0.0.1'): FoundConsole {
  return {
    address,
    controlPort: 5001,
    name,
    version: '1',
    protocol: 1,
    certificateSha256: certificate.repeat(64),
  };
}

describe('discovery datagrams', () => {
  it('read back as they were written', () => {
    const announcement = fc.record({
      type: fc.constant('console' as const),
      protocol: fc.nat({ max: 0xffff }),
      name: fc.string({ minLength: 1, maxLength: 100 }),
      version: fc.string({ maxLength: 40 }),
      controlPort: fc.integer({ min: 1, max: 65_535 }),
      certificateSha256: hex(64),
      nonce: fc.oneof(hex(16), fc.constant('')),
    });
    fc.assert(
      fc.property(announcement, (message) => {
        const decoded = decodeDiscovery(encodeDiscovery(message));
        expect(decoded).toEqual({ ok: true, message: { td: 'totaldeploy', ...message } });
      }),
    );
  });

  it('of any other bytes are dropped with a reason, never thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeDiscovery(bytes).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
    const query = encodeDiscovery({ type: 'query', protocol: 1, nonce: '0'.repeat(16) });
    fc.assert(
      fc.property(fc.nat({ max: query.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(query);
        changed[at] = changed[at]! ^ change;
        const decoded = decodeDiscovery(changed);
        if (decoded.ok) expect(decoded.message.type).toBe('query');
      }),
    );
    expect(decodeDiscovery(Buffer.alloc(DISCOVERY_BYTES_MAX + 1, 32))).toEqual({
      ok: false,
      reason: 'too long',
    });
  });
});

describe('choosing a console', () => {
  it('takes the only one', () => {
    expect(chooseConsole([found('a', '1')], undefined).name).toBe('a');
  });

  it('takes the one the site image was made by, however many there are', () => {
    expect(chooseConsole([found('a', '1'), found('b', '2'), found('c', '3')], '2'.repeat(64)).name).toBe('b');
  });

  it('takes one console that answers from two networks', () => {
    const both = [found('a', '1', '10.0.0.1'), found('a', '1', '10.1.0.1')];
    expect(chooseConsole(both, undefined).address).toBe('10.0.0.1');
  });

  it('refuses to guess between two, naming both and what to do', () => {
    const choose = () => chooseConsole([found('alpha', '1'), found('beta', '2', '10.0.0.2')], undefined);
    expect(choose).toThrow(/"alpha" at 10\.0\.0\.1:5001.*"beta" at 10\.0\.0\.2:5001.*td\.console=/);
  });

  it('says when none or only foreign ones answered', () => {
    expect(() => chooseConsole([], undefined)).toThrow('none answered');
    expect(() => chooseConsole([found('other', '1')], '2'.repeat(64))).toThrow(/foreign.*"other"/);
  });
});
