import { mkdtemp, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../lib/clock.ts';
import { TdError } from '../../lib/errors.ts';
import { runPreos } from '../preos-main.ts';
import type { RoleContext } from '../role.ts';
import { openTerminal } from '../terminal.ts';

/** The Pre-OS on this terminal without a network and without a power switch; first argument: boot parameters. */
const dir = await mkdtemp(join(tmpdir(), 'td-preos-'));
await writeFile(join(dir, 'cmdline'), process.argv[2] ?? '');
const terminal = await openTerminal(await readlink('/proc/self/fd/0'), 'screen');
const stop = new AbortController();

async function agent({ screen, signal }: RoleContext): Promise<void> {
  const rows = [
    { label: 'Computer', value: 'ACME OptiDesk 7000 SN-12345' },
    { label: 'eth0', value: '52:54:00:00:00:01  10.0.0.9/24' },
    { label: 'Console', value: 'lab-server' },
  ];
  const common = { title: 'Deploy agent', rows, problems: [] };
  const hints = ['Press Enter for the menu.'];
  const choices = {
    title: 'Offered by the console for this computer:',
    items: ['Lab 2026  (Windows and office)', 'Kiosk'],
    pick: async () => {},
  };
  screen.show({ ...common, activity: 'Waiting for what the console says', hints, choices });
  await sleep(1e9, signal).catch(() => {});
}

await runPreos({
  version: '1.0',
  signal: stop.signal,
  roles: {
    agent,
    backup: async () => ['Image    lab'],
    console: async () => Promise.reject(new TdError('network', 'Cannot find a network; check the cable')),
    openBackupWizard: async () => Promise.reject(new TdError('refused', 'There is no wizard here')),
  },
  commandLinePath: join(dir, 'cmdline'),
  sitePath: join(dir, 'site.json'),
  runDir: join(dir, 'run'),
  terminals: terminal === undefined ? [] : [terminal],
  power: { act: async () => stop.abort() },
  network: {
    readSeen: async () => [
      {
        name: 'eth0',
        mac: '52:54:00:00:00:01',
        driver: 'e1000e',
        kind: 'card',
        up: true,
        link: true,
        speedMbit: 1000,
        mtuBytes: 1500,
        addresses: ['10.0.0.9/24'],
      },
    ],
    runProgram: async () => ({ code: 0, stdout: '', stderr: '' }),
  },
});
await rm(dir, { recursive: true, force: true });
