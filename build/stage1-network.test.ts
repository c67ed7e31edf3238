import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/lib/spawn.ts';

const NETWORK = join(import.meta.dirname, '../appliance/stage1/network');

/** What stage 1 says and calls when it sets up the card eth0 twice, with these parameters. */
async function setUpCard(parameters: Record<string, string>): Promise<string[]> {
  const values = Object.entries(parameters).map(([name, value]) => `${name}) echo '${value}' ;;`);
  const script = `
    parameter() { case $1 in ${values.join(' ')} esac; }
    say() { echo "say $*"; }
    fail() { echo "fail $*"; }
    vconfig() { echo "vconfig $*" >&2; }
    udhcpc() { echo "udhcpc $1 $2" >&2; }
    modprobe() { :; }
    ip() { [ "$1" = link ]; }
    told=
    . ${NETWORK}
    has_address() { false; }
    set_up_card eth0
    set_up_card eth0
    wait`;
  const { stdout, stderr } = await run('busybox', ['sh', '-c', script]);
  return [...new Set([...stdout.split('\n'), ...stderr.split('\n')])].filter((line) =>
    /^(?:say|fail|vconfig|udhcpc)/.test(line),
  );
}

describe('stage 1', () => {
  it.each(['9999', '0', 'x', '-1', '99999999999999999999'])(
    'says that it ignores td.vlan=%s and goes on without it, so that the program can ask',
    async (vlan) => {
      expect(await setUpCard({ 'td.vlan': vlan })).toEqual([
        `say TOTALDEPLOY stage1 ignores td.vlan=${vlan}: it is no whole number from 1 to 4094`,
        'udhcpc -i eth0',
      ]);
    },
  );

  it('uses the VLAN of td.vlan as the program reads it', async () => {
    expect(await setUpCard({ 'td.vlan': '012' })).toEqual(['vconfig add eth0 12', 'udhcpc -i eth0.12']);
  });

  it('asks for an address when td.ip is none', async () => {
    expect(await setUpCard({ 'td.ip': '10.0.0.500/24' })).toEqual([
      'say TOTALDEPLOY stage1 ignores td.ip=10.0.0.500/24: it is no ADDRESS/LENGTH[,GATEWAY[,DNS]]',
      'udhcpc -i eth0',
    ]);
  });
});
