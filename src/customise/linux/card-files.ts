import { ipv4Number, ipv4Text } from '../../schema/template.ts';

/** What one network card is to have. */
export interface CardSettings {
  mac: string;
  /** Absent: by DHCP. */
  fixed?: { address: string; prefixLength: number; gateway: string };
  /** Empty: those that DHCP gives. */
  dnsServers: readonly string[];
  dnsSuffix: string;
}

/** Systems that know cards by name alone have a udev rule give the card this one. */
export const CARD_NAME = 'lan0';

const BY = '# Written by TotalDeploy.';

/** netplan(5): JSON is YAML, so nothing needs quoting by hand. */
export function netplanText(card: CardSettings, renderer: string | undefined): string {
  const { fixed, dnsServers, dnsSuffix } = card;
  const nameservers = {
    ...(dnsServers.length > 0 ? { addresses: dnsServers } : {}),
    ...(dnsSuffix === '' ? {} : { search: [dnsSuffix] }),
  };
  const settings = {
    match: { macaddress: card.mac },
    dhcp4: fixed === undefined,
    ...(fixed ? { addresses: [cidr(fixed)] } : {}),
    // Older netplans do not know `default`.
    ...(fixed?.gateway ? { routes: [{ to: '0.0.0.0/0', via: fixed.gateway }] } : {}),
    ...(Object.keys(nameservers).length > 0 ? { nameservers } : {}),
    ...(!fixed && dnsServers.length > 0 ? { 'dhcp4-overrides': { 'use-dns': false } } : {}),
  };
  const network = {
    version: 2,
    ...(renderer === undefined ? {} : { renderer }),
    ethernets: { [CARD_NAME]: settings },
  };
  return `${BY}\n${JSON.stringify({ network }, null, 2)}\n`;
}

/** nm-settings-keyfile(5). */
export function keyfileText(card: CardSettings, uuid: string): string {
  const { fixed, dnsServers, dnsSuffix } = card;
  const gateway = fixed?.gateway ? `,${fixed.gateway}` : '';
  return joined([
    BY,
    '[connection]',
    'id=TotalDeploy',
    `uuid=${uuid}`,
    'type=ethernet',
    'autoconnect=true',
    'autoconnect-priority=100',
    '',
    '[ethernet]',
    `mac-address=${card.mac.toUpperCase()}`,
    '',
    '[ipv4]',
    `method=${fixed ? 'manual' : 'auto'}`,
    ...(fixed ? [`address1=${cidr(fixed)}${gateway}`] : []),
    ...(dnsServers.length > 0 ? [`dns=${dnsServers.join(';')};`] : []),
    ...(!fixed && dnsServers.length > 0 ? ['ignore-auto-dns=true'] : []),
    ...(dnsSuffix === '' ? [] : [`dns-search=${dnsSuffix};`]),
    '',
    '[ipv6]',
    'method=auto',
  ]);
}

/** systemd.network(5); the type keeps bridges away that have their card's address. */
export function networkdText(card: CardSettings): string {
  const { fixed, dnsServers, dnsSuffix } = card;
  return joined([
    BY,
    '[Match]',
    `MACAddress=${card.mac}`,
    'Type=ether',
    '',
    '[Network]',
    ...(fixed ? [`Address=${cidr(fixed)}`] : ['DHCP=yes']),
    ...(fixed?.gateway ? [`Gateway=${fixed.gateway}`] : []),
    ...dnsServers.map((server) => `DNS=${server}`),
    ...(dnsSuffix === '' ? [] : [`Domains=${dnsSuffix}`]),
    ...(!fixed && dnsServers.length > 0 ? ['', '[DHCPv4]', 'UseDNS=false'] : []),
  ]);
}

/** interfaces(5). */
export function interfacesText(card: CardSettings): string {
  const { fixed, dnsServers, dnsSuffix } = card;
  return joined([
    BY,
    `auto ${CARD_NAME}`,
    `iface ${CARD_NAME} inet ${fixed ? 'static' : 'dhcp'}`,
    ...(fixed ? [`    address ${fixed.address}`, `    netmask ${netmask(fixed)}`] : []),
    ...(fixed?.gateway ? [`    gateway ${fixed.gateway}`] : []),
    ...(dnsServers.length > 0 ? [`    dns-nameservers ${dnsServers.join(' ')}`] : []),
    ...(dnsSuffix === '' ? [] : [`    dns-search ${dnsSuffix}`]),
  ]);
}

/** Red Hat's initscripts, sysconfig.txt. */
export function redHatIfcfgText(card: CardSettings): string {
  const { fixed, dnsServers, dnsSuffix } = card;
  return joined([
    BY,
    `DEVICE=${CARD_NAME}`,
    `HWADDR=${card.mac.toUpperCase()}`,
    'TYPE=Ethernet',
    'ONBOOT=yes',
    `BOOTPROTO=${fixed ? 'none' : 'dhcp'}`,
    ...(fixed
      ? [`IPADDR=${fixed.address}`, `PREFIX=${fixed.prefixLength}`, `NETMASK=${netmask(fixed)}`]
      : []),
    ...(fixed?.gateway ? [`GATEWAY=${fixed.gateway}`] : []),
    ...dnsServers.map((server, i) => `DNS${i + 1}=${server}`),
    ...(!fixed && dnsServers.length > 0 ? ['PEERDNS=no'] : []),
    ...(dnsSuffix === '' ? [] : [`DOMAIN=${dnsSuffix}`]),
  ]);
}

/** ifcfg(5) of wicked; the gateway is in its routes file, DNS in netconfig's. */
export function suseIfcfgText({ fixed }: CardSettings): string {
  return joined([
    BY,
    "STARTMODE='auto'",
    `BOOTPROTO='${fixed ? 'static' : 'dhcp'}'`,
    ...(fixed ? [`IPADDR='${cidr(fixed)}'`] : []),
  ]);
}

/** ifroute(5) */
export function suseRouteText({ fixed }: CardSettings): string | undefined {
  return fixed?.gateway ? `default ${fixed.gateway} - ${CARD_NAME}\n` : undefined;
}

/** Before the rules of systemd, which name only cards without a name. */
export function udevRuleText({ mac }: CardSettings): string {
  return `${BY}\nSUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{type}=="1", NAME="${CARD_NAME}"\n`;
}

/** resolv.conf(5) */
export function resolvConfText({ dnsServers, dnsSuffix }: CardSettings): string {
  return joined([
    BY,
    ...(dnsSuffix === '' ? [] : [`search ${dnsSuffix}`]),
    ...dnsServers.map((server) => `nameserver ${server}`),
  ]);
}

function cidr({ address, prefixLength }: { address: string; prefixLength: number }): string {
  return `${address}/${prefixLength}`;
}

function netmask({ prefixLength }: { prefixLength: number }): string {
  return ipv4Text(ipv4Number('255.255.255.255') - (2 ** (32 - prefixLength) - 1));
}

function joined(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
