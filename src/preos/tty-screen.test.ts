import { describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import { FakeTerminal } from './fake-terminal.ts';
import { askMode, askWhileRunning } from './mode-menu.ts';
import { TtyScreen } from './tty-screen.ts';

const view: ScreenView = { title: 'T', rows: [], activity: 'Working', problems: [], hints: [] };

function setUp() {
  const vt = new FakeTerminal('screen');
  const serial = new FakeTerminal('lines');
  const logged: string[] = [];
  const logger = { ...silentLog, info: (_: object, message: string) => void logged.push(message) };
  const screen = new TtyScreen({ terminals: [vt, serial], logger, programLine: 'TotalDeploy 1.0' });
  return { vt, serial, logged, screen };
}

describe('TtyScreen', () => {
  it('writes milestones on serial and in the log, with one prefix', async () => {
    const { serial, vt, logged, screen } = setUp();
    await using _ = screen;
    screen.milestone('network eth0 10.0.0.5');
    screen.milestone('TOTALDEPLOY start 1.0 mode=menu\x1b[2J');
    const lines = ['TOTALDEPLOY network eth0 10.0.0.5', 'TOTALDEPLOY start 1.0 mode=menu?[2J'];
    expect(serial.written).toBe(`${lines.join('\n')}\n`);
    expect(logged).toEqual(lines);
    expect(vt.written).toBe('');
  });

  it('works without any terminal', async () => {
    await using screen = new TtyScreen({ terminals: [], logger: silentLog, programLine: '' });
    screen.milestone('x');
    screen.show(view);
    expect(await screen.ask({ title: '', lines: [], prompt: '' }, { timeoutMs: 10 })).toBeUndefined();
  });

  it('takes the first answer from any terminal and draws the view again afterwards', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    screen.show(view);
    const asked = screen.ask({ title: 'Q', lines: ['1  one'], prompt: 'Number:' });
    vt.written = '';
    screen.show({ ...view, activity: 'Hidden while asking' });
    expect(vt.written).toBe('');
    serial.type('1');
    expect(await asked).toEqual({ text: '1', terminal: serial });
    expect(vt.written).toContain('Hidden while asking');
  });

  it('ends a question when its signal aborts', async () => {
    const { screen } = setUp();
    await using _ = screen;
    const stop = new AbortController();
    const asked = screen.ask(
      { title: 'Q', lines: [], prompt: '' },
      { signal: stop.signal, timeoutMs: 10_000 },
    );
    stop.abort(new Error('over'));
    await expect(asked).rejects.toThrow('over');
  });

  it('leaves a lent terminal alone and shows everything when it comes back', async () => {
    const { vt, screen } = setUp();
    await using _ = screen;
    await screen.lend(vt, async () => {
      vt.written = '';
      screen.show(view);
      expect(vt.written).toBe('');
      expect(vt.isReleased).toBe(true);
    });
    expect(vt.isReleased).toBe(false);
    expect(vt.written).toContain('Working');
  });
});

describe('the mode menu', () => {
  it('shows what was wrong, asks again after nonsense, and takes the number', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    const asked = askMode(screen, {
      problems: ['td.mode cannot be "x": use menu, agent, backup or console'],
    });
    expect(vt.written).toContain('td.mode cannot be "x"');
    vt.type('9');
    await serial.waitFor('"9" is none of 1 to 7.');
    serial.type('2');
    expect(await asked).toEqual({ choice: 'agent', terminal: serial });
  });

  it('starts the agent after the timeout, but not when somebody is typing', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    expect(await askMode(screen, { problems: [], timeoutMs: 20 })).toEqual({
      choice: 'agent',
      terminal: undefined,
    });
    const asked = askMode(screen, { problems: [], timeoutMs: 40 });
    vt.type('x');
    await serial.waitFor('"x" is none');
    await new Promise((resolve) => setTimeout(resolve, 80));
    vt.type('7');
    expect((await asked).choice).toBe('shutdown');
  });

  it('breaks a running role off only after a yes', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    const { signal } = new AbortController();
    const first = askWhileRunning(screen, { title: 'Deploy agent', signal });
    vt.type('2');
    await serial.waitFor('Type yes');
    vt.type('y');
    expect((await first).choice).toBe('continue');
    serial.written = '';
    const second = askWhileRunning(screen, { title: 'Deploy agent', signal });
    vt.type('4');
    await serial.waitFor('Type yes');
    vt.type('YES');
    expect((await second).choice).toBe('restart');
  });
});
