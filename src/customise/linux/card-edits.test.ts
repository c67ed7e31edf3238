import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Customisation } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import { SystemRoot } from '../system-root.ts';
import { cardEdits } from './card-edits.ts';
import { detectLinux, type LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import { withoutCards } from './master-cards.ts';
import { makeTree, TREES } from './testdata/linux-trees.ts';

const MAC = '52:54:00:12:34:56';
const STATIC: Customisation['network'] = {
  kind: 'static',
  address: '10.0.0.5',
  prefixLength: 20,
  gateway: '10.0.0.1',
  dnsServers: ['10.0.0.2', '10.0.0.3'],
  dnsSuffix: 'lab.example.org',
};
const DHCP: Customisation['network'] = { kind: 'dhcp', dnsServers: ['10.0.0.2'], dnsSuffix: '' };

let dir = '';
let root: SystemRoot;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-cards-'));
  root = new SystemRoot(dir);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function customise(name: keyof typeof TREES, network: Customisation['network'], macs = [MAC]) {
  await makeTree(dir, TREES[name]);
  const facts = (await detectLinux(root)) as LinuxFacts;
  const system = { root, facts, firstStart: [] } as unknown as LinuxSystem;
  return applyEdits(cardEdits(network, facts, { macs, pciDevices: [] }), system);
}

const mode = async (path: string) => (await stat(join(dir, path))).mode & 0o7777;
const aside = (path: string) => root.readText(`/etc/totaldeploy-master/${path}`);

describe('cardEdits', () => {
  it('writes netplan for the card, puts the master aside and lets wireless be', async () => {
    expect(await customise('UBUNTU', STATIC)).toEqual([
      { text: `Give the card ${MAC} 10.0.0.5/20, by netplan`, result: 'done', reason: '' },
    ]);
    const text = await root.readText('/etc/netplan/90-totaldeploy.yaml');
    expect(JSON.parse(text.replace(/^#.*$/m, ''))).toEqual({
      network: {
        version: 2,
        ethernets: {
          lan0: {
            match: { macaddress: MAC },
            dhcp4: false,
            addresses: ['10.0.0.5/20'],
            routes: [{ to: '0.0.0.0/0', via: '10.0.0.1' }],
            nameservers: { addresses: ['10.0.0.2', '10.0.0.3'], search: ['lab.example.org'] },
          },
        },
      },
    });
    expect(await mode('etc/netplan/90-totaldeploy.yaml')).toBe(0o600);
    expect(await root.list('/etc/netplan')).toEqual(['01-wifi.yaml', '90-totaldeploy.yaml']);
    expect(await aside('netplan/50-cloud-init.yaml')).toContain('192.168.9.9');
    expect(await mode('etc/totaldeploy-master')).toBe(0o700);
  });

  it('writes a connection only root may read for NetworkManager', async () => {
    await customise('FEDORA', STATIC);
    const folder = '/etc/NetworkManager/system-connections';
    expect(await root.list(folder)).toEqual(['home.nmconnection', 'totaldeploy.nmconnection']);
    expect(await root.readText(`${folder}/totaldeploy.nmconnection`)).toMatch(
      /\[ethernet\]\nmac-address=52:54:00:12:34:56\n\n\[ipv4\]\nmethod=manual\naddress1=10.0.0.5\/20,10.0.0.1\ndns=10.0.0.2;10.0.0.3;\ndns-search=lab.example.org;\n/,
    );
    expect(await mode(`${folder}/totaldeploy.nmconnection`)).toBe(0o600);
    expect(await aside('NetworkManager/system-connections/enp1s0.nmconnection')).toContain('192.168.9.9');
  });

  it('takes the cards out of interfaces, keeps the rest, and names the card by a rule', async () => {
    await customise('DEBIAN', STATIC);
    expect(await root.readText('/etc/network/interfaces')).toBe(`# mine
source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback

# the bridge
auto br0
iface br0 inet manual
    bridge_ports none

# Written by TotalDeploy.
auto lan0
iface lan0 inet static
    address 10.0.0.5
    netmask 255.255.240.0
    gateway 10.0.0.1
    dns-nameservers 10.0.0.2 10.0.0.3
    dns-search lab.example.org
`);
    expect(await root.readText('/etc/network/interfaces.d/more')).toBe('');
    expect(await aside('network/interfaces')).toContain('address 192.168.9.9');
    expect(await aside('network/interfaces.d/more')).toContain('ens4');
    expect(await root.readText('/etc/resolv.conf')).toContain('nameserver 10.0.0.3');
    expect(await root.readText('/etc/udev/rules.d/70-totaldeploy-net.rules')).toContain(
      `ATTR{address}=="${MAC}", ATTR{type}=="1", NAME="lan0"`,
    );
  });

  it("writes Red Hat's ifcfg file and drops the common gateway", async () => {
    await customise('CENTOS6', STATIC);
    const folder = '/etc/sysconfig/network-scripts';
    expect(await root.list(folder)).toEqual(['ifcfg-lan0', 'ifcfg-lo', 'ifup-eth']);
    expect(await root.readText(`${folder}/ifcfg-lan0`)).toBe(
      [
        '# Written by TotalDeploy.\nDEVICE=lan0\nHWADDR=52:54:00:12:34:56\nTYPE=Ethernet\nONBOOT=yes\nBOOTPROTO=none',
        'IPADDR=10.0.0.5\nPREFIX=20\nNETMASK=255.255.240.0\nGATEWAY=10.0.0.1\nDNS1=10.0.0.2\nDNS2=10.0.0.3',
        'DOMAIN=lab.example.org\n',
      ].join('\n'),
    );
    expect(await root.readText('/etc/sysconfig/network')).not.toContain('GATEWAY');
    expect(await aside('sysconfig/network-scripts/route-eth0')).toContain('10.9.0.0');
  });

  it("writes SUSE's ifcfg, its route and netconfig's servers", async () => {
    await customise('OPENSUSE', STATIC);
    const folder = '/etc/sysconfig/network';
    expect(await root.readText(`${folder}/ifcfg-lan0`)).toContain(
      "BOOTPROTO='static'\nIPADDR='10.0.0.5/20'\n",
    );
    expect(await root.readText(`${folder}/ifroute-lan0`)).toBe('default 10.0.0.1 - lan0\n');
    expect(await root.readText(`${folder}/routes`)).toBe('10.9.0.0/16 192.168.9.2 - -\n');
    expect(await root.readText(`${folder}/config`)).toBe(
      'NETCONFIG_DNS_POLICY="auto"\nNETCONFIG_DNS_STATIC_SERVERS="10.0.0.2 10.0.0.3"\nNETCONFIG_DNS_STATIC_SEARCHLIST="lab.example.org"\n',
    );
    expect(await root.exists(`${folder}/ifcfg-eth0`)).toBe(false);
  });

  it('matches the card alone with systemd-networkd, with servers of its own for DHCP', async () => {
    await customise('ARCH', DHCP);
    expect(await root.list('/etc/systemd/network')).toEqual(['05-totaldeploy.network', '30-br.network']);
    expect(await root.readText('/etc/systemd/network/05-totaldeploy.network')).toBe(
      `# Written by TotalDeploy.\n[Match]\nMACAddress=${MAC}\nType=ether\n\n[Network]\nDHCP=yes\nDNS=10.0.0.2\n\n[DHCPv4]\nUseDNS=false\n`,
    );
    expect(await root.exists('/etc/resolv.conf')).toBe(false);
  });

  it.each(['UBUNTU', 'FEDORA', 'CENTOS6'] as const)(
    "keeps the master's settings of %s and puts this computer's card in the place of the master's",
    async (name) => {
      expect(await customise(name, { kind: 'keep' })).toMatchObject([{ result: 'done' }]);
      const path = {
        UBUNTU: '/etc/netplan/50-cloud-init.yaml',
        FEDORA: '/etc/NetworkManager/system-connections/enp1s0.nmconnection',
        CENTOS6: '/etc/sysconfig/network-scripts/ifcfg-eth0',
      }[name];
      const text = await root.readText(path);
      expect(text).toContain(MAC);
      expect(text).toContain('192.168.9.9');
      expect(text.toLowerCase()).not.toContain('52:54:00:aa');
    },
  );

  it('says why it keeps or gives no address', async () => {
    expect(await customise('OPENSUSE', { kind: 'keep' })).toMatchObject([{ result: 'done' }]);
    expect(await root.exists('/etc/totaldeploy-master')).toBe(false);
    await rm(dir, { recursive: true });
    expect(await customise('UBUNTU', { kind: 'keep' }, [])).toMatchObject([
      {
        result: 'skipped',
        reason: "the master's settings name 1 card by address, and this computer has only 0",
      },
    ]);
    await rm(dir, { recursive: true });
    expect(await customise('UBUNTU', STATIC, [])).toMatchObject([
      { result: 'failed', reason: 'Cannot set addresses: this computer has no known card' },
    ]);
  });

  it('never writes through a link out of the system', async () => {
    await makeTree(dir, { outside: 'kept' });
    await makeTree(join(dir, 'root'), {
      ...TREES.DEBIAN,
      'etc/network/interfaces': '->../../../outside',
      'etc/resolv.conf': `->${dir}/outside`,
      'etc/udev/rules.d/70-totaldeploy-net.rules': '->../../../../outside',
    });
    const inner = new SystemRoot(join(dir, 'root'));
    const facts = (await detectLinux(inner)) as LinuxFacts;
    await applyEdits(cardEdits(STATIC, facts, { macs: [MAC], pciDevices: [] }), {
      root: inner,
      facts,
    } as unknown as LinuxSystem);
    expect(await root.readText('/outside')).toBe('kept');
    expect(await inner.readText('/outside')).toContain('ATTR{address}');
  });
});

describe('withoutCards', () => {
  it('keeps a file without cards as it is', () => {
    const text = '# x\nauto lo docker0\n\niface lo inet loopback\n  up a \\\n  b\n';
    expect(withoutCards(text)).toBe(text);
  });
});
