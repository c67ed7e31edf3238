import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildReport } from '../report/report-build.ts';
import { reportHtml } from '../report/report-html.ts';
import { sampleSource } from '../report/testdata/sample-source.ts';
import { TestConsole } from '../testdata/test-console.ts';
import { Chromium } from './testdata/chromium.ts';

// A real console and a real browser; the pictures are kept for people to look at.
const PICTURES = join(import.meta.dirname, '../../../dist/pictures');
const WIDE = { width: 1100, height: 800 };
const PASSWORD = 'correct horse';

let lab: TestConsole;
let browser: Chromium;

beforeEach(async () => {
  await mkdir(PICTURES, { recursive: true });
  lab = await TestConsole.start();
  browser = await Chromium.start();
  await browser.look(WIDE);
});
afterEach(async () => {
  await browser?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

async function openWebView(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await lab.rpc.call('settings.change', { web: { enabled: true, port, password: PASSWORD } });
  return `https://127.0.0.1:${port}/`;
}

const keep = async (name: string) => writeFile(join(PICTURES, `${name}.png`), await browser.picture());
const click = (selector: string) => browser.evaluate(`document.querySelector('${selector}').click()`);
/** How wide the page is beyond its window. */
const overflow = () => browser.evaluate('document.documentElement.scrollWidth - window.innerWidth');

it('shows computers and a job live, lets whoever signs in cancel, and outlives its console', async () => {
  const url = await openWebView();
  await browser.open(url);
  await browser.shows(/No computer is connected[\s\S]*/);
  await lab.addImage('office');
  const computers = await Promise.all([1, 2, 3].map((number) => lab.computer(number)));
  await browser.shows(/02:00:00:00:00:03\s+127\.0\.0\.1\s+Test Test machine\s+waiting/);
  const { jobId, ended } = await lab.deploy({ image: 'office' });
  const [one, two, three] = computers;
  await Promise.all(computers.map((computer) => computer.accept()));
  for (const [i, computer] of computers.entries()) {
    computer.send({ type: 'state', jobId, step: 'receiving', detail: '' });
    const doneBytes = (i + 1) * 2_000_000_000;
    computer.send({
      type: 'progress',
      jobId,
      doneBytes,
      totalBytes: 8_000_000_000,
      bytesPerSecond: 62_000_000,
    });
  }
  await browser.shows(/Deployment of "office"[\s\S]*receiving[\s\S]*62\.0 MB\/s[\s\S]*left/);
  expect(await browser.evaluate("document.querySelectorAll('.job .rows progress')[1].value")).toBeCloseTo(
    0.5,
    1,
  );
  // Nobody is signed in: nothing can be done.
  expect(await browser.evaluate("document.querySelectorAll('main button:not([hidden])').length")).toBe(1);
  expect(await browser.evaluate("document.querySelector('#start').hidden")).toBe(true);
  expect(await browser.evaluate("fetch('/cancel',{method:'POST',body:'{}'}).then((r)=>r.status)")).toBe(415);

  await click('#sign-in');
  await browser.type('wrong password');
  await browser.press('Enter');
  await browser.shows(/the password is wrong/);
  await keep('web-wrong-password');
  await browser.evaluate("document.querySelector('#password').select()");
  await browser.type(PASSWORD);
  await browser.press('Enter');
  await browser.shows(/Sign out[\s\S]*Start a template[\s\S]*Cancel job/);
  expect(await browser.evaluate('document.cookie')).toBe('');
  await keep('web-signed-in');

  await browser.evaluate("document.querySelectorAll('.job .rows li')[1].querySelector('button').click()");
  await browser.shows(/Cancel 02:00:00:00:00:02\?/);
  await browser.press('Escape');
  await browser.evaluate("document.querySelectorAll('.job .rows li')[1].querySelector('button').click()");
  await click('#dialog-ok');
  await two!.order('cancel');
  await browser.shows(/cancelled in the web view/);
  three!.report((await three!.order('deploy')).deployment, {
    ok: false,
    error: 'Cannot write to "/dev/sda"',
    root: '',
  });
  await browser.shows(/failed[\s\S]*Cannot write to "\/dev\/sda"/);
  await keep('web-job');
  for (const dark of [false, true]) {
    await browser.look({ width: 390, height: 844, dark });
    expect(await overflow()).toBeLessThanOrEqual(0);
    await keep(`web-phone-${dark ? 'dark' : 'light'}`);
  }
  await browser.look(WIDE);
  one!.report((await one!.order('deploy')).deployment);
  expect((await ended).state).toBe('partial');
  await browser.shows(/partial/);
  // The browser goes away in the middle of everything.
  await browser[Symbol.asyncDispose]();
  expect(await lab.rpc.call('jobs')).toHaveLength(1);
  const own = browser.problems.filter((text) => !/401|415|favicon/.test(text));
  expect(own).toEqual([]);
});

it('starts a template after showing what it does', async () => {
  await lab.addImage('office');
  const template = { version: 1, name: 'classroom', image: 'office', comment: 'Room 12' };
  await lab.rpc.call('template.save', { template });
  const computer = await lab.computer(1);
  await browser.open(await openWebView());
  await browser.shows(/Sign in/);
  await click('#sign-in');
  await browser.type(PASSWORD);
  await browser.press('Enter');
  await browser.shows(/Start a template[\s\S]*classroom: Room 12/);
  await click('#start-form button');
  await browser.shows(/Start template classroom\?[\s\S]*disks are overwritten[\s\S]*office/);
  await keep('web-start');
  await click('#dialog-ok');
  const { jobId } = await computer.order('preflight');
  await browser.shows(/Deployment of "office" by template "classroom"/);
  await browser.evaluate("document.querySelector('.job .head button').click()");
  await browser.shows(/Cancel the whole job\?/);
  await click('#dialog-ok');
  expect(await computer.order('cancel')).toMatchObject({ jobId, reason: 'cancelled in the web view' });
  await browser.shows(/cancelled/);
  expect(browser.problems).toEqual([]);
});

it('says that contact is lost and goes on by itself when the console is back', async () => {
  const url = await openWebView();
  await browser.open(url);
  await browser.shows(/Live/);
  await lab.rpc.call('settings.change', { web: { enabled: false } });
  await browser.shows(/Connection lost; trying again/);
  await lab.rpc.call('settings.change', { web: { enabled: true } });
  await browser.shows(/Live/);
});

it('opens a saved report without a network, with a lane for each computer', async () => {
  const path = join(lab.dir, 'report.html');
  await writeFile(path, reportHtml(buildReport(sampleSource(12))));
  await browser.look({ ...WIDE, offline: true });
  await browser.open(pathToFileURL(path).href);
  expect(await browser.evaluate("document.querySelectorAll('svg.timeline g.lane').length")).toBe(12);
  expect(
    await browser.evaluate("document.querySelector('svg.timeline .area').getBBox().width"),
  ).toBeGreaterThan(300);
  expect(await browser.evaluate("document.querySelector('g.lane rect').getBBox().width")).toBeGreaterThan(0);
  expect(await browser.evaluate("document.querySelectorAll('script, img').length")).toBe(0);
  await browser.shows(/<script>alert\(2\)<\/script>/);
  await keep('report-light');
  await browser.look({ ...WIDE, dark: true, offline: true });
  await keep('report-dark');
  await browser.look({ width: 390, height: 844, offline: true });
  expect(await overflow()).toBeLessThanOrEqual(0);
  const { data } = (await browser.send('Page.printToPDF')) as { data: string };
  expect(Buffer.from(data, 'base64').subarray(0, 5).toString()).toBe('%PDF-');
  expect(browser.problems).toEqual([]);
});
