import { describe, expect, it } from 'vitest';
import { hostNamesOf, hostsText } from './host-name.ts';
import { smbConfText } from './membership.ts';
import { CENTOS6, DEBIAN, NOTHING } from './testdata/linux-trees.ts';

const NEW = { short: 'pc-7', full: 'pc-7.lab.example.org', old: 'master' };

describe('hostsText', () => {
  it('puts the new name at 127.0.1.1 and leaves everything else', () => {
    expect(hostsText(DEBIAN['etc/hosts'] as string, NEW)).toBe(
      '127.0.0.1\tlocalhost\n127.0.1.1\tpc-7.lab.example.org pc-7\n::1 localhost ip6-localhost\n',
    );
  });

  it("takes the master's name from other addresses", () => {
    expect(hostsText(CENTOS6['etc/hosts'] as string, { ...NEW, full: 'pc-7' })).toBe(
      '127.0.0.1\tlocalhost\n127.0.1.1\tpc-7\n192.168.9.1 router\n',
    );
  });

  it('is the same when done twice, and keeps localhost of a master of that name', () => {
    const once = hostsText('127.0.0.1 localhost.localdomain localhost\n', { ...NEW, old: 'localhost' });
    expect(hostsText(once, { ...NEW, old: 'pc-7' })).toBe(once);
    expect(once).toContain('localhost.localdomain localhost\n');
  });
});

describe('hostNamesOf', () => {
  it('takes the DNS suffix, else the domain', () => {
    const network = { kind: 'dhcp', dnsServers: [], dnsSuffix: '' } as const;
    const membership = { kind: 'domain', name: 'ad.example.org', user: 'a', password: 'p', ou: '' } as const;
    const named = { ...NOTHING, computerName: 'PC-7', network: { ...network, dnsServers: [] } };
    expect(hostNamesOf(named)?.full).toBe('PC-7');
    expect(hostNamesOf({ ...named, membership })?.full).toBe('PC-7.ad.example.org');
    expect(hostNamesOf({ ...named, network: { ...named.network, dnsSuffix: 'x.org' } })?.full).toBe(
      'PC-7.x.org',
    );
    expect(hostNamesOf(NOTHING)).toBeUndefined();
  });
});

describe('smbConfText', () => {
  it('sets the workgroup in the global section alone', () => {
    const text = smbConfText(DEBIAN['etc/samba/smb.conf'] as string, 'LAB');
    expect(text).toBe('; mine\n[Global]\n   workgroup = LAB\n[share]\n   workgroup = kept\n');
    expect(smbConfText(text, 'LAB')).toBe(text);
    expect(smbConfText('', 'LAB')).toBe('[global]\n   workgroup = LAB\n');
  });
});
