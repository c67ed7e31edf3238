import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import type { BootParams } from '../schema/boot-params.ts';
import { Network, type NetworkOptions } from './network.ts';
import type { ChangeableNetwork } from './network-dialog.ts';
import { addressedInterfaces, type NetworkSettings } from './network-plan.ts';
import type { NetworkStatus } from './network-status.ts';

export interface PreosNetworkOptions {
  params: BootParams;
  screen: Screen;
  logger: Logger;
  runDir: string;
  /** Added to what each network is started with. */
  options: Partial<NetworkOptions>;
}

/**
 * Whose old address would stay beside the new one: those that the new settings address, and the one with the static
 * address of before. Other cards keep what they have.
 */
function staleInterfaces(
  before: NetworkSettings,
  after: NetworkSettings,
  seen: NetworkStatus['interfaces'],
): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  const next = addressedInterfaces(after, seen).map((item) => item.name);
  const { ip } = before;
  const old = seen.filter(
    (item) => ip.kind === 'static' && item.addresses.includes(`${ip.address}/${ip.prefixLength}`),
  );
  const names = new Set([...next, ...old.map((item) => item.name)]);
  return seen.filter((item) => names.has(item.name) && item.addresses.length > 0).map((item) => item.name);
}

/** The network over changes of its settings; tells each address once as a milestone. */
export class PreosNetwork implements ChangeableNetwork, AsyncDisposable {
  readonly #options: PreosNetworkOptions;
  readonly #told = new Set<string>();
  #settings: NetworkSettings;
  #network: Network;

  constructor(options: PreosNetworkOptions) {
    this.#options = options;
    const { ip, iface, vlan } = options.params;
    this.#settings = {
      ip,
      ...(iface === undefined ? {} : { iface }),
      ...(vlan === undefined ? {} : { vlan }),
    };
    this.#network = this.#start();
  }

  settings(): NetworkSettings {
    return this.#settings;
  }

  status(): NetworkStatus {
    return this.#network.status();
  }

  async apply(settings: NetworkSettings): Promise<void> {
    const stale = staleInterfaces(this.#settings, settings, this.status().interfaces);
    this.#settings = settings;
    const before = this.#network;
    await before[Symbol.asyncDispose]();
    await before.flush(stale);
    this.#network = this.#start();
  }

  /** Waits until one interface can be used, also over changes of the settings; `show` is called while it waits. */
  async ready(show: (status: NetworkStatus) => void, signal: AbortSignal): Promise<void> {
    while (this.status().usable.length === 0) {
      show(this.status());
      const network = this.#network;
      const stopShowing = network.onStatus(show);
      const changed = new AbortController();
      const timer = setInterval(() => {
        if (network !== this.#network) changed.abort();
      }, 100);
      try {
        await network.ready(AbortSignal.any([signal, changed.signal]));
      } catch (error) {
        if (!changed.signal.aborted) throw error;
      } finally {
        clearInterval(timer);
        stopShowing();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
  }

  #start(): Network {
    const { logger, runDir, screen, options } = this.#options;
    const network = new Network({
      settings: this.#settings,
      logger: logger.child({ part: 'network' }),
      runDir,
      ...options,
    });
    network.onStatus((status) => {
      for (const { name, address } of status.usable) {
        const text = `network ${name} ${address}`;
        if (this.#told.has(text)) continue;
        this.#told.add(text);
        screen.milestone(text);
      }
    });
    return network;
  }
}
