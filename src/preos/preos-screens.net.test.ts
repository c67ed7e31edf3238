import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { TmuxTerminal } from '../lib/tui/testdata/tmux.ts';

const PROGRAM = fileURLToPath(new URL('testdata/run-preos.ts', import.meta.url));
const START_MS = 30_000;

it.each([
  ['linux', 80, 25],
  ['linux', 128, 48],
  ['vt220', 80, 24],
] as const)(
  'menu, network, agent and restart by keys on a real terminal (%s, %ix%i)',
  async (term, columns, rows) => {
    const command = [process.execPath, PROGRAM, 'td.timeout=300 td.vln=3'];
    await using terminal = await TmuxTerminal.start({ columns, rows, term, command });
    const menu = await terminal.until('What is this computer to do?', { timeoutMs: START_MS });
    expect(menu).toContain('! td.vln is no parameter: did you mean td.vlan?');
    await terminal.until('Without a key in 29');
    await terminal.keys('Down', 'Down', 'Down', 'Enter');
    const network = await terminal.until('IPv4 address');
    expect(network).toContain('52:54:00:00:00:01');
    await terminal.keys('Escape');
    const again = await terminal.until('What is this computer to do?');
    expect(again).not.toContain('Without a key');
    await terminal.keys('2');
    await terminal.until('Lab 2026  (Windows and office)');
    await terminal.keys('F9');
    await terminal.until('What runs goes on meanwhile.');
    await terminal.keys('Escape');
    await terminal.until('Waiting for what the console says');
    await terminal.keys('F12');
    await terminal.until('What runs goes on meanwhile.');
    await terminal.keys('5');
    await terminal.until('a half-written disk does not start');
    await terminal.keys('y');
    await terminal.until('ended with 0');
  },
);
