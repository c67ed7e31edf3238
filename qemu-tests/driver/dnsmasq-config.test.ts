import { describe, expect, it } from 'vitest';
import { dnsmasqConfig, sentFiles, tftpEntryName } from './dnsmasq-config.ts';

const PLAN = {
  interface: 'br0',
  prefix: '10.77.0',
  mtuBytes: 9000,
  tftpRoot: '/t/tftp',
  leasePath: '/t/leases',
  hosts: [
    { mac: '52:54:00:00:00:01', address: '10.77.0.11', pxeDir: '/t/tree' },
    { mac: '52:54:00:00:00:02', address: '10.77.0.12' },
  ],
};

describe('dnsmasq configuration', () => {
  it('answers known computers only and offers a boot file to those with a tree', () => {
    const lines = dnsmasqConfig(PLAN).split('\n');
    expect(lines).toContain('dhcp-range=10.77.0.100,static,255.255.255.0,1h');
    expect(lines).toContain('dhcp-option=option:mtu,9000');
    expect(lines).toContain('dhcp-host=52:54:00:00:00:01,set:pxe,10.77.0.11');
    expect(lines).toContain('dhcp-host=52:54:00:00:00:02,10.77.0.12');
    expect(lines).toContain('dhcp-boot=tag:pxe,tag:bios,boot/pxeboot.com');
    expect(lines).toContain('dhcp-boot=tag:pxe,tag:uefi,shimx64.efi');
  });

  it('refuses what is no MAC address', () => {
    expect(tftpEntryName('52:54:00:00:00:01')).toBe('52-54-00-00-00-01');
    for (const mac of ['52-54-00-00-00-01', '52:54:00:00:00', '52:54:00:00:00:0A', '../x']) {
      expect(() => tftpEntryName(mac)).toThrow(/MAC address/);
    }
  });

  it('finds the files sent in the log', () => {
    const log =
      'Nov 22 11:09:12 dnsmasq-tftp[8580]: error 8 User aborted the transfer received from 10.77.0.12\n' +
      'Nov 22 11:09:12 dnsmasq-tftp[8580]: sent /t/52-54-00-00-00-02/shimx64.efi to 10.77.0.12\n';
    expect(sentFiles(log)).toEqual([{ path: '/t/52-54-00-00-00-02/shimx64.efi', address: '10.77.0.12' }]);
  });
});
