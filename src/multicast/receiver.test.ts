import { describe, expect, it } from 'vitest';
import { seededRandom } from '../lib/clock.ts';
import {
  DEAF_MS_MAX,
  DELIVERY_CHUNKS_MAX,
  FETCH_RETRIES_MAX,
  FETCHES_PARALLEL_MAX,
  LINGER_MS_MAX,
  REPORT_INTERVAL_MS,
} from './limits.ts';
import type { Heartbeat } from './packet.ts';
import { Receiver, type ReceiverAction, type ReceiverConfig } from './receiver.ts';
import { decodeReport, type Report } from './report-packet.ts';
import { sessionKeys } from './session-keys.ts';

const FRAGMENT_BYTES = 1000;
const keys = sessionKeys(Buffer.alloc(8, 1), undefined);

/** A receiver whose time and network the test plays. */
class Bench {
  readonly receiver: Receiver;
  readonly actions: ReceiverAction[] = [];
  readonly #sizes: number[];
  nowMs = 0;
  sequence = 1;
  beat = 0;

  constructor(sizes: number[], config: Partial<ReceiverConfig> = {}) {
    this.#sizes = sizes;
    this.receiver = new Receiver(
      {
        receiverId: 7,
        incarnation: 99,
        sizes: { chunkCount: sizes.length, storedBytes: (ordinal) => sizes[ordinal]! },
        keys,
        random: seededRandom(1),
        ...config,
      },
      0,
    );
  }

  handle(event: Parameters<Receiver['handle']>[0]): readonly ReceiverAction[] {
    const actions = this.receiver.handle(event, this.nowMs);
    this.actions.push(...actions);
    return actions;
  }

  heartbeat(changes: Partial<Heartbeat> = {}): void {
    this.beat += 1;
    const heartbeat: Heartbeat = {
      beat: this.beat,
      nextSequence: this.sequence,
      pass: 1,
      position: 0,
      phase: 'first-pass',
      sealed: false,
      fragmentBytes: FRAGMENT_BYTES,
      chunkCount: this.#sizes.length,
      rateKilobytesPerSecond: 1,
      activeReceivers: 1,
      completeReceivers: 0,
      ...changes,
    };
    this.handle({ kind: 'heartbeat', heartbeat });
  }

  fragment(ordinal: number, fragment: number, changes: { header?: object; payloadBytes?: number } = {}) {
    const size = this.#sizes[ordinal] ?? 0;
    const fragmentCount = Math.max(1, Math.ceil(size / FRAGMENT_BYTES));
    const payloadBytes = changes.payloadBytes ?? Math.min(FRAGMENT_BYTES, size - fragment * FRAGMENT_BYTES);
    const header = {
      ordinal,
      fragment,
      fragmentCount,
      sequence: this.sequence,
      pass: 1,
      fragmentBytes: FRAGMENT_BYTES,
      sealed: false,
      ...changes.header,
    };
    this.sequence += 1;
    return this.handle({ kind: 'data', header, payload: Buffer.alloc(payloadBytes, fragment + 1) });
  }

  chunk(ordinal: number) {
    const count = Math.max(1, Math.ceil(this.#sizes[ordinal]! / FRAGMENT_BYTES));
    for (let fragment = 0; fragment < count; fragment += 1) this.fragment(ordinal, fragment);
  }

  wait(forMs: number): void {
    const endMs = this.nowMs + forMs;
    while (this.receiver.nextWakeMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.receiver.nextWakeMs);
      this.handle({ kind: 'tick' });
    }
    this.nowMs = endMs;
  }

  take<K extends ReceiverAction['kind']>(kind: K): Extract<ReceiverAction, { kind: K }>[] {
    const taken = this.actions.filter((action) => action.kind === kind);
    this.actions.splice(0, this.actions.length, ...this.actions.filter((action) => action.kind !== kind));
    return taken as Extract<ReceiverAction, { kind: K }>[];
  }

  lastReport(): Report {
    const last = this.take('send-report').at(-1);
    if (last === undefined) throw new Error('no report');
    const decoded = decodeReport(last.bytes, keys, {
      chunkCount: this.#sizes.length,
      fragmentCount: (ordinal) => Math.max(1, Math.ceil(this.#sizes[ordinal]! / FRAGMENT_BYTES)),
    });
    if (!decoded.ok) throw new Error(decoded.reason);
    return decoded.value;
  }
}

describe('Receiver: assembling', () => {
  it('delivers a chunk once its fragments have come in any order, and no more than once', () => {
    const bench = new Bench([2500]);
    bench.heartbeat();
    for (const fragment of [2, 0, 2, 0]) bench.fragment(0, fragment);
    expect(bench.take('deliver')).toEqual([]);
    bench.fragment(0, 1);
    const [delivered] = bench.take('deliver');
    expect(delivered?.wire).toEqual(
      Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(1000, 2), Buffer.alloc(500, 3)]),
    );
    for (const fragment of [0, 1, 2]) bench.fragment(0, fragment);
    expect(bench.take('deliver')).toEqual([]);
    expect(bench.receiver.state()).toMatchObject({ redundantFragments: 5, datagrams: 8, lostFragments: 0 });
  });

  it('believes no data before an authenticated heartbeat', () => {
    const bench = new Bench([500]);
    bench.fragment(0, 0);
    expect(bench.actions).toEqual([]);
    bench.heartbeat();
    bench.fragment(0, 0);
    expect(bench.take('deliver')).toHaveLength(1);
  });

  it('counts and drops datagrams that do not fit the image', () => {
    const bench = new Bench([2500, 100]);
    bench.heartbeat();
    bench.fragment(2, 0, { header: { fragmentCount: 1 }, payloadBytes: 10 });
    bench.fragment(0, 0, { header: { fragmentCount: 4 } });
    bench.fragment(0, 0, { payloadBytes: 999 });
    bench.fragment(0, 2, { payloadBytes: 1000 });
    bench.fragment(0, 0, { header: { fragmentBytes: 900 } });
    bench.fragment(0, 0, { header: { sealed: true } });
    bench.fragment(0, 0, { header: { sequence: 2 ** 40 } });
    expect(bench.receiver.state()).toMatchObject({ badDatagrams: 7, datagrams: 0, assemblingChunks: 0 });
  });

  it('is not led astray by a forged sequence number for longer than a heartbeat', () => {
    const bench = new Bench([5000]);
    bench.heartbeat();
    bench.fragment(0, 0, { header: { sequence: 500_000 } });
    bench.heartbeat();
    bench.wait(REPORT_INTERVAL_MS * 2);
    expect(bench.lastReport().highestSequence).toBe(1);
  });

  it('gives up the oldest incomplete chunk when memory is short', () => {
    const bench = new Bench([5000, 5000, 5000], { assemblyBytesMax: 12_288 });
    bench.heartbeat();
    for (const ordinal of [0, 1, 2]) bench.fragment(ordinal, 0);
    expect(bench.receiver.state()).toMatchObject({
      assemblingChunks: 2,
      evictedChunks: 1,
      heldBytes: 10_240,
    });
    for (const fragment of [1, 2, 3, 4]) bench.fragment(1, fragment);
    expect(bench.take('deliver').map((action) => action.ordinal)).toEqual([1]);
  });

  it('refuses new chunks while its disk is behind, and keeps its memory bounded', () => {
    const sizes = Array.from({ length: 200 }, () => 3000);
    const bench = new Bench(sizes, { assemblyBytesMax: 400_000 });
    bench.heartbeat();
    for (let ordinal = 0; ordinal < 200; ordinal += 1) {
      bench.chunk(ordinal);
      expect(bench.receiver.heldBytes).toBeLessThanOrEqual(400_000);
    }
    expect(bench.take('deliver')).toHaveLength(DELIVERY_CHUNKS_MAX);
    bench.wait(REPORT_INTERVAL_MS * 2);
    expect(bench.lastReport()).toMatchObject({
      backlogChunks: DELIVERY_CHUNKS_MAX,
      refused: (200 - DELIVERY_CHUNKS_MAX) * 3,
      missingChunks: 200 - DELIVERY_CHUNKS_MAX,
      haveChunks: 0,
    });
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'ok' });
    bench.chunk(150);
    expect(bench.take('deliver').map((action) => action.ordinal)).toEqual([150]);
  });
});

describe('Receiver: reporting', () => {
  it('says which fragments and which chunks are missing', () => {
    const bench = new Bench([5000, 100, 5000, 100], { have: [3] });
    bench.heartbeat();
    for (const fragment of [0, 2, 4]) bench.fragment(0, fragment);
    bench.chunk(1);
    bench.wait(REPORT_INTERVAL_MS * 3);
    const report = bench.lastReport();
    expect(report).toMatchObject({ receiverId: 7, incarnation: 99, beat: 1, windowStart: 0, windowEnd: 4 });
    expect(report.missingRuns).toEqual([0, 1, 2, 1]);
    expect(report.partials.map(({ ordinal, missing }) => [ordinal, missing.bytes[0]])).toEqual([
      [0, 0b01010],
    ]);
    expect(report).toMatchObject({ haveChunks: 1, backlogChunks: 1, missingChunks: 2, complete: false });
  });

  it('reports about four times a second, at irregular times', () => {
    const bench = new Bench([100]);
    bench.heartbeat();
    const times: number[] = [];
    while (bench.nowMs < 10_000) {
      bench.wait(5);
      if (bench.nowMs % 250 === 0) bench.heartbeat();
      if (bench.take('send-report').length > 0) times.push(bench.nowMs);
    }
    expect(times.length).toBeGreaterThan(35);
    expect(times.length).toBeLessThan(45);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(50);
  });

  it('says at once that it is complete, repeats it until answered, and then ends', () => {
    const bench = new Bench([100]);
    bench.heartbeat();
    bench.chunk(0);
    bench.take('send-report');
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'ok' });
    const first = bench.lastReport();
    expect(first.complete).toBe(true);
    bench.wait(REPORT_INTERVAL_MS * 2);
    expect(bench.lastReport().complete).toBe(true);
    const answer = {
      receiverId: 7,
      incarnation: 99,
      reportSequence: first.sequence,
      beat: 1,
      verdict: 'complete',
    };
    bench.handle({ kind: 'answer', answer: { ...answer, incarnation: 98, verdict: 'complete' } });
    expect(bench.take('end')).toHaveLength(0);
    bench.handle({ kind: 'answer', answer: { ...answer, verdict: 'complete' } });
    expect(bench.take('end')).toHaveLength(1);
    expect(bench.receiver.nextWakeMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('ends after a while even when its last report is never answered', () => {
    const bench = new Bench([], {});
    bench.wait(LINGER_MS_MAX + 3 * REPORT_INTERVAL_MS);
    expect(bench.take('end')).toHaveLength(1);
  });
});

describe('Receiver: TCP', () => {
  it('asks for a damaged chunk again, and the second time over TCP', () => {
    const bench = new Bench([100, 100]);
    bench.heartbeat();
    bench.chunk(0);
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'damaged' });
    bench.wait(REPORT_INTERVAL_MS * 2);
    expect(bench.lastReport().missingRuns).toEqual([0, 2]);
    expect(bench.take('fetch')).toEqual([]);
    bench.chunk(0);
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'damaged' });
    expect(bench.take('fetch')).toEqual([{ kind: 'fetch', ordinal: 0 }]);
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'ok' });
    expect(bench.receiver.state()).toMatchObject({ tcpChunks: 1, multicastChunks: 0, damagedChunks: 2 });
  });

  it('fetches the rest when nothing is heard, a few at a time, and stops when heartbeats return', () => {
    const bench = new Bench(
      Array.from({ length: 30 }, () => 100),
      { silenceMsMax: 3000 },
    );
    bench.heartbeat();
    bench.chunk(0);
    bench.handle({ kind: 'delivered', ordinal: 0, verdict: 'ok' });
    bench.wait(2500);
    expect(bench.take('fetch')).toEqual([]);
    bench.wait(1000);
    expect(bench.take('fetch').map((action) => action.ordinal)).toEqual([1, 2, 3, 4]);
    expect(bench.lastReport().overTcp).toBe(true);
    bench.handle({ kind: 'delivered', ordinal: 2, verdict: 'ok' });
    expect(bench.take('fetch').map((action) => action.ordinal)).toEqual([5]);
    bench.heartbeat();
    bench.handle({ kind: 'delivered', ordinal: 1, verdict: 'ok' });
    expect(bench.take('fetch')).toEqual([]);
  });

  it('fetches everything when told to, when not in the session, and when the session has ended', () => {
    const answer = { receiverId: 7, incarnation: 99, reportSequence: 0, beat: 1 };
    const ways: ((bench: Bench) => void)[] = [
      (bench) => bench.handle({ kind: 'answer', answer: { ...answer, verdict: 'finish-over-tcp' } }),
      (bench) => bench.handle({ kind: 'answer', answer: { ...answer, verdict: 'not-in-session' } }),
      (bench) => bench.heartbeat({ phase: 'ended' }),
    ];
    for (const way of ways) {
      const bench = new Bench([100, 100]);
      bench.heartbeat();
      way(bench);
      expect(bench.take('fetch')).toHaveLength(2);
    }
  });

  it('goes to TCP early when the sender answers and multicast never comes', () => {
    const bench = new Bench([100]);
    bench.wait(500);
    const verdict = 'continue' as const;
    bench.handle({
      kind: 'answer',
      answer: { receiverId: 7, incarnation: 99, reportSequence: 1, beat: 5, verdict },
    });
    bench.wait(DEAF_MS_MAX);
    expect(bench.take('fetch')).toHaveLength(1);
    expect(bench.lastReport().beat).toBe(5);
  });

  it('retries a failing fetch with growing waits and then gives up', () => {
    const bench = new Bench([100], { silenceMsMax: 1000 });
    const times: number[] = [];
    while (bench.take('fail').length === 0 && bench.nowMs < 120_000) {
      bench.wait(10);
      if (bench.take('fetch').length === 0) continue;
      times.push(bench.nowMs);
      bench.handle({ kind: 'fetch-failed', ordinal: 0, reason: 'refused' });
    }
    expect(times).toHaveLength(FETCH_RETRIES_MAX + 1);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    expect(gaps.slice(0, 4)).toEqual([...gaps.slice(0, 4)].sort((a, b) => a - b));
    expect(gaps.at(-1)).toBeGreaterThan(gaps[0]! * 8);
  });

  it('counts fetches that fail side by side as one failure', () => {
    const bench = new Bench(
      Array.from({ length: 10 }, () => 100),
      { silenceMsMax: 1000 },
    );
    bench.wait(1500);
    const started = bench.take('fetch');
    expect(started).toHaveLength(FETCHES_PARALLEL_MAX);
    for (const { ordinal } of started) bench.handle({ kind: 'fetch-failed', ordinal, reason: 'refused' });
    expect(bench.take('fail')).toEqual([]);
    bench.wait(1000);
    expect(
      bench
        .take('fetch')
        .map((action) => action.ordinal)
        .sort(),
    ).toEqual([0, 1, 2, 3]);
  });
});
