import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { serverAddressOf, withServerAddress } from './pxe-server-address.ts';

const loader = Buffer.concat([
  Buffer.from('b27fea00820000', 'hex'),
  Buffer.alloc(1024 - 7),
  Buffer.from('core of GRUB'),
]);
const address = fc.ipV4();

describe('withServerAddress', () => {
  it('writes an address that reads back, and nothing else', () => {
    fc.assert(
      fc.property(address, (server) => {
        const patched = withServerAddress(loader, server);
        expect(serverAddressOf(patched)).toBe(server);
        expect(withServerAddress(patched, undefined)).toEqual(loader);
        expect(patched.subarray(0x1c)).toEqual(loader.subarray(0x1c));
        expect(patched.subarray(0, 0x10)).toEqual(loader.subarray(0, 0x10));
      }),
    );
  });

  it('stores decimal digits, because GRUB shows memory as hexadecimal ones', () => {
    const patched = withServerAddress(loader, '192.168.0.10');
    expect(patched.subarray(0x10, 0x1c).toString('hex')).toBe('54445356920168010000' + '1000');
    expect(loader[0x10]).toBe(0);
  });

  it('replaces an address that is there already', () => {
    const twice = withServerAddress(withServerAddress(loader, '192.168.100.200'), '10.0.0.1');
    expect(twice).toEqual(withServerAddress(loader, '10.0.0.1'));
  });

  it('refuses names, IPv6 and other files', () => {
    for (const wrong of ['', 'server', '10.0.0', '10.0.0.256', '::1', "10.0.0.1'", '010.0.0.1']) {
      expect(() => withServerAddress(loader, wrong), wrong).toThrow(TdError);
    }
    expect(() => withServerAddress(Buffer.alloc(2048), '10.0.0.1')).toThrow(
      /it is not the file of TotalDeploy/,
    );
    expect(() => withServerAddress(loader.subarray(0, 500), '10.0.0.1')).toThrow(TdError);
    const otherBootRecord = Buffer.from(loader);
    otherBootRecord[100] = 0x90;
    expect(() => withServerAddress(otherBootRecord, '10.0.0.1')).toThrow(TdError);
  });
});

describe('serverAddressOf', () => {
  it('says that there is none', () => {
    expect(serverAddressOf(loader)).toBeUndefined();
  });

  it('answers any bytes with an address, none, or one line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.boolean(), (bytes, marked) => {
        const damaged = Buffer.from(loader);
        damaged.set(bytes, 0x10);
        if (marked) damaged.write('TDSV', 0x10, 'latin1');
        try {
          const found = serverAddressOf(damaged);
          if (found !== undefined) expect(found).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
        } catch (error) {
          expect((error as TdError).code).toBe('invalid');
        }
      }),
    );
  });
});
