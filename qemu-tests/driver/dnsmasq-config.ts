import { TdError } from '../../src/lib/errors.ts';

export interface PxeHost {
  /** Lower case, colons. */
  mac: string;
  address: string;
  /** The PXE tree this computer gets; undefined: address only, no boot file. */
  pxeDir?: string;
}

export interface DnsmasqPlan {
  interface: string;
  /** First three numbers of the network, e.g. `10.77.0`. */
  prefix: string;
  /** Given to all as DHCP option 26. */
  mtuBytes: number;
  hosts: readonly PxeHost[];
  /** Folder with one entry per computer, see {@link tftpEntryName}. */
  tftpRoot: string;
  leasePath: string;
}

/** Boot file by the client's architecture (DHCP option 93, RFC 4578). */
const BIOS_BOOT_FILE = 'boot/pxeboot.com';
const UEFI_BOOT_FILE = 'shimx64.efi';

/** dnsmasq appends the computer's MAC in this form to the TFTP root (`tftp-unique-root=mac`). */
export function tftpEntryName(mac: string): string {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) {
    throw new TdError('usage', `Cannot serve "${mac}": a MAC address is six lower-case pairs with colons`);
  }
  return mac.replaceAll(':', '-');
}

/**
 * The configuration of a real DHCP and TFTP server as an administrator would write it: known computers get
 * their address and the boot file of their firmware, unknown computers nothing.
 */
export function dnsmasqConfig(plan: DnsmasqPlan): string {
  const lines = [
    'port=0',
    'no-hosts',
    'no-resolv',
    'log-dhcp',
    'log-facility=-',
    `interface=${plan.interface}`,
    'bind-interfaces',
    `dhcp-range=${plan.prefix}.100,static,255.255.255.0,1h`,
    `dhcp-leasefile=${plan.leasePath}`,
    `dhcp-option=option:mtu,${plan.mtuBytes}`,
    'dhcp-authoritative',
    'dhcp-no-override',
    'no-ping', // offers otherwise take three seconds
    'enable-ra', // iPXE otherwise waits 13 seconds for a router
    `dhcp-range=::,constructor:${plan.interface},ra-only`,
    `ra-param=${plan.interface},60,0`,
    'enable-tftp',
    `tftp-root=${plan.tftpRoot}`,
    'tftp-unique-root=mac',
    'dhcp-match=set:uefi,option:client-arch,7',
    'dhcp-match=set:uefi,option:client-arch,9',
    'dhcp-match=set:bios,option:client-arch,0',
    `dhcp-boot=tag:pxe,tag:bios,${BIOS_BOOT_FILE}`,
    `dhcp-boot=tag:pxe,tag:uefi,${UEFI_BOOT_FILE}`,
  ];
  for (const host of plan.hosts) {
    tftpEntryName(host.mac);
    lines.push(`dhcp-host=${host.mac},${host.pxeDir === undefined ? '' : 'set:pxe,'}${host.address}`);
  }
  return `${lines.join('\n')}\n`;
}

export interface TftpTransfer {
  path: string;
  address: string;
}

/** The files a log of dnsmasq says were sent completely. */
export function sentFiles(log: string): TftpTransfer[] {
  return [...log.matchAll(/dnsmasq-tftp\[\d+\]: sent (\S+) to (\S+)/g)].map(([, path, address]) => ({
    path: path!,
    address: address!,
  }));
}
