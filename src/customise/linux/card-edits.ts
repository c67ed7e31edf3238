import { randomUUID } from 'node:crypto';
import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { MachineFacts } from '../machine-facts.ts';
import type { SystemRoot } from '../system-root.ts';
import {
  CARD_NAME,
  type CardSettings,
  interfacesText,
  keyfileText,
  netplanText,
  networkdText,
  redHatIfcfgText,
  resolvConfText,
  suseIfcfgText,
  suseRouteText,
  udevRuleText,
} from './card-files.ts';
import { configText, lines, textOf, withAssignment, withoutAssignment } from './config-text.ts';
import { isServiceEnabled } from './installed.ts';
import type { LinuxFacts, NetworkSystem } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import {
  keepCopy,
  setAsideConnections,
  setAsideIfcfg,
  setAsideInterfaces,
  setAsideNetplan,
  setAsideNetworkd,
  takeOverCards,
} from './master-cards.ts';

const WORDS: Record<NetworkSystem, string> = {
  netplan: 'netplan',
  networkmanager: 'NetworkManager',
  networkd: 'systemd-networkd',
  ifupdown: 'ifupdown',
  ifcfg: 'ifcfg files',
};

/** Addresses for the machine's first card; the others keep what the system does with cards it does not know. */
export function cardEdits(
  network: Customisation['network'],
  facts: LinuxFacts,
  machine: MachineFacts,
): Edit<LinuxSystem>[] {
  if (network.kind === 'keep') {
    return [
      {
        text: "Keep the master's network settings, for this computer's cards",
        apply: ({ root }) => takeOverCards(root, machine.macs),
      },
    ];
  }
  const mac = machine.macs[0];
  const by = facts.network === undefined ? '' : `, by ${WORDS[facts.network]}`;
  const address =
    network.kind === 'dhcp' ? 'addresses by DHCP' : `${network.address}/${network.prefixLength}`;
  return [
    {
      text: `Give the card ${mac ?? '(none)'} ${address}${by}`,
      async apply(system) {
        if (mac === undefined)
          throw new TdError('invalid', 'Cannot set addresses: this computer has no known card');
        const { dnsServers, dnsSuffix } = network;
        const fixed = network.kind === 'static' ? { fixed: network } : {};
        await WRITERS[writerOf(facts)](system, { mac, dnsServers, dnsSuffix, ...fixed });
        return undefined;
      },
    },
  ];
}

type Writer = (system: LinuxSystem, card: CardSettings) => Promise<void>;

function writerOf({ network, family }: LinuxFacts): keyof typeof WRITERS {
  if (network === undefined) {
    throw new TdError('not-found', 'Cannot set addresses: no network system is known in the deployed system');
  }
  if (network !== 'ifcfg') return network;
  return family === 'suse' ? 'wicked' : 'initscripts';
}

const WRITERS = {
  netplan: async ({ root }, card) => {
    const { renderer } = await setAsideNetplan(root);
    if (renderer === 'NetworkManager') await setAsideConnections(root);
    await root.write('/etc/netplan/90-totaldeploy.yaml', netplanText(card, renderer), { mode: 0o600 });
  },
  networkmanager: async ({ root, facts }, card) => {
    await setAsideConnections(root);
    // What Debian's ifupdown names, NetworkManager leaves alone.
    if (facts.family === 'debian') await setAsideInterfaces(root);
    const path = '/etc/NetworkManager/system-connections/totaldeploy.nmconnection';
    await root.write(path, keyfileText(card, randomUUID()), { mode: 0o600, uid: 0, gid: 0 });
  },
  networkd: async ({ root }, card) => {
    await setAsideNetworkd(root);
    await root.write('/etc/systemd/network/05-totaldeploy.network', networkdText(card));
    if (!(await isServiceEnabled(root, 'systemd-resolved'))) await writeResolvConf(root, card);
  },
  ifupdown: async ({ root }, card) => {
    const path = '/etc/network/interfaces';
    await setAsideInterfaces(root);
    await keepCopy(root, path);
    const others = (await configText(root, path)).trimEnd();
    await root.write(path, `${others === '' ? '' : `${others}\n\n`}${interfacesText(card)}`);
    await nameCard(root, card);
    await writeResolvConf(root, card);
    await writeDhclientConf(root, card);
  },
  initscripts: async ({ root }, card) => {
    const folder = '/etc/sysconfig/network-scripts';
    await setAsideIfcfg(root, folder);
    await root.write(`${folder}/ifcfg-${CARD_NAME}`, redHatIfcfgText(card));
    const common = await configText(root, '/etc/sysconfig/network');
    const without = withoutAssignment(withoutAssignment(common, 'GATEWAY'), 'GATEWAYDEV');
    await root.write('/etc/sysconfig/network', withAssignment(without, 'NETWORKING', 'yes'));
    await nameCard(root, card);
  },
  wicked: async ({ root }, card) => {
    const folder = '/etc/sysconfig/network';
    await setAsideIfcfg(root, folder);
    await root.write(`${folder}/ifcfg-${CARD_NAME}`, suseIfcfgText(card));
    const route = suseRouteText(card);
    if (route !== undefined) {
      await dropDefaultRoute(root, `${folder}/routes`);
      await root.write(`${folder}/ifroute-${CARD_NAME}`, route);
    }
    await writeNetconfig(root, card);
    await nameCard(root, card);
  },
} satisfies Record<string, Writer>;

async function nameCard(root: SystemRoot, card: CardSettings): Promise<void> {
  await root.write('/etc/udev/rules.d/70-totaldeploy-net.rules', udevRuleText(card));
}

/** Not where a service owns the file, which a link shows. */
async function writeResolvConf(root: SystemRoot, card: CardSettings): Promise<void> {
  const path = '/etc/resolv.conf';
  if (card.dnsServers.length === 0 || (await root.linkTarget(path)) !== undefined) return;
  await keepCopy(root, path);
  await root.write(path, resolvConfText(card), { mode: 0o644 });
}

/** dhclient.conf(5): it writes resolv.conf itself, so what it is to write is told there. */
async function writeDhclientConf(root: SystemRoot, card: CardSettings): Promise<void> {
  const path = '/etc/dhcp/dhclient.conf';
  if (card.fixed || !(await root.exists(path))) return;
  const { dnsServers, dnsSuffix } = card;
  const added = [
    ...(dnsServers.length > 0 ? [`supersede domain-name-servers ${dnsServers.join(', ')};`] : []),
    ...(dnsSuffix === '' ? [] : [`supersede domain-search "${dnsSuffix}";`]),
  ];
  if (added.length === 0) return;
  await keepCopy(root, path);
  const kept = lines(await configText(root, path)).filter((line) => !added.includes(line));
  await root.write(path, textOf([...kept, ...added]));
}

async function dropDefaultRoute(root: SystemRoot, path: string): Promise<void> {
  const text = await configText(root, path);
  const kept = textOf(lines(text).filter((line) => !/^\s*(?:default|0\.0\.0\.0\/0)\s/.test(line)));
  if (kept === text) return;
  await keepCopy(root, path);
  await root.write(path, kept);
}

/** netconfig(8) */
async function writeNetconfig(root: SystemRoot, { dnsServers, dnsSuffix }: CardSettings): Promise<void> {
  const path = '/etc/sysconfig/network/config';
  const settings = [
    ['NETCONFIG_DNS_STATIC_SERVERS', dnsServers.join(' ')],
    ['NETCONFIG_DNS_STATIC_SEARCHLIST', dnsSuffix],
  ].filter(([, value]) => value !== '') as [string, string][];
  if (settings.length === 0) return;
  await keepCopy(root, path);
  let text = await configText(root, path);
  for (const [key, value] of settings) text = withAssignment(text, key, `"${value}"`);
  await root.write(path, text);
}
