import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import type { Page } from '../lib/tui/page.ts';
import type { NetworkInterface } from './interfaces.ts';
import { MenuPage } from './menu-page.ts';
import { runPreos } from './preos-main.ts';
import type { BackupRequest, PreosRoles, RoleContext } from './role.ts';
import { FakeTerminal, fakeScreens } from './testdata/fake-terminal.ts';

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
let shells: string[];
let leaveShell: () => void;
let closedWizards: number;
let commands: string[];

/** What the roles do; by default they run until they are stopped. */
let work: (context: RoleContext) => Promise<void>;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

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
    openBackupWizard: async ({ given }) => ({
      dialog: (problem) => ({
        page: () =>
          new MenuPage({
            title: 'Wizard',
            helpTopic: '',
            question: `Problem: ${problem}`,
            items: [{ choice: 'left', label: 'Leave' }],
          }) as Page<'left'>,
        lines: async (io) => {
          const title = `Given ${JSON.stringify(given)}; problem: ${problem}`;
          const to = await io.ask({ title, lines: [], prompt: 'To:' });
          return to === 'q' ? 'left' : { disk: '/dev/sda', to };
        },
      }),
      inWords: (text) => text,
      [Symbol.asyncDispose]: async () => void closedWizards++,
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
      runProgram: async (command, args) => {
        commands.push([command, ...args].join(' '));
        return { code: 0, stdout: '', stderr: '' };
      },
    },
  });
}

/** The call of a role, the first one by default. */
async function called(role: string, number = 1): Promise<(typeof calls)[number]> {
  const found = () => calls.filter((call) => call.role === role)[number - 1];
  for (let i = 0; i < 500 && found() === undefined; i += 1) await pause(10);
  const call = found();
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
  shells = [];
  closedWizards = 0;
  commands = [];
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
    await serial.waitFor('Number (1-8):');
    await vt.waitFor('What is this computer to do?');
    for (const text of ['td.vlan cannot be "9999"', 'did you mean td.disk?']) {
      expect(vt.shown).toContain(text);
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
    await vt.waitFor('! No link on eth0');
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

  it('shows what a role failed of in one line and goes back to the menu', async () => {
    work = async () => {
      throw new TdError('refused', 'Cannot use it: the disk is mounted; release it');
    };
    await start('td.mode=console');
    await serial.waitFor('TOTALDEPLOY failed: Cannot use it: the disk is mounted; release it\n');
    await serial.waitFor('Number (1-8):');
    await vt.waitFor('! Cannot use it: the disk is mounted; release it');
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

  it('stops a role when a person asks for it by lines, and shows the menu', async () => {
    await start('td.mode=agent');
    const { context } = await called('agent');
    serial.type('');
    await serial.waitFor('What runs goes on meanwhile.');
    expect(context.signal.aborted).toBe(false);
    serial.type('4');
    await serial.waitFor('Type yes to do it:');
    serial.type('yes');
    await serial.waitFor('What is this computer to do?');
    expect(context.signal.aborted).toBe(true);
  });

  it('takes what is typed on a serial line before the menu is there for its answer', async () => {
    await start('td.mode=agent');
    await called('agent');
    serial.type('');
    serial.type('3');
    for (let i = 0; i < 100 && shells.length === 0; i += 1) await pause(10);
    expect(shells).toEqual(['/dev/fake-lines']);
    leaveShell();
  });

  it('opens menu, shell and restart by keys while a role runs, and stops nothing without a yes', async () => {
    await start('td.mode=agent');
    const { context } = await called('agent');
    await vt.waitFor('F9 Menu');
    vt.press('enter');
    await vt.waitFor('Go on');
    expect(serial.written).not.toContain('What runs goes on meanwhile.');
    vt.press('escape');
    await vt.waitFor('F9 Menu');
    await pause(20);
    vt.press('f3');
    for (let i = 0; i < 100 && shells.length === 0; i += 1) await pause(10);
    expect(shells).toEqual(['/dev/fake-screen']);
    leaveShell();
    await vt.waitFor('F9 Menu');
    await pause(20);
    vt.press('f4');
    await vt.waitFor('a half-written disk does not start');
    vt.press('n');
    await vt.waitFor('F9 Menu');
    await pause(20);
    expect(context.signal.aborted).toBe(false);
    vt.press('f4');
    await vt.waitFor('a half-written disk does not start');
    vt.press('y');
    await ended;
    expect(powerActions).toEqual(['restart']);
  });

  it('does not start a role that trusts a console with a broken site file', async () => {
    await start('td.mode=agent', '{"version":1}');
    await vt.waitFor('its console is wrong');
    vt.press('2');
    await serial.waitFor('Answered on /dev/fake-screen.');
    await vt.waitFor('its console is wrong');
    expect(calls).toEqual([]);
  });

  it('restarts from the menu', async () => {
    await start('');
    await vt.waitFor('What is this computer to do?');
    vt.press('up', 'up', 'enter');
    await ended;
    expect(powerActions).toEqual(['restart']);
  });

  it('starts the agent after td.timeout, but not when somebody pressed a key', async () => {
    await start('td.timeout=1');
    await vt.waitFor('Without a key in 1 s: Deploy agent');
    vt.press('down');
    await pause(1200);
    expect(vt.shown).not.toContain('Without a key');
    expect(calls).toEqual([]);
    stop.abort();
    await ended;
    stop = new AbortController();
    await start('td.timeout=1');
    await called('agent');
  });

  it('leaves the menu on the other terminals while one has a shell', async () => {
    await start('');
    await serial.waitFor('Number (1-8):');
    serial.written = '';
    serial.type('5');
    await vt.waitFor('What is this computer to do?');
    for (let i = 0; i < 100 && shells.length === 0; i += 1) await pause(10);
    expect(shells).toEqual(['/dev/fake-lines']);
    vt.press('2');
    await called('agent');
    leaveShell();
  });

  it('opens full screens on a serial line, and goes back to lines with what was missed', async () => {
    await start('');
    await serial.waitFor('Number (1-8):');
    serial.type('8');
    for (let i = 0; i < 300 && serial.shown === ''; i += 1) await pause(10);
    expect(serial.shown).toContain('What is this computer to do?');
    serial.written = '';
    serial.press('2');
    const { context } = await called('agent');
    for (let i = 0; i < 300 && !serial.shown.includes('F10 Lines'); i += 1) await pause(10);
    context.screen.milestone('state receiving');
    expect(serial.written).not.toContain('TOTALDEPLOY state receiving');
    serial.press('f10');
    await serial.waitFor('TOTALDEPLOY state receiving');
  });

  it('changes the network from the menu, by lines', async () => {
    cards = [{ ...card, addresses: [] }];
    await start('');
    await serial.waitFor('Number (1-8):');
    serial.type('4');
    await serial.waitFor('Address: dhcp or');
    serial.type('10.0.0.5');
    await serial.waitFor('"10.0.0.5" cannot be used');
    serial.type('10.0.0.5/24');
    await serial.waitFor('Card: name, MAC or all:');
    serial.type('');
    await serial.waitFor('VLAN:');
    serial.type('none');
    cards = [{ ...card, addresses: ['10.0.0.5/24'] }];
    await serial.waitFor('TOTALDEPLOY network eth0 10.0.0.5');
    await serial.waitFor('eth0 has the address 10.0.0.5.');
  });

  it('changes the network by keys: every wrong field is said, then the address', async () => {
    cards = [{ ...card, addresses: [] }];
    await start('');
    await vt.waitFor('What is this computer to do?');
    vt.press('4');
    await vt.waitFor('IPv4 address');
    expect(vt.shown).toContain('52:54:00:00:00:01');
    vt.press('down', 'space', 'f2');
    expect(vt.shown).toContain('! use an IPv4 address such as 10.0.0.5');
    vt.press('"10.0.0.5"', 'f2');
    cards = [{ ...card, addresses: ['10.0.0.5/24'] }];
    await vt.waitFor('eth0 has the address 10.0.0.5.');
    vt.press('enter');
    await vt.waitFor('What is this computer to do?');
  });

  it('applies the network by itself, asks for a backup, and gives a failure back to the wizard', async () => {
    let attempts = 0;
    work = async () => {
      attempts += 1;
      if (attempts === 1) throw new TdError('network', 'Cannot reach the console: no route; check the cable');
    };
    await start('td.mode=backup td.disk=sdx');
    await vt.waitFor('These settings are applied in 1 s; any key stops that.');
    await serial.waitFor('Given {"disk":"sdx"}; problem: ');
    serial.type('console:lab');
    expect((await called('backup')).request).toEqual({ disk: '/dev/sda', to: 'console:lab' });
    await vt.waitFor('Problem: Cannot reach the console: no route; check the cable');
    await serial.waitFor('problem: Cannot reach the console');
    serial.type('console:lab');
    await vt.waitFor('What next?');
    expect(vt.shown).toContain('Image    lab');
    expect(attempts).toBe(2);
    serial.written = '';
    vt.press('4');
    await serial.waitFor('What is this computer to do?');
    expect(closedWizards).toBe(1);
  });
});

describe('a role that changes the network', () => {
  const wanted = { address: '10.0.0.7/24,10.0.0.1', card: 'eth0' };

  it('ends, and starts again once the computer has its new address and no old one', async () => {
    await start('td.mode=console');
    const { context } = await called('console');
    expect(context.network.now()).toEqual({ address: 'dhcp', card: '' });
    expect(context.network.isNow({ address: '', card: 'eth0' })).toBe(true);
    expect(() => context.network.change({ address: '10.0.0.300/24', card: '' })).toThrow('write dhcp, or');
    expect(context.signal.aborted).toBe(false);
    expect(context.network.isNow(wanted)).toBe(false);
    context.network.change(wanted);
    expect(context.signal.aborted).toBe(true);
    const set = 'ip addr add 10.0.0.7/24 broadcast + dev eth0';
    for (let i = 0; i < 300 && !commands.includes(set); i += 1) await pause(10);
    expect(commands.indexOf('ip addr flush dev eth0')).toBeLessThan(commands.indexOf(set));
    expect(commands).toContain('ip addr flush dev eth0');
    expect(calls).toHaveLength(1);
    cards = [{ ...card, addresses: ['10.0.0.7/24'] }];
    const again = (await called('console', 2)).context;
    expect(again.signal.aborted).toBe(false);
    expect(again.network.now()).toEqual(wanted);
    expect(again.network.isNow(wanted)).toBe(true);
    again.network.change({ address: '', card: '' });
    for (let i = 0; i < 300 && commands.filter((one) => one.includes('flush')).length < 2; i += 1) {
      await pause(10);
    }
    cards = [card];
    expect((await called('console', 3)).context.network.now()).toEqual({ address: 'dhcp', card: '' });
  });

  it('is a console too whose network was changed in the menu, after a yes', async () => {
    await start('td.mode=console');
    const { context } = await called('console');
    serial.type('');
    await serial.waitFor('Number (1-7):');
    serial.type('2');
    await serial.waitFor('Address: dhcp or');
    serial.type('10.0.0.7/24');
    await serial.waitFor('Card: name, MAC or all:');
    serial.type('');
    await serial.waitFor('VLAN:');
    serial.type('');
    cards = [{ ...card, addresses: ['10.0.0.7/24'] }];
    await serial.waitFor('The console still uses the old network. Start it again?');
    expect(context.signal.aborted).toBe(false);
    serial.type('yes');
    expect((await called('console', 2)).context.network.now().address).toBe('10.0.0.7/24');
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
