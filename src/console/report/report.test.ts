import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobSnapshot } from '../console-core.ts';
import { reportMethods } from '../methods/report-methods.ts';
import type { ConsoleEvent } from '../store.ts';
import { ConsoleStore } from '../store.ts';
import { escapeHtml } from './html-escape.ts';
import { reportSchema } from './report.ts';
import { buildReport } from './report-build.ts';
import { formatReport } from './report-formats.ts';
import { reportHtml } from './report-html.ts';
import { saveReport } from './report-save.ts';
import { reportText } from './report-text.ts';
import { HOSTILE, sampleSource } from './testdata/sample-source.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-report-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the report of a deployment', () => {
  it('tells of each computer what it did, when, how fast and why not', () => {
    const report = buildReport(sampleSource());
    expect(report.job).toMatchObject({ template: 'classroom', state: 'partial', seconds: 235 });
    expect(report.computers).toHaveLength(6);
    expect(report.computers[1]).toMatchObject({
      name: '02:00:00:00:00:01',
      state: 'failed',
      reason: HOSTILE,
    });
    const [first, , lost] = report.computers;
    expect(first).toMatchObject({ bytes: 12_300_000_000, seconds: 228, tcpChunks: 12 });
    expect(first!.steps.map((one) => one.step)).toEqual([
      'pre-flight',
      'partitioning',
      'receiving',
      'checking',
      'growing',
      'customising',
      'boot-entry',
    ]);
    expect(lost!.steps.map((one) => one.step)).toContain('lost contact');
    expect(report.sessions[0]?.bytesPerSecond).toBeCloseTo(64_736_842, -2);
    expect(report.notApplied).toHaveLength(1);
    expect(report.rates[0]?.at).toBe('2026-01-31T14:25:38.000Z');
  });

  it('has the promised shape as JSON, whatever is known of the job', () => {
    const bare = { options: {}, summary: {}, state: 'interrupted', endedAt: null } as const;
    const nothing = { targets: [], events: [], samples: [] };
    for (const source of [
      sampleSource(),
      sampleSource(0),
      { ...sampleSource(2, bare), ...nothing },
      {
        ...sampleSource(2, {
          summary: { sessions: 'x', targets: [{ computerId: 5 }] },
          options: { targets: 7 },
        }),
      },
      { ...sampleSource(1, { ...bare, kind: 'capture' }), ...nothing },
    ]) {
      const json = formatReport(buildReport(source), 'json');
      expect(reportSchema.safeParse(JSON.parse(json)).error?.issues).toBeUndefined();
      expect(formatReport(buildReport(source), 'html')).toContain('</svg>');
    }
  });

  it('of a job that runs goes up to now and takes what the console knows better', () => {
    const source = sampleSource(2, { state: 'running', endedAt: null, summary: {}, error: '' });
    const [target] = source.targets;
    const live = {
      ...{ id: 'j', kind: 'deploy', image: 'office', state: 'running', error: '', sessions: [] },
      targets: [
        {
          ...{ computerId: target!.computerId, name: 'LAB-001', address: '10.0.0.5', state: 'receiving' },
          ...{ reason: '', disk: 'sda', doneBytes: 500, totalBytes: 1000, bytesPerSecond: 50, report: null },
        },
      ],
    } as unknown as JobSnapshot;
    const report = buildReport({ ...source, events: source.events.slice(0, 5), live });
    expect(report.job).toMatchObject({ state: 'running', endedAt: '', seconds: 3600 });
    expect(report.computers[0]).toMatchObject({
      name: 'LAB-001',
      state: 'receiving',
      bytes: 500,
      bytesPerSecond: 50,
    });
    expect(report.computers[0]!.steps.at(-1)!.endedAt).toBe(report.createdAt);
    expect(reportText(report)).toContain('still running');
  });

  it('of a capture shows the computer it came from', () => {
    const computerId = 'no-uuid/02:00:00:00:00:07';
    const event = (seconds: number, kind: string, text: string): ConsoleEvent => ({
      ...{ id: seconds, level: 'info', kind, jobId: 'j', computerId, text, details: {} },
      at: new Date(Date.parse('2026-01-31T14:25:30Z') + seconds * 1000).toISOString(),
    });
    const report = buildReport({
      ...sampleSource(0, { kind: 'capture', state: 'done', error: '' }),
      job: {
        ...sampleSource(0, { kind: 'capture', state: 'done', error: '' }).job,
        options: { computerId, bytesMax: 9000 },
        summary: { storedBytes: 4000, root: 'ab' },
      },
      events: [
        event(0, 'capture-started', 'captures'),
        event(5, 'capture-step', '02:00:00:00:00:07 capturing'),
        event(60, 'capture-done', 'stored'),
      ],
    });
    expect(report.computers).toMatchObject([{ name: '02:00:00:00:00:07', state: 'done', bytes: 4000 }]);
    expect(report.computers[0]!.steps.map((one) => one.step)).toEqual(['mapping', 'capturing']);
    expect(reportText(report)).toContain('Capture 20260131-142530-1f3a: "office" done');
  });
});

describe('as text', () => {
  it('fits 80 columns and carries no control characters', () => {
    const text = reportText(
      buildReport(sampleSource(3, { error: `${'long '.repeat(60)}${'x'.repeat(300)}` })),
    );
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    expect(text).toContain('<img src=x onerror=alert(1)>');
  });
});

describe('as HTML', () => {
  it('is one file that asks for nothing, with a lane for each computer and its steps', () => {
    const html = reportHtml(buildReport(sampleSource()));
    expect(html).not.toMatch(/(?:src|href|action)\s*=\s*["']?(?!x onerror)|@import|url\((?!#)|<script|<img/i);
    expect(html.match(/<g class="lane">/g)).toHaveLength(6);
    expect(html.match(/fill="url\(#step-receiving\)"/g)!.length).toBeGreaterThanOrEqual(7);
    expect(html).toContain('<path class="area"');
    expect(html).toContain('prefers-color-scheme:dark');
    expect(html).toContain('@media print');
  });

  it('shows hostile names and reasons as text', () => {
    const html = reportHtml(
      buildReport(sampleSource(3, { image: HOSTILE, state: HOSTILE as never, error: HOSTILE })),
    );
    expect(html).not.toMatch(/<img|<script|\x1b|\u202e/);
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });

  it('draws a job of a thousand computers and a week within a moment', () => {
    const source = sampleSource(1000, { endedAt: '2026-02-07T14:25:30.000Z' });
    const startedMs = performance.now();
    expect(reportHtml(buildReport(source)).length).toBeLessThan(8_000_000);
    expect(performance.now() - startedMs).toBeLessThan(3000);
  });

  it('lets no character of any text through that means something in HTML', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"'\x00-\x1f\u202a-\u202e]|&(?!(?:amp|lt|gt|quot|#39);)/);
      }),
    );
  });
});

describe('saving', () => {
  it('replaces an older report and leaves nothing else', async () => {
    const path = join(dir, 'lab.html');
    await writeFile(path, 'old');
    await saveReport(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(dir)).toEqual(['lab.html']);
  });

  it('names the path and what to do when it cannot', async () => {
    await mkdir(join(dir, 'folder'));
    await writeFile(join(dir, 'file'), '');
    await expect(saveReport(join(dir, 'folder'), 'x')).rejects.toThrow(/folder": it is a folder/);
    await expect(saveReport(join(dir, 'none/a'), 'x')).rejects.toThrow(/none\/a": its folder does not exist/);
    await expect(saveReport(join(dir, 'file/a'), 'x')).rejects.toMatchObject({ code: 'not-found' });
    await expect(saveReport('/proc/1/report', 'x')).rejects.toThrow('/proc/1/report');
  });
});

describe('the call', () => {
  it('reports from the store and saves where it is told', async () => {
    using store = ConsoleStore.open(join(dir, 'console.db'));
    store.createJob({
      id: 'j1',
      kind: 'deploy',
      image: 'office',
      state: 'running',
      options: { after: 'wait' },
    });
    store.addEvent({ kind: 'job-created', jobId: 'j1', text: 'asked for' });
    const methods = reportMethods({ core: { store, jobs: () => [] } });
    const call = (name: string, params: Record<string, unknown>) =>
      methods[name]!({ params, emit: () => {}, signal: AbortSignal.timeout(1000) });
    expect(await call('report', { jobId: 'j1', format: 'text' })).toMatchObject({
      text: expect.stringContaining('asked for'),
    });
    const path = join(dir, 'j1.json');
    await call('report.save', { jobId: 'j1', format: 'json', path });
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ version: 1, job: { id: 'j1' } });
    await expect(call('report', { jobId: 'j2', format: 'text' })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(call('report', { jobId: 'j1', format: 'pdf' })).rejects.toThrow('Cannot use "format"');
    await expect(call('report.save', { jobId: 'j1', format: 'text', path: 'x' })).rejects.toThrow(
      'begin with /',
    );
  });
});
