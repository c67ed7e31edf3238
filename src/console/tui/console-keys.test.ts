import { describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { plainLine } from '../../lib/tui/cell-text.ts';
import type { Page } from '../../lib/tui/page.ts';
import { FakeHost, press } from '../../lib/tui/testdata/fake-host.ts';
import { ComputerPage } from './computer-page.ts';
import { JobPage } from './job-page.ts';
import { JobsPage } from './jobs-page.ts';
import { LiveConsole } from './live-console.ts';
import { MainPage } from './main-page.ts';
import { ReportPage } from './report-page.ts';
import {
  FAKE_STATUS,
  FakeConsole,
  fakeComputer,
  fakeDeployment,
  fakeTarget,
} from './testdata/fake-console.ts';
import { wakePage } from './wake-page.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function type(page: Page<never>, keys: readonly string[], host = new FakeHost()): Promise<FakeHost> {
  for (const key of keys) {
    page.onKey(press(key), host as never);
    await settled();
  }
  return host;
}

function textOf(page: Page<never>): string {
  return page.render({ columns: 100, rows: 28 }).map(plainLine).join('\n');
}

async function mainPage(api: FakeConsole, opened: string[] = []): Promise<Page<never>> {
  const page = new MainPage({
    ...{ api, status: FAKE_STATUS, leaveText: 'Stop the console?' },
    operations: [{ label: 'Deployment solution', hint: '', open: () => void opened.push('wizard') }],
    tools: [{ label: 'View log', hint: '', open: () => Promise.reject(new TdError('io', 'no log')) }],
  });
  await page.live.update();
  page.take();
  return page as Page<never>;
}

describe('the first page', () => {
  it('opens what the cursor is on: menu, job, computer', async () => {
    const opened: string[] = [];
    const page = await mainPage(new FakeConsole({ computers: 3, jobs: [fakeDeployment(2)] }), opened);
    const host = await type(page, [
      'enter',
      'down',
      'enter',
      'down',
      'down',
      'enter',
      'up',
      'up',
      'up',
      'enter',
    ]);
    expect(opened).toEqual(['wizard', 'wizard']);
    expect(host.opened.map(({ title }) => title)).toEqual(['Deployment', 'LAB-002']);
  });

  it('shows what a tool throws', async () => {
    const host = await type(await mainPage(new FakeConsole()), ['tab', 'enter']);
    expect(host.errors).toEqual([new TdError('io', 'no log')]);
  });

  it('is left only after a question that says what runs', async () => {
    const page = await mainPage(new FakeConsole({ jobs: [fakeDeployment(2)] }));
    const host = new FakeHost();
    host.confirms = false;
    await type(page, ['f10'], host);
    expect(host.asked).toEqual(['Leave: Stop the console? 1 job is running.']);
    expect(host.closed).toBeUndefined();
    host.confirms = true;
    await type(page, ['escape'], host);
    expect(host.closed).toEqual({ result: true });
  });

  it('says why when the console does not answer, and keeps what it knew', async () => {
    const api = new FakeConsole({ computers: 2 });
    const live = new LiveConsole(api);
    await live.update();
    api.call = () => Promise.reject(new TdError('network', 'The console went away'));
    await live.update();
    expect([live.problem, live.computers.length]).toEqual(['The console went away', 2]);
  });
});

describe('the page of a job', () => {
  it('puts failed computers first and says why below', async () => {
    const page = new JobPage(fakeDeployment(12), new FakeConsole());
    const lines = textOf(page).split('\n');
    expect(lines[6]).toMatch(/LAB-011 .*failed +the disk "sda" cannot be written/);
    expect(lines.slice(-3).join(' ')).toContain('replace the disk');
  });

  it('cancels one computer or all, only after a question', async () => {
    const api = new FakeConsole({ jobs: [fakeDeployment(12)] });
    const page = new JobPage(fakeDeployment(12), api);
    const host = new FakeHost();
    host.confirms = false;
    await type(page, ['f7', 'f8'], host);
    expect(api.calls).toEqual([]);
    host.confirms = true;
    await type(page, ['down', 'f7', 'f8'], host);
    const { id: jobId } = fakeDeployment(0);
    expect(api.calls.filter(({ name }) => name === 'cancel').map(({ params }) => params)).toEqual([
      { jobId, computer: 'id-1' },
      { jobId },
    ]);
    expect(host.asked.at(-1)).toContain('10 computers are not done');
  });

  it('tries failed computers again and then shows that job', async () => {
    const again = fakeDeployment(1, { id: 'again', targets: [fakeTarget(1)] });
    const api = new FakeConsole({ jobs: [again], answers: { retry: () => ({ jobId: 'again' }) } });
    const page = new JobPage(fakeDeployment(12, { state: 'partial' }), api);
    await type(page, ['f6']);
    expect(api.calls[0]).toEqual({
      name: 'retry',
      params: { jobId: fakeDeployment(0).id, computers: ['id-11'] },
    });
    expect(textOf(page)).toContain('to 1 computer ');
  });

  it('offers only what can be done now', async () => {
    const api = new FakeConsole();
    const ended = new JobPage(fakeDeployment(0, { state: 'done', targets: [fakeTarget(7)] }), api);
    expect(ended.keys().map(({ key }) => key)).toEqual(['F2', 'Esc']);
    await type(ended, ['f6', 'f7', 'f8']);
    expect(api.calls).toEqual([]);
    const host = await type(ended, ['f2']);
    expect(host.opened[0]).toBeInstanceOf(ReportPage);
  });

  it('shows an error of a call and stays', async () => {
    const answers = { cancel: () => Promise.reject(new TdError('not-found', 'There is no such job')) };
    const page = new JobPage(fakeDeployment(2), new FakeConsole({ answers }));
    const host = await type(page, ['f8']);
    expect(host.errors).toEqual([new TdError('not-found', 'There is no such job')]);
    expect(host.closed).toBeUndefined();
  });
});

describe('other pages', () => {
  it('open the report of a job that the console no longer holds', async () => {
    const page = new JobsPage(new FakeConsole());
    const shownHost = new FakeHost();
    page.onShown(shownHost as never);
    await settled();
    shownHost.close();
    const host = await type(page, ['enter']);
    expect(host.errors).toEqual([]);
    expect(host.opened[0]).toBeInstanceOf(ReportPage);
  });

  it('save a report in the form that was chosen', async () => {
    const api = new FakeConsole();
    const page = await ReportPage.load(api, 'a1');
    const host = await type(page, ['f2']);
    const form = host.opened[0] as Page<never>;
    await type(form, ['down', 'space', 'f2']);
    expect(api.calls.at(-1)).toEqual({
      name: 'report.save',
      params: { jobId: 'a1', format: 'text', path: '/srv/images/report-a1.txt' },
    });
  });

  it('wake computers that are known and switched off, or others by their addresses', async () => {
    const api = new FakeConsole();
    const host = new FakeHost();
    await wakePage(api, host);
    const page = host.opened[0] as Page<never>;
    expect(textOf(page)).toMatch(/LAB-031.*LAB-032.*LAB-033/s);
    const picked = await type(page, ['space', 'space', 'f2']);
    host.results = [picked.closed?.result];
    await wakePage(api, host);
    expect(api.calls.at(-1)).toEqual({ name: 'wake', params: { computers: ['id-31', 'id-32'] } });
    expect(host.messages).toEqual(['Wake computers: Packets were sent to id-31, id-32.']);
    host.results = [(await type(page, ['f4'])).closed?.result];
    await wakePage(api, host);
    const form = host.opened.at(-1) as Page<never>;
    await type(form, [...'52:54:00:00:00:99'.split(''), 'f2']);
    expect(api.calls.at(-1)).toEqual({ name: 'wake', params: { computers: ['52:54:00:00:00:99'] } });
  });

  it('shut a computer down only after a question that says it is at work', async () => {
    const api = new FakeConsole();
    const live = new LiveConsole(api);
    const page = new ComputerPage(fakeComputer(3, 'a1'), { api, live });
    const host = await type(page, ['f7', 'f8', 'f6']);
    expect(host.asked[0]).toContain('running job');
    expect(api.calls.map(({ name }) => name)).toEqual(['power', 'power', 'wake']);
    expect(api.calls[1]?.params).toEqual({ computers: ['id-3'], action: 'restart' });
  });
});
