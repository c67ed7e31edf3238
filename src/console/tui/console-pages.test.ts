import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellText } from '../../lib/tui/cell-text.ts';
import type { Page, PageSize } from '../../lib/tui/page.ts';
import { pictureText, screenPicture } from '../../lib/tui/screen-lines.ts';
import { anyText } from '../../lib/tui/testdata/any-text.ts';
import { FakeHost, press } from '../../lib/tui/testdata/fake-host.ts';
import { expectGolden } from '../../lib/tui/testdata/golden-screen.ts';
import type { TargetView } from '../deploy-view.ts';
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

const SIZES: PageSize[] = [
  { columns: 80, rows: 25 },
  { columns: 100, rows: 30 },
  { columns: 200, rows: 60 },
];

const TITLE = 'TotalDeploy · lab-server';

function screenText(page: Page<never>, size: PageSize): string {
  return pictureText(screenPicture({ size, title: TITLE, pages: [page], hasHelp: true }));
}

const entry = (label: string, hint: string) => ({ label, hint, open: () => {} });

async function mainPage(api: FakeConsole): Promise<MainPage> {
  const page = new MainPage({
    ...{ api, status: FAKE_STATUS, leaveText: 'Leave?' },
    operations: [
      entry('Deployment solution', 'Choose image, disks and settings page by page'),
      entry('Template deployment', 'Deploy a saved template to the connected computers'),
    ],
    tools: [
      entry('Check image', 'Read an image whole and compare it with its sums'),
      entry('View log', 'What happened'),
    ],
  });
  await page.live.update();
  page.take();
  return page;
}

async function shown<P extends Page<never>>(page: P): Promise<P> {
  const host = new FakeHost();
  page.onShown?.(host as never);
  await new Promise((resolve) => setImmediate(resolve));
  host.close();
  return page;
}

describe('the console shows', () => {
  const runs = { computers: 40, jobs: [fakeDeployment(24)] };
  const pages: [string, () => Promise<Page<never>>][] = [
    ['operations', async () => mainPage(new FakeConsole(runs)) as Promise<Page<never>>],
    ['operations-empty', async () => mainPage(new FakeConsole({ computers: 0 })) as Promise<Page<never>>],
    [
      'tools',
      async () => {
        const page = await mainPage(new FakeConsole());
        page.onKey(press('tab'), new FakeHost());
        return page as Page<never>;
      },
    ],
    ['job', async () => new JobPage(fakeDeployment(24), new FakeConsole(runs))],
    [
      'job-ended',
      async () => {
        const targets = [1, 2, 3, 7, 14].map((n) => ({
          ...fakeTarget(7),
          name: fakeComputer(n).name,
          computerId: `id-${n}`,
        }));
        return new JobPage(
          fakeDeployment(0, { state: 'done', targets, leftSeconds: null }),
          new FakeConsole(),
        );
      },
    ],
    ['jobs', async () => shown(new JobsPage(new FakeConsole()))],
    [
      'computer',
      async () => {
        const api = new FakeConsole(runs);
        const live = new LiveConsole(api);
        await live.update();
        return new ComputerPage(fakeComputer(9, 'a1'), { api, live });
      },
    ],
    ['report', async () => ReportPage.load(new FakeConsole(), 'a1')],
  ];

  for (const [name, make] of pages) {
    for (const size of SIZES) {
      it(`${name} at ${size.columns}x${size.rows}`, async () => {
        const file = new URL(`./testdata/${name}-${size.columns}x${size.rows}.txt`, import.meta.url);
        expectGolden(file, screenText(await make(), size));
      });
    }
  }
});

describe('whatever computers call themselves', () => {
  it('no line is longer than the terminal and none holds what could move its cursor', async () => {
    const text = fc.oneof(anyText(60), fc.constantFrom('電脳'.repeat(20), 'e\u0301\x1b[2J'));
    const target = fc.record({
      name: text,
      address: text,
      state: text,
      detail: text,
      reason: text,
      slow: text,
      disk: text,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(target, { maxLength: 5 }), fc.constantFrom(...SIZES), async (facts, size) => {
        const targets = facts.map((fact, i): TargetView => ({ ...fakeTarget(i + 1), ...fact }));
        const job = fakeDeployment(0, {
          targets,
          image: facts[0]?.name ?? '',
          error: facts[0]?.reason ?? '',
        });
        const computers = targets.map((one, i) => ({
          ...fakeComputer(i + 1),
          name: one.name,
          model: one.detail,
        }));
        const api = new FakeConsole({ computers, jobs: [job] });
        const main = await mainPage(api);
        const live = new LiveConsole(api);
        await live.update();
        const computer = new ComputerPage(computers[0] ?? fakeComputer(1), { api, live });
        for (const page of [main as Page<never>, new JobPage(job, api), computer]) {
          const { lines } = screenPicture({ size, title: TITLE, pages: [page], hasHelp: true });
          const wrong = lines
            .map((line) => line.map((span) => span.text).join(''))
            .filter((line) => line.length !== size.columns || cellText(line) !== line);
          expect(wrong).toEqual([]);
          expect(lines).toHaveLength(size.rows);
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe('with 200 computers', () => {
  it('a picture is cheap', async () => {
    const api = new FakeConsole({ computers: 200, jobs: [fakeDeployment(200)] });
    const main = await mainPage(api);
    const size = { columns: 200, rows: 60 };
    const job = new JobPage(fakeDeployment(200), api);
    const parts = { size, title: TITLE, hasHelp: true };
    const draw = async () => {
      await main.live.update();
      main.take();
      screenPicture({ ...parts, pages: [main as Page<never>] });
      screenPicture({ ...parts, pages: [job] });
    };
    for (let i = 0; i < 5; i += 1) await draw();
    const samples: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      const fromMs = performance.now();
      await draw();
      samples.push(performance.now() - fromMs);
    }
    // The fastest: other programs on a busy machine only ever add.
    expect(Math.min(...samples)).toBeLessThan(20);
  });
});
