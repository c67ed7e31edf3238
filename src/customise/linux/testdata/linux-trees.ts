import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Customisation } from '../../../schema/customisation.ts';

/** Text of files by path; a value that begins with `->` is a symbolic link. */
export type Tree = Record<string, string>;

export async function makeTree(dir: string, tree: Tree): Promise<void> {
  for (const [path, text] of Object.entries(tree)) {
    const host = join(dir, path);
    await mkdir(dirname(host), { recursive: true });
    if (text.startsWith('->')) await symlink(text.slice(2), host);
    else await writeFile(host, text);
  }
}

const SYSTEMD: Tree = {
  'usr/lib/systemd/systemd': 'ELF',
  bin: '->usr/bin',
  sbin: '->usr/sbin',
  'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  'var/lib/dbus/machine-id': '0123456789abcdef0123456789abcdef\n',
  'etc/hostname': 'master\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n127.0.1.1\tmaster.old.example master\n::1 localhost ip6-localhost\n',
};

const SSH: Tree = {
  'usr/bin/ssh-keygen': 'ELF',
  'usr/sbin/sshd': 'ELF',
  'etc/ssh/sshd_config': '',
  'etc/ssh/ssh_host_ed25519_key': 'master key',
  'etc/ssh/ssh_host_ed25519_key.pub': 'master key',
};

const ACCOUNTS: Tree = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\nanna:x:1000:1000::/home/anna:/bin/bash\n',
  'etc/group': 'root:x:0:\nsudo:x:27:\nwheel:x:10:\n',
  'usr/bin/bash': 'ELF',
};

const enabled = (service: string): Tree => ({
  [`etc/systemd/system/multi-user.target.wants/${service}.service`]: `->/usr/lib/systemd/system/${service}.service`,
});

/** Ubuntu Server as its installer leaves it. */
export const UBUNTU: Tree = {
  ...SYSTEMD,
  ...SSH,
  ...ACCOUNTS,
  ...enabled('systemd-networkd'),
  'usr/lib/os-release': 'PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\n',
  'etc/os-release': '->../usr/lib/os-release',
  'etc/debian_version': 'trixie/sid\n',
  'usr/sbin/netplan': 'ELF',
  'usr/sbin/update-initramfs': 'ELF',
  'etc/initramfs-tools/initramfs.conf': '# which\nMODULES=most\n',
  'etc/netplan/50-cloud-init.yaml':
    'network:\n  version: 2\n  ethernets:\n    enp1s0:\n      match:\n        macaddress: "52:54:00:aa:aa:aa"\n      addresses: [192.168.9.9/24]\n      set-name: enp1s0\n',
  'etc/netplan/01-wifi.yaml': 'network:\n  version: 2\n  wifis: {}\n',
  'etc/cloud/cloud.cfg': 'users: [default]\n',
  'var/lib/cloud/instances/i-1/sem/x': '',
  'var/lib/cloud/scripts/per-boot/mine': '',
  'boot/grub/grub.cfg': '\tlinux /vmlinuz root=UUID=1234 ro\n',
  'etc/fstab': 'UUID=1234 / ext4 defaults 0 1\n/dev/sr0 /media/cd auto noauto 0 0\n',
};

/** Debian with ifupdown, addresses fixed, and an initramfs for the master alone. */
export const DEBIAN: Tree = {
  ...SYSTEMD,
  ...SSH,
  ...ACCOUNTS,
  'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
  'etc/debian_version': '12.5\n',
  'usr/sbin/ifup': 'ELF',
  'usr/sbin/update-initramfs': 'ELF',
  'etc/initramfs-tools/initramfs.conf': 'MODULES=most\n',
  'etc/initramfs-tools/conf.d/disk': 'MODULES=dep\n',
  'etc/network/interfaces': `# mine
source /etc/network/interfaces.d/*
auto lo ens3
iface lo inet loopback
allow-hotplug ens4
iface ens3 inet static
    address 192.168.9.9
    netmask 255.255.255.0
    up ip route add \\
       10.9.0.0/16 via 192.168.9.2

# the bridge
auto br0
iface br0 inet manual
    bridge_ports none
iface ens3:1 inet static
    address 192.168.9.10/24
`,
  'etc/network/interfaces.d/more': 'iface ens4 inet dhcp\n',
  'etc/resolv.conf': 'nameserver 192.168.9.1\n',
  'var/lib/dhcp/dhclient.ens3.leases': 'lease {}',
  'etc/udev/rules.d/70-persistent-net.rules': 'old',
  'etc/samba/smb.conf': '; mine\n[Global]\n   WorkGroup = OLD\n[share]\n   workgroup = kept\n',
  'boot/grub/grub.cfg': '\tlinux /vmlinuz root=/dev/sda1 ro\n',
  'etc/fstab': '/dev/sda1 / ext4 defaults 0 1\n',
};

/** Fedora with NetworkManager's keyfiles and SELinux. */
export const FEDORA: Tree = {
  ...SYSTEMD,
  ...SSH,
  ...ACCOUNTS,
  ...enabled('NetworkManager'),
  'etc/os-release': 'NAME="Fedora Linux"\nID=fedora\nPRETTY_NAME="Fedora Linux 41 (Server Edition)"\n',
  'etc/redhat-release': 'Fedora release 41\n',
  'usr/bin/dracut': 'sh',
  'usr/bin/realm': 'ELF',
  'usr/lib/dracut/dracut.conf.d/01-dist.conf': 'hostonly="yes"\n',
  'etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=targeted\n',
  'etc/NetworkManager/system-connections/enp1s0.nmconnection':
    '[connection]\nid=enp1s0\ntype=ethernet\n[ethernet]\nmac-address=52:54:00:AA:AA:AA\n[ipv4]\nmethod=manual\naddress1=192.168.9.9/24\n',
  'etc/NetworkManager/system-connections/home.nmconnection':
    '[connection]\nid=home\ntype=wifi\n[wifi-security]\npsk=x\n',
  'boot/grub2/grub.cfg': '',
  'boot/loader/entries/0123-6.11.conf': 'options root=UUID=1234 ro\n',
  'etc/machine-info': 'PRETTY_HOSTNAME="The master"\nDEPLOYMENT=lab\n',
};

/** CentOS 6: initscripts, no systemd, no os-release. */
export const CENTOS6: Tree = {
  ...SSH,
  ...ACCOUNTS,
  'bin/true': 'ELF',
  'etc/redhat-release': 'CentOS release 6.10 (Final)\n',
  'sbin/ifup': 'sh',
  'sbin/dracut': 'sh',
  'etc/sysconfig/network': 'NETWORKING=yes\nHOSTNAME=master.old.example\nGATEWAY=192.168.9.1\n',
  'etc/sysconfig/network-scripts/ifup-eth': 'sh',
  'etc/sysconfig/network-scripts/ifcfg-lo': 'DEVICE=lo\n',
  'etc/sysconfig/network-scripts/ifcfg-eth0': 'DEVICE="eth0"\nHWADDR=52:54:00:AA:AA:AA\nIPADDR=192.168.9.9\n',
  'etc/sysconfig/network-scripts/route-eth0': '10.9.0.0/16 via 192.168.9.2\n',
  'etc/rc.d/rc.local': '#!/bin/sh\ntouch /var/lock/subsys/local\nexit 0\n',
  'etc/rc.local': '->rc.d/rc.local',
  'etc/hosts': '127.0.0.1 localhost master.old.example master\n192.168.9.9 master # me\n192.168.9.1 router\n',
  'boot/grub/grub.conf': '\tkernel /vmlinuz ro root=UUID=1234\n',
};

/** openSUSE with wicked. */
export const OPENSUSE: Tree = {
  ...SYSTEMD,
  ...ACCOUNTS,
  ...enabled('wicked'),
  'etc/os-release': 'PRETTY_NAME="openSUSE Leap 15.6"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
  'etc/HOSTNAME': '->hostname',
  'usr/sbin/wicked': 'ELF',
  'usr/bin/dracut': 'sh',
  'etc/sysconfig/network/config': 'NETCONFIG_DNS_STATIC_SERVERS=""\nNETCONFIG_DNS_POLICY="auto"\n',
  'etc/sysconfig/network/ifcfg-lo': 'STARTMODE=nfsroot\n',
  'etc/sysconfig/network/ifcfg-eth0': "BOOTPROTO='static'\nIPADDR='192.168.9.9/24'\n",
  'etc/sysconfig/network/routes': 'default 192.168.9.1 - -\n10.9.0.0/16 192.168.9.2 - -\n',
  'etc/sudoers.d/keep': '# empty\n',
  'usr/etc/sudoers': 'Defaults targetpw\n# %wheel ALL=(ALL) ALL\n',
};

/** Arch with systemd-networkd and resolved. */
export const ARCH: Tree = {
  ...SYSTEMD,
  ...ACCOUNTS,
  ...enabled('systemd-networkd'),
  ...enabled('systemd-resolved'),
  'etc/os-release': 'NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\n',
  'usr/bin/mkinitcpio': 'sh',
  'etc/mkinitcpio.conf': '# HOOKS=(base)\nHOOKS=(base udev autodetect block)\n',
  'etc/systemd/network/20-wired.network': '[Match]\nName=en*\n[Network]\nDHCP=yes\n',
  'etc/systemd/network/30-br.network': '[Match]\nName=br0\n[Network]\nAddress=10.8.0.1/24\n',
  'boot/loader/loader.conf': 'default arch\n',
};

export const TREES = { UBUNTU, DEBIAN, FEDORA, CENTOS6, OPENSUSE, ARCH };

export const NOTHING: Customisation = {
  membership: { kind: 'keep' },
  network: { kind: 'keep' },
  users: [],
  sid: 'new',
  files: [],
  applications: [],
  drivers: [],
};
