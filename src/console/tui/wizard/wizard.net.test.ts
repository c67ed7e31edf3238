import { expect, test } from 'vitest';
import { TmuxTerminal } from '../../../lib/tui/testdata/tmux.ts';

const PROGRAM = new URL('./testdata/run-wizard.ts', import.meta.url).pathname;

test.each(['linux', 'vt220'])(
  'the wizard deploys from a terminal of kind %s, also after a resize',
  async (term) => {
    await using terminal = await TmuxTerminal.start({
      ...{ columns: 80, rows: 25, term, command: [process.execPath, PROGRAM] },
    });
    await terminal.until('Deployment solution', { timeoutMs: 30_000 });
    await terminal.keys('Enter');
    await terminal.until('LAB-005');
    await terminal.keys('F8');
    await terminal.until('! choose at least one target computer');
    await terminal.keys('Space', 'Space', 'F8');
    await terminal.until('2 of 13');
    await terminal.until('office ');
    await terminal.keys('Down', 'Down', 'Enter');
    await terminal.until('3 of 13  Disk/partition selection');
    await terminal.resize(60, 20);
    await terminal.until('The terminal is too small.');
    await terminal.resize(132, 43);
    await terminal.until('System Reserved');
    await terminal.keys('F1');
    await terminal.until('The boot area (master boot record');
    await terminal.keys('Escape');
    await terminal.until('3 of 13');
    for (let page = 4; page <= 13; page += 1) {
      await terminal.keys('F8');
      await terminal.until(`${page} of 13`);
    }
    await terminal.until('not applied by this version');
    await terminal.keys('F2');
    await terminal.until('This overwrites 2 disks');
    await terminal.type('2');
    await terminal.keys('Enter');
    const job = await terminal.until('office-2026');
    expect(job).toContain('LAB-001');
    await terminal.keys('Escape');
    await terminal.until('Deployment solution');
    await terminal.keys('Escape');
    await terminal.until('The console itself goes on');
    await terminal.keys('y');
    expect(await terminal.until('asked for')).toContain('"name":"Manual deployment"');
  },
);
