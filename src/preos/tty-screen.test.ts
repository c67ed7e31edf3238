import { describe, expect, it } from 'vitest';
import type { Dialog } from '../lib/dialog.ts';
import { silentLog } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import { MenuPage } from './menu-page.ts';
import { FakeTerminal, fakeScreens } from './testdata/fake-terminal.ts';
import { TtyScreen } from './tty-screen.ts';

const view: ScreenView = { title: 'T', rows: [], activity: 'Working', problems: [], hints: [] };
const { signal } = new AbortController();

const dialog: Dialog<string> = {
  page: () =>
    new MenuPage({
      title: 'Q',
      helpTopic: '',
      question: 'Which?',
      items: [{ choice: 'one', label: 'The first' }],
    }),
  lines: (io) => io.ask({ title: 'Q', lines: ['1  one'], prompt: 'Number:' }),
};

function setUp() {
  const vt = new FakeTerminal('screen');
  const serial = new FakeTerminal('lines');
  const logged: string[] = [];
  const logger = { ...silentLog, info: (_: object, message: string) => void logged.push(message) };
  const options = { logger, programLine: 'TotalDeploy 1.0', runScreens: fakeScreens };
  const screen = new TtyScreen({ ...options, terminals: [vt, serial] });
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
    const options = { logger: silentLog, programLine: '', runScreens: fakeScreens };
    await using screen = new TtyScreen({ ...options, terminals: [] });
    screen.milestone('x');
    screen.show(view);
    const asked = screen.present(dialog, { signal: AbortSignal.timeout(10) });
    await expect(asked).rejects.toThrow();
  });

  it('takes the first answer from any terminal and says on the others where it was given', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    screen.show(view);
    await vt.waitFor('Working');
    const first = screen.present(dialog, { signal });
    await vt.waitFor('Which?');
    serial.type('2');
    expect(await first).toEqual({ result: '2', terminal: serial });
    expect(vt.shown).toContain('Working');
    const second = screen.present(dialog, { signal });
    await vt.waitFor('Which?');
    vt.press('enter');
    expect(await second).toEqual({ result: 'one', terminal: vt });
    expect(serial.written).toContain('Answered on /dev/fake-screen.');
  });

  it('tells what changed only after the question is answered', async () => {
    const { serial, screen } = setUp();
    await using _ = screen;
    const asked = screen.present(dialog, { signal });
    await serial.waitFor('Number:');
    screen.show({ ...view, activity: 'Hidden while asking' });
    expect(serial.written).not.toContain('Hidden while asking');
    serial.type('1');
    await asked;
    expect(serial.written).toContain('Hidden while asking');
  });

  it('ends a question when its signal aborts', async () => {
    const { vt, screen } = setUp();
    await using _ = screen;
    const stop = new AbortController();
    screen.show(view);
    const asked = screen.present(dialog, { signal: stop.signal });
    await vt.waitFor('Which?');
    stop.abort(new Error('over'));
    await expect(asked).rejects.toThrow('over');
    await vt.waitFor('Working');
  });

  it('asks again on a terminal that comes back from a shell meanwhile', async () => {
    const { vt, screen } = setUp();
    await using _ = screen;
    const asked = screen.present(dialog, { signal, on: vt });
    await vt.waitFor('Which?');
    await screen.lend(vt, async () => {
      expect(vt.isReleased).toBe(true);
      expect(vt.shown).toBe('');
    });
    await vt.waitFor('Which?');
    vt.press('1');
    expect((await asked).result).toBe('one');
  });

  it('gives screens to the program of a role, takes them for a question, and gives them back', async () => {
    const { vt, serial, screen } = setUp();
    await using _ = screen;
    let runs = 0;
    const done = screen.useScreens(
      ({ term, signal: end }) =>
        new Promise((resolve) => {
          runs += 1;
          expect(term).toBe('linux');
          end.addEventListener('abort', () => resolve(), { once: true });
        }),
    );
    for (let i = 0; i < 100 && runs === 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    const asked = screen.present(dialog, { signal });
    await vt.waitFor('Which?');
    serial.type('x');
    await asked;
    for (let i = 0; i < 100 && runs === 1; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(runs).toBe(2);
    screen.show(view);
    done();
    await vt.waitFor('Working');
  });
});
