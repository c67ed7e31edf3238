import { isDeepStrictEqual } from 'node:util';
import { TdError } from '../lib/errors.ts';
import type { HostAddress, HostNetwork } from '../lib/host-network.ts';
import { type BootParams, bootParamsSchema, ipText } from '../schema/boot-params.ts';
import { chosenCards, type NetworkSettings } from './network-plan.ts';
import type { NetworkStatus } from './network-status.ts';
import type { PreosNetwork } from './preos-network.ts';
import type { RoleContext } from './role.ts';

export interface RoleRun {
  context: Omit<RoleContext, 'network'>;
  network: Pick<PreosNetwork, 'settings' | 'status' | 'apply' | 'ready'>;
  /** Needs no network to begin with. */
  isLocal: boolean;
  /** Called while there is no address yet. */
  show(status: NetworkStatus): void;
  /** Told what ends the role and starts it again, e.g. after somebody else changed the network. */
  onStart?(restart: () => void): void;
}

/** Runs a role once there is an address; one that changes the network ends and runs again with the new one. */
export async function runOverNetworks(
  work: (context: RoleContext) => Promise<void>,
  { context, network, isLocal, show, onStart }: RoleRun,
): Promise<void> {
  const { signal } = context;
  for (let isAgain = true; isAgain && !signal.aborted; ) {
    if (!isLocal) await network.ready(show, signal);
    const restart = new AbortController();
    let wanted: NetworkSettings | undefined;
    const change = (settings: NetworkSettings) => {
      wanted = settings;
      restart.abort();
    };
    onStart?.(() => restart.abort());
    try {
      await work({
        ...context,
        signal: AbortSignal.any([signal, restart.signal]),
        network: roleNetwork(network, { params: context.params, change }),
      });
    } catch (error) {
      if (!restart.signal.aborted) throw error;
    }
    isAgain = restart.signal.aborted;
    if (wanted !== undefined && !signal.aborted) await network.apply(wanted);
  }
}

function roleNetwork(
  network: Pick<PreosNetwork, 'settings' | 'status'>,
  { params, change }: { params: BootParams; change: (settings: NetworkSettings) => void },
): HostNetwork {
  const seen = () => network.status().interfaces;
  return {
    now: () => {
      const { ip } = network.settings();
      const [usable] = network.status().usable;
      return { address: ipText(ip), card: ip.kind === 'static' ? (usable?.name ?? '') : '' };
    },
    isNow: (wanted) => {
      const [now, next] = [network.settings(), nextSettings(network.settings(), wanted, { params, seen })];
      // With DHCP every card has an address, whichever is used.
      return isDeepStrictEqual(now.ip, next.ip) && (now.ip.kind === 'dhcp' || isDeepStrictEqual(now, next));
    },
    change: (wanted) => change(nextSettings(network.settings(), wanted, { params, seen })),
  };
}

function nextSettings(
  now: NetworkSettings,
  { address, card }: HostAddress,
  { params, seen }: { params: BootParams; seen: () => NetworkStatus['interfaces'] },
): NetworkSettings {
  const { vlan } = now;
  const ip = address === '' ? params.ip : bootParamsSchema.shape.ip.safeParse(address).data;
  if (ip === undefined) {
    throw new TdError(
      'usage',
      `Cannot use the address "${address}": write dhcp, or e.g. 10.0.0.5/24,10.0.0.1`,
    );
  }
  const iface = ip.kind === 'dhcp' ? params.iface : cardFor(now, card, seen());
  return { ip, ...(iface === undefined ? {} : { iface }), ...(vlan === undefined ? {} : { vlan }) };
}

/** The card of a static address; what is chosen stays where it says the same, or where there is no such card. */
function cardFor(
  now: NetworkSettings,
  card: string,
  seen: NetworkStatus['interfaces'],
): NetworkSettings['iface'] {
  const isThere = seen.some((item) => item.kind === 'card' && item.name === card);
  const [chosen, ...others] = chosenCards(now, seen);
  if (!isThere || (chosen?.name === card && others.length === 0)) return now.iface;
  return { kind: 'name', name: card };
}
