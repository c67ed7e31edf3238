import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { ConsoleStore } from './store.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-store-'));
  path = join(dir, 'console.db');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('console store', () => {
  it('keeps jobs, targets, computers and events over a restart', () => {
    {
      using store = ConsoleStore.open(path);
      store.createJob({ id: 'j1', kind: 'deploy', image: 'office', state: 'waiting', options: { rate: 1 } });
      store.setJob('j1', { state: 'running' });
      store.setTarget('j1', { computerId: 'c1', step: 'receiving', reason: '', disk: 'sda', report: null });
      store.setTarget('j1', { computerId: 'c1', step: 'failed', reason: 'why', disk: 'sda', report: null });
      store.recordComputer({ id: 'c1', address: '10.0.0.1', role: 'agent', machine: testMachine(1) });
      store.recordComputer({ id: 'c1', address: '10.0.0.2', role: 'agent', machine: testMachine(1) });
      store.addEvent({ kind: 'a', jobId: 'j1', computerId: 'c1', text: 'first', details: { n: 1 } });
      store.addEvent({ kind: 'b', level: 'warn', text: 'second' });
    }
    using store = ConsoleStore.open(path);
    expect(store.jobs()).toMatchObject([{ id: 'j1', state: 'running', endedAt: null, options: { rate: 1 } }]);
    expect(store.targets('j1')).toEqual([
      { computerId: 'c1', step: 'failed', reason: 'why', disk: 'sda', report: null },
    ]);
    expect(store.events().map((event) => event.text)).toEqual(['first', 'second']);
    expect(store.events({ jobId: 'j1' })).toMatchObject([{ kind: 'a', level: 'info', details: { n: 1 } }]);
    expect(store.events({ limit: 1 })).toMatchObject([{ text: 'second' }]);
    store.setJob('j1', { state: 'done', summary: { ok: true } });
    expect(store.jobs()[0]).toMatchObject({
      state: 'done',
      endedAt: expect.any(String),
      summary: { ok: true },
    });
  });

  it('names what a killed console left running until it is interrupted', () => {
    using store = ConsoleStore.open(path);
    store.createJob({ id: 'j1', kind: 'capture', image: 'a', state: 'running', options: {} });
    store.createJob({ id: 'j2', kind: 'deploy', image: 'b', state: 'running', options: {} });
    store.setJob('j2', { state: 'done' });
    const [left, ...others] = store.unfinishedJobs();
    expect([left?.id, others]).toEqual(['j1', []]);
    store.interruptJob(left!, 'the console was stopped');
    expect(store.unfinishedJobs()).toEqual([]);
    expect(store.jobs().map((job) => job.state)).toEqual(['interrupted', 'done']);
    expect(store.events()).toMatchObject([{ kind: 'job-interrupted', jobId: 'j1', level: 'warn' }]);
  });

  it('sums up jobs with what became of their computers, the newest first', () => {
    using store = ConsoleStore.open(path);
    const options = { image: 'office', template: 'lab' };
    store.createJob({ id: 'j1', kind: 'deploy', image: 'office', state: 'running', options });
    store.createJob({ id: 'j2', kind: 'capture', image: 'new', state: 'running', options: {} });
    for (const [computerId, step] of [
      ['c2', 'done'],
      ['c1', 'failed'],
      ['c3', 'receiving'],
    ] as const) {
      store.setTarget('j1', { computerId, step, reason: '', disk: '', report: null });
    }
    store.setTarget('j1', { computerId: 'c2', step: 'done', reason: '', disk: '', report: null });
    store.setJob('j2', { state: 'done' });
    expect(store.jobSummaries()).toMatchObject([
      { id: 'j2', template: '', state: 'done', done: 1, failed: 0, total: 1, endedAt: expect.any(String) },
      { id: 'j1', template: 'lab', image: 'office', done: 1, failed: 1, total: 3, endedAt: '', error: '' },
    ]);
    expect(store.jobSummaries(1).map((job) => job.id)).toEqual(['j2']);
    expect(store.targets('j1').map((one) => one.computerId)).toEqual(['c2', 'c1', 'c3']);
  });

  it('takes over the file of the version before', () => {
    ConsoleStore.open(path).close();
    {
      using db = new DatabaseSync(path);
      db.exec(
        "DROP TABLE samples; DROP TABLE places; DROP TABLE job_files; PRAGMA user_version = 1; INSERT INTO jobs VALUES ('old', 'deploy', 'a', 'done', '', '2025-01-01T00:00:00Z', NULL, '{}', '{}')",
      );
    }
    using store = ConsoleStore.open(path);
    expect(store.jobSummaries()).toMatchObject([{ id: 'old', template: '', total: 0 }]);
    store.addSample('old', { atMs: 0, bytesPerSecond: 5.4, permille: [1, 2] });
    expect(store.samples('old')).toEqual([{ atMs: 0, bytesPerSecond: 5, permille: [1, 2] }]);
  });

  it('can be read while the console writes', () => {
    using store = ConsoleStore.open(path);
    store.addEvent({ kind: 'a', text: 'x' });
    using reader = ConsoleStore.open(path, { readOnly: true });
    store.addEvent({ kind: 'b', text: 'y' });
    expect(reader.events()).toHaveLength(2);
  });

  it('does not stop the console when it cannot be written', () => {
    const errors: string[] = [];
    const logger = {
      ...{ debug: () => {}, info: () => {}, warn: () => {} },
      error: (_fields: object, text: string) => errors.push(text),
      child: () => logger,
    };
    const store = ConsoleStore.open(path, { logger });
    store.close();
    store.addEvent({ kind: 'a', text: 'x' });
    expect(errors).toEqual(['cannot write to the console database']);
  });

  it('refuses a damaged file, a newer one and a missing one in one line', async () => {
    await writeFile(path, 'this is no database, it is only long enough to look like one. '.repeat(20));
    expect(() => ConsoleStore.open(path)).toThrow(expect.objectContaining({ code: 'damaged' }));
    await truncate(path, 0);
    {
      using db = new DatabaseSync(path);
      db.exec('PRAGMA user_version = 99');
    }
    expect(() => ConsoleStore.open(path)).toThrow(/newer program/);
    const missing = () => ConsoleStore.open(join(dir, 'none.db'), { readOnly: true });
    expect(missing).toThrow(expect.objectContaining({ code: 'not-found' }));
  });
});
