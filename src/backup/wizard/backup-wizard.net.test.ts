import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TmuxTerminal } from '../../lib/tui/testdata/tmux.ts';

const PROGRAM = fileURLToPath(new URL('testdata/run-wizard.ts', import.meta.url));
const START_MS = 30_000;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-wizard-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each(['linux', 'vt220'])(
  'backs up to a share by keys, fails, and does it again (TERM=%s)',
  async (term) => {
    const command = [process.execPath, PROGRAM, folder];
    await using terminal = await TmuxTerminal.start({ columns: 80, rows: 25, term, command });
    await terminal.until('75.0 GB', { timeoutMs: START_MS });
    await terminal.keys('F8');
    await terminal.until('lab-server');
    await terminal.keys('Down', 'Down', 'Down', 'Space', 'Down', 'Down', 'F8');
    await terminal.until('! give the shared folder as SERVER:/FOLDER');
    await terminal.type('srv:/images');
    await terminal.keys('F8');
    await terminal.until('3 of 4');
    await terminal.keys('F8');
    await terminal.until('srv:/images');
    await terminal.keys('F2');
    await terminal.until('412 MB/s');
    await terminal.until('! Cannot store "srv:/images/lab 1.sco": the disk is full');
    await terminal.keys('F2');
    await terminal.until('412 MB/s');
    await terminal.keys('Escape');
    await terminal.until('Cancel the backup?');
    await terminal.keys('y');
    await terminal.until('! The backup was cancelled');
    await terminal.keys('F2');
    const result = await terminal.until('What next?');
    expect(result).toContain('Stored   srv:/images/lab 1.sco, 31 GB for 75 GB in use');
    await terminal.keys('1');
    await terminal.until('ended with 0');
  },
);
