import { describe, expect, it } from 'vitest';
import type { AgentMessage, Offer } from '../control/messages.ts';
import type { Dialog, LineIo, Present } from '../lib/dialog.ts';
import { silentLog } from '../lib/log.ts';
import type { ScreenView } from '../lib/screen.ts';
import { FakeTerminal, fakeScreens } from '../preos/testdata/fake-terminal.ts';
import { TtyScreen } from '../preos/tty-screen.ts';
import type { Machine, MachineDisk } from '../schema/machine.ts';
import { jobView, waitingView } from './agent-screen.ts';
import { AgentOffers } from './offers.ts';
import { OffersScreen } from './offers-screen.ts';
import type { TargetAnswer } from './target-disk.ts';

const disk: MachineDisk = {
  name: 'sda',
  sizeBytes: 500_107_862_016,
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
const offer: Offer = {
  name: 'Lab',
  comment: 'Windows and office',
  image: 'lab-2026',
  needsPin: true,
  diskRule: 'auto',
  sizeBytesMin: 1,
  logicalSectorBytes: 512,
  table: 'gpt',
  firmware: 'uefi',
};
const machine: Machine = {
  uuid: '',
  vendor: 'ACME',
  model: '3000',
  serial: '',
  firmware: 'uefi',
  secureBoot: false,
  memoryBytes: 1,
  cpu: '',
  cpuCount: 1,
  disks: [disk],
  nics: [],
};
const waiting = waitingView({ machine, consoleName: 'lab', activity: 'Waiting', problems: [] });

function setUp(answer?: TargetAnswer) {
  const sent: AgentMessage[] = [];
  const chosen: TargetAnswer = answer ?? {
    ok: true,
    path: '/dev/sda',
    disk,
    description: '',
    warnings: ['The image was taken on BIOS'],
  };
  const offers = new AgentOffers({
    send: (message) => sent.push(message) > 0,
    chooseDisk: async () => chosen,
    answerMsMax: 1000,
  });
  const views: ScreenView[] = [];
  const screen = new OffersScreen({ milestone: () => {}, show: (view) => void views.push(view) });
  screen.take(offers);
  screen.show(waiting);
  offers.heard({ type: 'offers', offers: [offer] });
  const pick = (present: Present) => views.at(-1)!.choices!.pick(0, present);
  const answerConsole = (jobId: string, reason: string) =>
    offers.heard({ type: 'offer-answer', template: 'Lab', jobId, reason });
  return { sent, offers, views, screen, pick, answerConsole };
}

/** The dialog's page on a terminal that shows screens. */
async function onScreen(pick: (present: Present) => Promise<void>) {
  const terminal = new FakeTerminal('screen');
  const options = { logger: silentLog, programLine: '', runScreens: fakeScreens };
  const screens = new TtyScreen({ ...options, terminals: [terminal] });
  const { signal } = new AbortController();
  const ends: unknown[] = [];
  const done = pick(async (dialog) => {
    const { result } = await screens.present(dialog, { signal });
    ends.push(result);
    return result;
  });
  return { terminal, ends, done, [Symbol.asyncDispose]: () => screens[Symbol.asyncDispose]() };
}

describe('offers at a waiting computer', () => {
  it('are listed while nothing runs, and go with the connection', () => {
    const { views, offers, screen } = setUp();
    expect(views.at(-1)!.choices!.items).toEqual(['Lab  (Windows and office)']);
    const progress = { doneBytes: 1, totalBytes: 2, bytesPerSecond: 1, leftSeconds: 1 };
    const job = { machine, consoleName: '', imageName: '', disk: '', problems: [], warnings: [] };
    screen.show(jobView({ ...job, step: 'receiving', detail: '', isBootable: false, progress }));
    expect(views.at(-1)!.choices).toBeUndefined();
    screen.show(waiting);
    offers.disconnected();
    expect(views.at(-1)!.choices!.items).toEqual([]);
  });

  it('show the disk that would be overwritten and start only with its size and the PIN', async () => {
    const { pick, sent, answerConsole } = setUp();
    await using shown = await onScreen(pick);
    const { terminal, ends } = shown;
    await terminal.waitFor('Everything on sda is overwritten.');
    for (const text of ['lab-2026', 'ACME Disk', 'S1', '500 GB', '! The image was taken on BIOS']) {
      expect(terminal.shown).toContain(text);
    }
    terminal.press('f2');
    expect(terminal.shown).toContain('! type 500 GB, the size of the disk');
    terminal.press('"499GB"', 'f2');
    expect(terminal.shown).toContain('! type 500 GB, the size of the disk');
    terminal.press(...Array(5).fill('backspace'), '"500 gb"', 'f2');
    expect(terminal.shown).toContain('! the console asks for a PIN');
    expect(sent).toEqual([]);
    terminal.press('"0000"', 'f2');
    expect(sent).toEqual([{ type: 'choose-offer', template: 'Lab', pin: '0000' }]);
    answerConsole('', 'The PIN is wrong');
    await terminal.waitFor('! The PIN is wrong');
    terminal.press('"1234"', 'f2');
    expect(sent.at(-1)).toEqual({ type: 'choose-offer', template: 'Lab', pin: '1234' });
    answerConsole('job-1', '');
    await shown.done;
    expect(ends).toEqual(['started']);
  });

  it('say why an image does not fit here, and send nothing', async () => {
    const { pick, sent } = setUp({ ok: false, reason: 'the disk is too small', description: '' });
    await using shown = await onScreen(pick);
    await shown.terminal.waitFor('! It cannot be deployed to this computer: the disk is too small');
    shown.terminal.press('escape');
    await shown.done;
    expect(sent).toEqual([]);
  });

  it('are taken by lines too', async () => {
    const { pick, sent, answerConsole } = setUp();
    const answers = ['500 MB', '500 GB', '1111', '500GB', '1234'];
    const asked: string[] = [];
    const io: LineIo = {
      signal: new AbortController().signal,
      tell: (lines) => void asked.push(...lines),
      ask: async ({ lines, prompt }) => {
        asked.push(...lines, prompt);
        const answer = answers.shift() ?? '';
        const settle = () =>
          answer === '1234' ? answerConsole('job-1', '') : answerConsole('', 'The PIN is wrong');
        if (prompt === 'PIN:') setTimeout(settle, 5);
        return answer;
      },
    };
    const present = async <Result>(dialog: Dialog<Result>) => dialog.lines(io);
    await pick(present);
    expect(asked).toContain('! "500 MB" is not 500 GB.');
    expect(asked).toContain('! The PIN is wrong');
    expect(asked.at(-1)).toBe('The console starts it (job job-1).');
    expect(sent.map((message) => (message as { pin: string }).pin)).toEqual(['1111', '1234']);
  });
});
