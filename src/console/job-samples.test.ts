import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JobSamples } from './job-samples.ts';
import { ConsoleStore } from './store.ts';

let dir: string;
let store: ConsoleStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-samples-'));
  store = ConsoleStore.open(join(dir, 'console.db'));
});
afterEach(async () => {
  store.close();
  await rm(dir, { recursive: true, force: true });
});

const look = () => ({ bytesPerSecond: 1000, permille: [500] });
const gaps = () => {
  const times = store.samples('j').map((one) => one.atMs);
  return new Set(times.slice(1).map((at, i) => at - times[i]!));
};

it('keeps a point every two seconds of a short job', () => {
  const samples = new JobSamples('j', store);
  for (let atMs = 0; atMs < 60_000; atMs += 250) samples.take(atMs, look);
  expect(store.samples('j')).toHaveLength(30);
  expect(gaps()).toEqual(new Set([2000]));
});

it('keeps at most 300 points of a long one, evenly apart, also over a restart', () => {
  let samples = new JobSamples('j', store);
  for (let atMs = 0; atMs < 5000_000; atMs += 1000) {
    if (atMs === 2000_000) samples = new JobSamples('j', store);
    samples.take(atMs, look);
  }
  const kept = store.samples('j');
  expect(kept.length).toBeLessThanOrEqual(300);
  expect(kept.length).toBeGreaterThan(150);
  expect(gaps().size).toBeLessThanOrEqual(2);
  expect(kept[0]?.atMs).toBe(0);
  expect(kept.at(-1)?.atMs).toBeGreaterThan(4960_000);
});
