import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import type { HostAddress, HostNetwork } from '../lib/host-network.ts';
import { type SettingsChange, SettingsStore } from './console-settings.ts';

let dir: string;
let store: SettingsStore;
/** What the computer's network was told. */
let moves: HostAddress[];
/** Why it must not be changed. */
let busy: string;

function fakeNetwork(): HostNetwork {
  const now = () => moves.at(-1) ?? { address: 'dhcp', card: '' };
  return {
    now,
    isNow: ({ address }) => {
      if (address.includes(' ')) throw new TdError('usage', `Cannot use the address "${address}"`);
      return address === now().address;
    },
    change: (wanted) => void moves.push(wanted),
  };
}

const open = () =>
  SettingsStore.open(dir, {
    defaultTemplatesDir: join(dir, 'templates'),
    ownPorts: () => [5001],
    interfaces: () => ['eth0', 'eth1'].map((name) => ({ name, address: '10.0.0.5' })),
    network: fakeNetwork(),
    whyNoChange: () => busy,
  });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-settings-'));
  moves = [];
  busy = '';
  store = await open();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('SettingsStore', () => {
  it('has defaults, remembers changes for its owner only and tells who listens', async () => {
    expect(store.get()).toMatchObject({
      templatesDir: join(dir, 'templates'),
      interface: '',
      address: 'dhcp',
      customPin: '',
      pinSet: false,
      web: { enabled: false, port: 5080, passwordSet: false },
    });
    const told: string[] = [];
    store.onChange((settings) => told.push(settings.templatesDir));
    await store.change({ templatesDir: dir, interface: 'eth1', address: '10.0.0.5/24,10.0.0.1' });
    expect(told).toEqual([dir]);
    expect(moves).toEqual([{ address: '10.0.0.5/24,10.0.0.1', card: 'eth1' }]);
    expect(store.get().address).toBe('10.0.0.5/24,10.0.0.1');
    expect((await open()).get()).toMatchObject({ templatesDir: dir, interface: 'eth1' });
    expect((await stat(join(dir, 'settings.json'))).mode & 0o777).toBe(0o600);
  });

  it('moves to another card or address only when one is given that is not used already', async () => {
    await store.change({ customPin: '1234', interface: '', address: 'dhcp' });
    expect(moves).toEqual([]);
    await store.change({ interface: 'eth1' });
    expect(moves).toEqual([{ address: 'dhcp', card: 'eth1' }]);
    await store.change({ interface: 'eth1', address: 'dhcp' });
    expect(moves).toHaveLength(1);
  });

  it('stays where it is while a job runs, and changes nothing at all', async () => {
    busy = 'job a1 runs; wait for its end, or cancel it';
    const change = store.change({ interface: 'eth1', customPin: '1234' });
    await expect(change).rejects.toThrow(`Cannot change the network now: ${busy}`);
    expect([store.get().interface, store.get().pinSet, moves]).toEqual(['', false, []]);
    await store.change({ customPin: '1234' });
  });

  it('sets no address where the system decides it, instead of keeping one that nobody uses', async () => {
    const other = await SettingsStore.open(dir, { defaultTemplatesDir: dir });
    expect(other.get().canSetAddress).toBe(false);
    await expect(other.change({ address: 'dhcp' })).rejects.toThrow(/this computer decides it itself/);
    await other.change({ address: '' });
  });

  it('keeps PIN and password only as hashes that can be compared', async () => {
    await store.change({ customPin: '0420', web: { password: 'correct horse' } });
    const text = await readFile(join(dir, 'settings.json'), 'utf8');
    expect(text).not.toMatch(/0420"|correct horse/);
    const again = await open();
    expect(again.get()).toMatchObject({ customPin: '', pinSet: true, web: { passwordSet: true } });
    expect([await again.isPin('0420'), await again.isPin('0421'), await again.isPin('')]).toEqual([
      true,
      false,
      false,
    ]);
    expect([await again.isWebPassword('correct horse'), await again.isWebPassword('')]).toEqual([
      true,
      false,
    ]);
    await again.change({ customPin: '', web: { password: '' } });
    expect([await again.isPin('anything'), await again.isWebPassword('')]).toEqual([true, false]);
  });

  it.each<[SettingsChange, RegExp]>([
    [{ templatesDir: '/no/such/folder' }, /it does not exist/],
    [{ templatesDir: 'relative' }, /must begin with \//],
    [{ templatesDir: '/proc/version' }, /not a folder/],
    [{ interface: 'wlan7' }, /there are: eth0, eth1/],
    [{ address: '10.0.0.5/24 td.mode=agent' }, /Cannot use the address/],
    [{ customPin: '123' }, /4 to 12 digits/],
    [{ customPin: '12a4' }, /4 to 12 digits/],
    [{ web: { password: 'short' } }, /8 to 256/],
    [{ web: { port: 5001 } }, /the console itself uses it/],
  ])('refuses %j and changes nothing', async (change, text) => {
    await expect(store.change({ interface: 'eth0', ...change })).rejects.toThrow(text);
    expect(store.get().interface).toBe('');
    await expect(stat(join(dir, 'settings.json'))).rejects.toThrow(/ENOENT/);
  });

  it('refuses a port that another program listens on, but not the one its own page has', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as { port: number };
    try {
      await expect(store.change({ web: { enabled: true, port } })).rejects.toThrow(
        /EADDRINUSE.*take another/,
      );
      await store.change({ web: { port } });
      expect(store.get().web).toMatchObject({ enabled: false, port });
    } finally {
      server.close();
    }
    await store.change({ web: { enabled: true } });
    await store.change({ web: { enabled: true, port } });
  });

  it.each([
    ['no JSON', '{', /it is no JSON/],
    ['a newer version', '{"version":2}', /version 2.*use a newer program/],
    ['an unknown setting', '{"version":1,"colour":"red"}', /colour/],
    ['a wrong value', '{"version":1,"web":{"port":99999}}', /web\.port/],
  ])('refuses a file with %s and says what to do', async (_, text, reason) => {
    await writeFile(join(dir, 'settings.json'), text);
    await expect(open()).rejects.toThrow(reason);
    await expect(open()).rejects.toThrow(/move it away|newer program/);
    expect(await readFile(join(dir, 'settings.json'), 'utf8')).toBe(text);
  });

  it('keeps the old settings when the new ones cannot be written', async () => {
    await store.change({ interface: 'eth0' });
    await mkdir(join(dir, 'settings.json.partial'));
    await expect(store.change({ interface: 'eth1' })).rejects.toThrow(/Cannot write/);
    expect(store.get().interface).toBe('eth0');
    expect((await open()).get().interface).toBe('eth0');
  });
});
