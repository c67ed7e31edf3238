import { run } from '../../lib/spawn.ts';

/** Network namespaces on one bridge, itself in a namespace: nothing of the host is touched. */
export interface TestNetwork extends AsyncDisposable {
  readonly hosts: readonly { namespace: string; address: string }[];
}

/**
 * Makes hosts 10.77.0.1 and up that lose part of the datagrams they receive.
 *
 * @param lossPercent whole percent of received UDP datagrams dropped by nftables on every host.
 */
export async function testNetwork(hostCount: number, options: { lossPercent: number }): Promise<TestNetwork> {
  const prefix = `tdmc${process.pid}x${counter}`;
  counter += 1;
  const made: string[] = [];
  const add = async (namespace: string) => {
    await run('ip', ['netns', 'add', namespace]);
    made.push(namespace);
  };
  const network = {
    hosts: [] as { namespace: string; address: string }[],
    async [Symbol.asyncDispose]() {
      for (const namespace of made.reverse()) await run('ip', ['netns', 'del', namespace]);
    },
  };
  try {
    const bridge = `${prefix}b`;
    await add(bridge);
    await run('ip', ['-n', bridge, 'link', 'add', 'br0', 'type', 'bridge']);
    await run('ip', ['-n', bridge, 'link', 'set', 'br0', 'up']);
    for (let i = 1; i <= hostCount; i += 1) {
      const host = { namespace: `${prefix}h${i}`, address: `10.77.0.${i}` };
      await add(host.namespace);
      await plug(bridge, host, i);
      if (options.lossPercent > 0) await loseDatagrams(host.namespace, options.lossPercent);
      network.hosts.push(host);
    }
    return network;
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
}

let counter = 0;

async function plug(bridge: string, host: { namespace: string; address: string }, i: number): Promise<void> {
  const port = `port${i}`;
  const args = ['link', 'add', port, 'netns', bridge, 'type', 'veth', 'peer', 'name', 'eth0', 'netns'];
  await run('ip', [...args, host.namespace]);
  await run('ip', ['-n', bridge, 'link', 'set', port, 'master', 'br0', 'up']);
  await run('ip', ['-n', host.namespace, 'link', 'set', 'lo', 'up']);
  await run('ip', ['-n', host.namespace, 'address', 'add', `${host.address}/24`, 'dev', 'eth0']);
  await run('ip', ['-n', host.namespace, 'link', 'set', 'eth0', 'up']);
}

async function loseDatagrams(namespace: string, lossPercent: number): Promise<void> {
  const rules = `table ip loss {
    chain input {
      type filter hook input priority 0; policy accept;
      ip protocol udp numgen random mod 100 < ${lossPercent} drop
    }
  }`;
  await run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rules });
}
