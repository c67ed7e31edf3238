import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import type { HiveKey } from '../registry-hive/hive-key.ts';
import { dword, text, texts } from '../registry-hive/value-data.ts';
import { maskText } from './first-start-steps.ts';
import { valueNumber, valueText } from './windows-facts.ts';
import type { WindowsSystem } from './windows-system.ts';

type Network = Customisation['network'];
type NewNetwork = Exclude<Network, { kind: 'keep' }>;

/** Setup class of network adapters. */
const ADAPTERS = 'Control\\Class\\{4D36E972-E325-11CE-BFC1-08002BE10318}';
/** NCF_PHYSICAL of `Characteristics` (Microsoft, "INF DDInstall Section" of network components). */
const PHYSICAL = 0x4;
const TCPIP = 'Services\\Tcpip\\Parameters';
const STATIC_VALUES = ['IPAddress', 'SubnetMask', 'DefaultGateway', 'DefaultGatewayMetric'];

/**
 * Addresses and DNS suffix in every control set. Windows knows a card of another computer only after its first start,
 * so there the first-start script sets the address; here no physical card keeps the master's.
 */
export function networkEdits(network: Network, machine: { macs: readonly string[] }): Edit<WindowsSystem>[] {
  if (network.kind === 'keep') return [];
  const edits = [addressEdit(network, machine.macs[0])];
  if (network.dnsSuffix !== '') edits.push(dnsSuffixEdit(network.dnsSuffix));
  return edits;
}

/** What it becomes, as an order. */
export function networkText(network: NewNetwork, options: { inSentence?: boolean } = {}): string {
  const { kind, dnsServers } = network;
  const dns = dnsServers.length > 0 ? `, DNS ${dnsServers.join(', ')}` : '';
  const [get, use] = options.inSentence ? ['get', 'use'] : ['Get', 'Use'];
  if (kind === 'dhcp') return `${get} the address by DHCP${dns}`;
  const gateway = network.gateway === '' ? 'no gateway' : `gateway ${network.gateway}`;
  return `${use} the address ${network.address}/${network.prefixLength}, ${gateway}${dns}`;
}

function dnsSuffixEdit(suffix: string): Edit<WindowsSystem> {
  return {
    text: `Use the DNS suffix ${suffix}`,
    async apply({ hives, facts }) {
      const system = await hives.open('SYSTEM');
      for (const set of facts.controlSets) {
        const parameters = system.root.ensure(`${set}\\${TCPIP}`);
        for (const field of ['Domain', 'NV Domain', 'SearchList']) parameters.set(field, text(suffix));
      }
      return undefined;
    },
  };
}

function addressEdit(network: NewNetwork, mac: string | undefined): Edit<WindowsSystem> {
  return {
    text: networkText(network),
    async apply({ hives, facts }) {
      const system = await hives.open('SYSTEM');
      for (const set of facts.controlSets) {
        const known = mac === undefined ? undefined : adapterOfMac(system, set, mac);
        for (const guid of physicalAdapters(system, set)) {
          if (guid !== known) setAddress(system, { set, guid }, { ...network, kind: 'dhcp' });
        }
        if (known !== undefined) setAddress(system, { set, guid: known }, network);
        forgetDefaultRoutes(system, set);
      }
      return undefined;
    },
  };
}

/** From Windows 10 on; names are upper case here so that they can be compared. */
function adapterOfMac(system: Hive, set: string, mac: string): string | undefined {
  const wanted = mac.replaceAll(':', '');
  const adapters = system.key(`${set}\\Control\\NetworkSetup2\\Interfaces`)?.subkeys() ?? [];
  const found = adapters.find((adapter) => {
    return adapter.subkey('Kernel')?.value('PermanentAddress')?.data.toString('hex') === wanted;
  });
  return found?.name.toUpperCase();
}

function physicalAdapters(system: Hive, set: string): string[] {
  const adapters = (system.key(`${set}\\${ADAPTERS}`)?.subkeys() ?? []).filter(({ name }) =>
    /^\d{4}$/.test(name),
  );
  return adapters
    .filter(({ path }) => ((valueNumber(system, path, 'Characteristics') ?? 0) & PHYSICAL) !== 0)
    .map(({ path }) => valueText(system, path, 'NetCfgInstanceId').toUpperCase())
    .filter((guid) => /^\{[0-9A-F-]{36}\}$/.test(guid));
}

function setAddress(system: Hive, at: { set: string; guid: string }, network: NewNetwork): void {
  const key = system.root.ensure(`${at.set}\\${TCPIP}\\Interfaces\\${at.guid}`);
  // Releases up to 7 have them a second time.
  const twin = system.key(`${at.set}\\Services\\${at.guid}\\Parameters\\Tcpip`);
  for (const each of twin === undefined ? [key] : [key, twin]) setAddressValues(each, network);
}

function setAddressValues(key: HiveKey, network: NewNetwork): void {
  for (const { name } of key.values()) {
    if (STATIC_VALUES.includes(name) || /^(?:Dhcp|Lease|T[12]$)/.test(name)) key.delete(name);
  }
  key.set('NameServer', text(network.dnsServers.join(',')));
  key.set('EnableDHCP', dword(network.kind === 'dhcp' ? 1 : 0));
  if (network.kind === 'dhcp') return;
  key.set('IPAddress', texts([network.address]));
  key.set('SubnetMask', texts([maskText(network.prefixLength)]));
  key.set('DefaultGateway', texts(network.gateway === '' ? [] : [network.gateway]));
  key.set('DefaultGatewayMetric', texts(network.gateway === '' ? [] : ['0']));
}

/** Windows 7 keeps the gateway of a static address as a route too. */
function forgetDefaultRoutes(system: Hive, set: string): void {
  const routes = system.key(`${set}\\${TCPIP}\\PersistentRoutes`);
  for (const { name } of routes?.values() ?? []) {
    if (name.startsWith('0.0.0.0,0.0.0.0,')) routes?.delete(name);
  }
}
