import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { TmuxTerminal } from '../../lib/tui/testdata/tmux.ts';
import { consolePaths } from '../console-paths.ts';
import { rpcApi } from '../rpc-api.ts';

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url));
const TOTALDEPLOY = [process.execPath, '--no-warnings', MAIN];
const START_MS_MAX = 30_000;
const PORTS = ['control', 'discovery', 'service', 'data'];
/** Ours alone, should two runs of this test meet. */
const FIRST_PORT = 20_000 + ((process.pid * 8) % 12_000);

let dir: string;
let consolePid = 0;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-console-start-'));
});
afterEach(async () => {
  // The console that outlived its terminal.
  if (consolePid !== 0) process.kill(consolePid, 'SIGKILL');
  consolePid = 0;
  await rm(dir, { recursive: true, force: true });
});

function consoleCommand(): string[] {
  const ports = PORTS.map((name, i) => `${name}=${FIRST_PORT + i}`).join(',');
  return [...TOTALDEPLOY, 'console', '--data', dir, '--interface', 'lo', '--name', 'lab', '--ports', ports];
}

function terminal(command: readonly string[]): Promise<TmuxTerminal> {
  return TmuxTerminal.start({ term: 'xterm-256color', columns: 160, rows: 30, command });
}

describe('a console started on a terminal', () => {
  it('shows its pages, is seen from another terminal, and outlives its own', async () => {
    await using first = await terminal(consoleCommand());
    await first.until('None yet', { timeoutMs: START_MS_MAX });
    consolePid = await lockHolder();
    {
      await using second = await terminal([...TOTALDEPLOY, 'tui', '--data', dir]);
      await second.until('None yet', { timeoutMs: START_MS_MAX });
      await second.keys('F10');
      await second.until('The console itself goes on');
      await second.keys('y');
      await second.until('ended with 0');
    }
    const again = await run(process.execPath, consoleCommand().slice(1), { okCodes: [1] });
    expect(again.stderr).toMatch(/^totaldeploy: Cannot start a console with .*"totaldeploy tui --data .*\n$/);
    await first.hangUp();
    await using api = rpcApi(consolePaths(dir).socket);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await api.call('status', {})).toMatchObject({ name: 'lab' });
    expect(await readFile(join(dir, 'console.log'), 'utf8')).toContain('the terminal hung up');
  });

  it('ends when its pages are left', async () => {
    await using first = await terminal(consoleCommand());
    await first.until('None yet', { timeoutMs: START_MS_MAX });
    await first.keys('F10');
    await first.until('Stop this console?');
    await first.keys('y');
    const end = await first.until('ended with', { timeoutMs: START_MS_MAX });
    expect(end.trim()).toBe('ended with 0');
  });
});

describe('screens', () => {
  it('are refused in one line without a terminal or without a console', async () => {
    const piped = await run(process.execPath, [...TOTALDEPLOY.slice(1), 'tui', '--data', dir], {
      okCodes: [2],
    });
    expect(piped.stderr).toContain('no terminal');
    await using alone = await terminal([...TOTALDEPLOY, 'tui', '--data', dir]);
    const end = await alone.until('ended with 1', { timeoutMs: START_MS_MAX });
    expect(end).toContain('it is not running');
  });
});

/** The process that listens on the console's socket. */
async function lockHolder(): Promise<number> {
  const { stdout } = await run('ss', ['-xlpH']);
  const line = stdout.split('\n').find((one) => one.includes(consolePaths(dir).socket)) ?? '';
  return Number(/pid=(\d+)/.exec(line)?.[1] ?? 0);
}
