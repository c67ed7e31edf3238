import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectGolden } from '../../lib/tui/testdata/golden-screen.ts';
import { screenSvg } from '../../lib/tui/testdata/screen-svg.ts';
import { TmuxTerminal } from '../../lib/tui/testdata/tmux.ts';

const PROGRAM = fileURLToPath(new URL('./testdata/run-fake-console.ts', import.meta.url));

interface Start {
  term?: string;
  columns?: number;
  rows?: number;
  env?: Record<string, string>;
  computers?: number;
  deployed?: number;
  changes?: number;
}

async function start(options: Start = {}): Promise<TmuxTerminal> {
  const { term = 'xterm-256color', columns = 80, rows = 25, env = {} } = options;
  const { computers = 24, deployed = 18, changes = 0 } = options;
  const numbers = [computers, deployed, changes].map(String);
  const command = [process.execPath, '--no-warnings', PROGRAM, ...numbers];
  const terminal = await TmuxTerminal.start({ term, columns, rows, env, command });
  try {
    await terminal.until(`${computers} connected`, { timeoutMs: 30_000 });
    return terminal;
  } catch (error) {
    await terminal[Symbol.asyncDispose]();
    throw error;
  }
}

describe.each(['linux', 'xterm-256color', 'screen-256color', 'vt220'])(
  'on a terminal of the kind %s',
  (term) => {
    it('the pages are shown, opened, left, resized, and the terminal is given back', async () => {
      await using terminal = await start({ term, env: term === 'vt220' ? { LC_ALL: 'C' } : {} });
      const first = await terminal.text();
      expect(first.split('\n')[0]).toMatch(/^ TotalDeploy . lab-server$/);
      expect(first).toMatch(/^[─-][═=]/m);
      if (term === 'vt220') expect(await terminal.coloured()).not.toMatch(/\x1b\[[0-9;]*[34][0-7]m/);
      await terminal.keys('Down', 'Down', 'Enter');
      await terminal.until('to 18 computers   running');
      await terminal.keys('F1');
      await terminal.until('One line for each computer');
      await terminal.keys('Escape');
      await terminal.until('to 18 computers   running');
      await terminal.keys('F8');
      await terminal.until('Cancel the whole deployment?');
      await terminal.keys('n', 'Escape');
      await terminal.until('24 connected');
      await terminal.keys('Tab');
      await terminal.until('Check image');
      await terminal.resize(70, 20);
      await terminal.until('80 x 24 are needed');
      await terminal.resize(140, 40);
      await terminal.until('This console');
      expect((await terminal.text()).split('\n').filter((line) => line.includes('F10 Leave'))).toHaveLength(
        1,
      );
      // Without function keys: ESC and a digit.
      await terminal.type('\x1b0');
      await terminal.until('Leave these screens?');
      await terminal.keys('y');
      const end = await terminal.until('ended with 0');
      expect(end).toContain('left by the person');
      expect(end).toMatch(/left by the person\nended with 0/);
    });
  },
);

describe('the console on a terminal', () => {
  it('answers keys within a tenth of a second with 500 computers that change all the time', async () => {
    await using terminal = await start({
      columns: 120,
      rows: 40,
      computers: 500,
      deployed: 500,
      changes: 10,
    });
    const waits: number[] = [];
    for (const [key, shown] of [
      ['Tab', 'Check image'],
      ['Tab', '500 connected'],
      ['F5', 'Started'],
      ['F1', 'All backups and deployments'],
      ['Enter', 'Started'],
    ] as const) {
      const fromMs = performance.now();
      await terminal.keys(key);
      await terminal.until(shown);
      waits.push(performance.now() - fromMs);
    }
    // Sending a key and reading the screen are programs of their own that take part of this.
    expect(Math.min(...waits)).toBeLessThan(100);
    expect(waits.toSorted((a, b) => a - b)[2]).toBeLessThan(300);
  });

  it('survives a terminal that goes away', async () => {
    await using terminal = await start();
    const pid = await terminal.panePid();
    await terminal.hangUp();
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });

  it('gives the terminal back when the program crashes, and names the log', async () => {
    await using terminal = await start({ columns: 120, env: { FAKE_CRASH: '1' } });
    await terminal.keys('F5');
    const end = await terminal.until('ended with');
    expect(end).toContain('the program failed: a crash on purpose');
    expect(end).toContain('The log is "/var/lib/totaldeploy/console.log".');
    expect(end).not.toContain('F10 Leave');
  });
});

describe('the pictures of the pages', () => {
  it('show what the terminal shows', async () => {
    const size = { columns: 100, rows: 30 };
    await using terminal = await start(size);
    const pictures: [string, string[], string][] = [
      ['operations', [], '24 connected'],
      ['job', ['Down', 'Down', 'Enter'], '15 to go'],
      ['job-cancel', ['F8'], 'Cancel the whole'],
      ['tools', ['n', 'Escape', 'Tab'], 'Check image'],
    ];
    const problems: unknown[] = [];
    for (const [name, keys, shown] of pictures) {
      for (const key of keys) await terminal.keys(key);
      await terminal.until(shown);
      const svg = screenSvg(await terminal.coloured(), { ...size, title: `TotalDeploy: ${name}` });
      try {
        expectGolden(new URL(`./pictures/${name}.svg`, import.meta.url), svg.trimEnd());
      } catch (error) {
        problems.push(error);
      }
    }
    expect(problems).toEqual([]);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
