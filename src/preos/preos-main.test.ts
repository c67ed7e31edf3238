import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import type { MachineDisk } from '../schema/machine.ts';
import { FakeTerminal, fakeScreens } from './fake-terminal.ts';
import type { NetworkInterface } from './interfaces.ts';
import { runPreos } from './preos-main.ts';
import type { BackupRequest, PreosRoles, RoleContext } from './role.ts';

const disk: MachineDisk = {
  name: 'sda',
  sizeBytes: 500e9,
  logicalSectorBytes: 512,
  physicalSectorBytes: 512,
  model: 'ACME Disk',
  serial: 'S1',
  wwn: '',
  bus: 'ata',
  rotational: false,
  removable: false,
  readOnly: false,
  bootMedium: false,
};
const card: NetworkInterface = {
  name: 'eth0',
  mac: '52:54:00:00:00:01',
  driver: 'virtio_net',
  kind: 'card',
  up: true,
  link: true,
  speedMbit: 1000,
  mtuBytes: 1500,
  addresses: ['10.0.0.9/24'],
};

let dir: string;
let vt: FakeTerminal;
let serial: FakeTerminal;
let cards: NetworkInterface[];
let calls: { role: string; context: RoleContext; request?: BackupRequest }[];
let powerActions: string[];
let stop: AbortController;
let ended: Promise<void>;

/** What the roles do; by default they run until they are stopped. */
let work: (context: RoleContext) => Promise<void>;

const untilStopped = ({ signal }: RoleContext) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

async function start(commandLine: string, site?: string): Promise<void> {
  await writeFile(join(dir, 'cmdline'), `${commandLine}\n`);
  if (site !== undefined) await writeFile(join(dir, 'site.json'), site);
  const roles: PreosRoles = {
    agent: (context) => {
      calls.push({ role: 'agent', context });
      return work(context);
    },
    backup: async (context, request) => {
      calls.push({ role: 'backup', context, request });
      await work(context);
      return ['Image    lab'];
    },
    console: (context) => {
      calls.push({ role: 'console', context });
      return work(context);
    },
    openBackupWizard: (options) =>
      openBackupWizard({
        ...options,
        listFolder: async () => Promise.reject(new Error('no folders here')),
        suggestedPartitions: () => [],
        parts: {
          disks: async () => [{ ...disk, name: 'sdb', bootMedium: true }, disk],
          contents: async () => ({ layout, problems: [], warnings: [] }),
          usedBytes: async () => 1e9,
          consoles: async () => [],
          hasImage: async () => false,
        },
      }),
  };
  ended = runPreos({
    version: '1.0',
    roles,
    signal: stop.signal,
    commandLinePath: join(dir, 'cmdline'),
    sitePath: join(dir, 'site.json'),
    runDir: join(dir, 'run'),
    terminals: [vt, serial],
    runScreens: fakeScreens,
    openShell: async (path) => {
      shells.push(path);
      await new Promise<void>((resolve) => {
        leaveShell = resolve;
      });
    },
    networkSeconds: 1,
    power: { act: async (action) => void powerActions.push(action) },
    network: {
      pollMs: 10,
      readSeen: async () => cards,
      runProgram: async () => ({ code: 0, stdout: '', stderr: '' }),
    },
  });
}

async function called(role: string): Promise<(typeof calls)[number]> {
  for (let i = 0; i < 500 && !calls.some((call) => call.role === role); i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const call = calls.find((one) => one.role === role);
  if (call === undefined) throw new Error(`${role} was never started; serial: ${serial.written}`);
  return call;
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-preos-'));
  vt = new FakeTerminal('screen');
  serial = new FakeTerminal('lines');
  cards = [card];
  calls = [];
  powerActions = [];
  work = untilStopped;
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await ended;
  await rm(dir, { recursive: true, force: true });
});

describe('runPreos', () => {
  it('starts the role of td.mode once there is an address, with milestones on serial and in the log', async () => {
    await start('quiet td.mode=agent td.disk=serial=X');
    const { context } = await called('agent');
    expect(context.params.disk).toBe('serial=X');
    const lines = ['TOTALDEPLOY start 1.0 mode=agent\n', 'TOTALDEPLOY network eth0 10.0.0.9\n'];
    expect(serial.written).toContain(lines[0]);
    await serial.waitFor(lines[1]!);
    const log = await readFile(join(dir, 'run/log'), 'utf8');
    expect(log).toContain('TOTALDEPLOY start 1.0 mode=agent');
  });

  it('names every wrong parameter on screen, serial and log, and then asks', async () => {
    await start('td.mode=agent td.vlan=9999 td.dsik=sda');
    await vt.waitFor('Number (1-7):');
    for (const text of ['td.vlan cannot be "9999"', 'did you mean td.disk?']) {
      expect(vt.written).toContain(text);
      expect(serial.written).toContain(text);
      expect(await readFile(join(dir, 'run/log'), 'utf8')).toContain(text.replaceAll('"', '\\"'));
    }
    expect(serial.written).toContain('TOTALDEPLOY start 1.0 mode=menu');
    expect(calls).toEqual([]);
    serial.type('2');
    await called('agent');
  });

  it('waits for the network and says why', async () => {
    cards = [{ ...card, link: false, addresses: [] }];
    await start('td.mode=agent');
    await serial.waitFor('No link on eth0 (virtio_net, 52:54:00:00:00:01)');
    expect(calls).toEqual([]);
    cards = [card];
    await called('agent');
  });

  it('backs up unattended to a path without any network, then shuts down', async () => {
    cards = [];
    work = async () => {};
    await start('td.mode=backup td.disk=sda td.to=/mnt/lab.sco td.after=shutdown');
    const { request } = await called('backup');
    expect(request).toEqual({ disk: 'sda', to: '/mnt/lab.sco' });
    await ended;
    expect(powerActions).toEqual(['shutdown']);
  });

  it('asks for the disk and the name where they are missing, leaving the boot medium out', async () => {
    await start('td.mode=backup');
    await serial.waitFor('1  sda  500 GB  ACME Disk  S1  ata');
    expect(serial.written).not.toContain('sdb');
    serial.type('2');
    await serial.waitFor('"2" is none of the numbers.');
    serial.type('1');
    await serial.waitFor('Name or path:');
    serial.type('bad/name');
    await serial.waitFor('"bad/name" cannot be used');
    serial.type('Lab 1');
    expect((await called('backup')).request).toEqual({ disk: '/dev/sda', to: 'console:Lab 1' });
  });

  it('shows what a role failed of in one line and goes back to the menu', async () => {
    work = async () => {
      throw new TdError('refused', 'Cannot use it: the disk is mounted; release it');
    };
    await start('td.mode=console');
    await serial.waitFor('TOTALDEPLOY failed: Cannot use it: the disk is mounted; release it\n');
    await serial.waitFor('Number (1-7):');
    expect(vt.written).toContain('! Cannot use it: the disk is mounted; release it');
    expect(serial.written).not.toContain('    at ');
  });

  it('tries again after a passing failure', async () => {
    let attempts = 0;
    work = async (context) => {
      attempts += 1;
      if (attempts === 1) throw new TdError('network', 'Cannot reach the console: no route; check the cable');
      return untilStopped(context);
    };
    await start('td.mode=agent');
    await serial.waitFor('Trying again in 2 s');
    await new Promise((resolve) => setTimeout(resolve, 2200));
    expect(attempts).toBe(2);
  });

  it('stops a role when a person asks for it, and shows the menu', async () => {
    await start('td.mode=agent');
    const { context } = await called('agent');
    serial.type('');
    await serial.waitFor('What runs goes on meanwhile.');
    expect(context.signal.aborted).toBe(false);
    serial.type('2');
    await serial.waitFor('Type yes to do it:');
    serial.type('yes');
    await serial.waitFor('What is this computer to do?');
    expect(context.signal.aborted).toBe(true);
  });

  it('does not start a role that trusts a console with a broken site file', async () => {
    await start('td.mode=agent', '{"version":1}');
    await vt.waitFor('its console is wrong');
    serial.written = '';
    vt.type('2');
    await serial.waitFor('its console is wrong');
    expect(calls).toEqual([]);
  });

  it('restarts from the menu', async () => {
    await start('');
    await vt.waitFor('Number (1-7):');
    vt.type('6');
    await ended;
    expect(powerActions).toEqual(['restart']);
  });

  it('changes the network from the menu', async () => {
    cards = [{ ...card, addresses: [] }];
    await start('');
    await vt.waitFor('Number (1-7):');
    vt.type('4');
    await serial.waitFor('Address: dhcp or');
    vt.type('10.0.0.5');
    await serial.waitFor('"10.0.0.5" cannot be used');
    vt.type('10.0.0.5/24');
    await serial.waitFor('Card: name, MAC or all:');
    vt.type('');
    await serial.waitFor('VLAN:');
    vt.type('none');
    cards = [{ ...card, addresses: ['10.0.0.5/24'] }];
    await serial.waitFor('TOTALDEPLOY network eth0 10.0.0.5');
  });
});

describe('the log', () => {
  it('also goes where td.log says', async () => {
    const extra = join(dir, 'extra.log');
    await start(`td.mode=agent td.log=${extra}`);
    await called('agent');
    expect(await readFile(extra, 'utf8')).toContain('TOTALDEPLOY start');
    expect(await readFile(join(dir, 'run/log'), 'utf8')).toContain('TOTALDEPLOY start');
  });
});
