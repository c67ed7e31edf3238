import type { NetworkInterfaceInfo } from 'node:os';
import { TdError } from '../lib/errors.ts';

export interface ConsoleNetwork {
  name: string;
  /** IPv4 address multicast is sent from. */
  address: string;
}

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * Chooses the network a console works on; pure.
 *
 * @param options.interfaces as `os.networkInterfaces()` gives them.
 * @param options.routes text of `/proc/net/route`.
 * @param options.wanted an interface's name; default the one with a default route, else the only one there is.
 * @throws TdError `not-found` for a wrong name or without any network; `usage` when it cannot be decided.
 */
export function chooseNetwork(options: {
  interfaces: Interfaces;
  routes: string;
  wanted?: string | undefined;
}): ConsoleNetwork {
  const { wanted } = options;
  const found = Object.entries(options.interfaces).flatMap(([name, infos]) => {
    const info = infos?.find((one) => one.family === 'IPv4' && (!one.internal || name === wanted));
    return info === undefined ? [] : [{ name, address: info.address }];
  });
  const list = found.map((one) => `${one.name} (${one.address})`).join(', ') || 'none';
  if (wanted !== undefined) {
    const named = found.find((one) => one.name === wanted);
    if (named !== undefined) return named;
    throw new TdError(
      'not-found',
      `Cannot use network interface "${wanted}": it has no IPv4 address; there are: ${list}`,
    );
  }
  const routed = found.find((one) => one.name === defaultRouteInterface(options.routes));
  const only = found.length === 1 ? found[0] : undefined;
  const chosen = routed ?? only;
  if (chosen !== undefined) return chosen;
  if (found.length === 0) {
    throw new TdError('not-found', 'Cannot find a network: no interface has an IPv4 address; connect one');
  }
  throw new TdError('usage', `Cannot choose a network: there are ${list}; name one with --interface`);
}

/** The interface of the default route with the lowest metric (Linux, Documentation/networking, /proc/net/route). */
function defaultRouteInterface(routes: string): string | undefined {
  const defaults = routes
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1] === '00000000' && fields[7] === '00000000')
    .map((fields) => ({ name: fields[0]!, metric: Number(fields[6]) }));
  return defaults.sort((a, b) => a.metric - b.metric)[0]?.name;
}
