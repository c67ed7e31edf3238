import { describe, expect, it } from 'vitest';
import { Bitmap } from './bitmap.ts';
import { chunkLayout } from './chunk-layout.ts';
import {
  DROP_MS_MAX,
  GATHER_MS_MAX,
  JOIN_MS_MAX,
  PACE_BURST_DATAGRAMS_MAX,
  READ_RETRIES_MAX,
  SILENT_MS_MAX,
} from './limits.ts';
import type { Report } from './report-packet.ts';
import { Sender } from './sender.ts';
import type { SenderAction, SenderConfig, SenderEvent } from './sender-events.ts';

const FRAGMENT_BYTES = 1440;
const CHUNK_BYTES = 10 * FRAGMENT_BYTES;
const nobody = { address: '', port: 0 };

/** A sender whose time, disk and receivers the test plays. */
class Bench {
  readonly sender: Sender;
  readonly actions: SenderAction[] = [];
  nowMs = 0;
  beat = 0;
  nextSequence = 1;
  #reports = 0;
  readNothing = false;

  constructor(chunkCount: number, receivers: number, config: Partial<SenderConfig> = {}) {
    const layout = chunkLayout(
      { chunkCount, storedBytes: () => CHUNK_BYTES },
      { sealed: false, fragmentBytes: FRAGMENT_BYTES },
    );
    this.sender = new Sender(
      {
        layout,
        sealed: false,
        receivers: Array.from({ length: receivers }, (_, i) => ({ receiverId: i + 1, name: `r${i + 1}` })),
        rate: { startBytesPerSecond: 1_000_000, ceilingBytesPerSecond: 1_000_000 },
        ...config,
      },
      0,
    );
  }

  handle(event: SenderEvent): SenderAction[] {
    const actions = this.sender.handle(event, this.nowMs);
    this.actions.push(...actions);
    for (const action of actions) {
      if (action.kind === 'heartbeat') this.beat = action.heartbeat.beat;
      if (action.kind === 'send') this.nextSequence = action.sequence + action.count;
      if (action.kind === 'read' && !this.readNothing)
        this.handle({ kind: 'chunk-ready', ordinal: action.ordinal });
    }
    return actions;
  }

  wait(forMs: number, stepMs = 1): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; this.nowMs += stepMs)
      this.handle({ kind: 'tick' });
  }

  /** A report as of everything sent so far, unless told otherwise. */
  report(receiverId: number, changes: Partial<Report> = {}): SenderAction[] {
    this.#reports += 1;
    const chunkCount = this.sender.state(0).chunkCount;
    const report: Report = {
      receiverId,
      incarnation: 1,
      sequence: this.#reports,
      beat: this.beat,
      highestSequence: this.nextSequence - 1,
      received: this.nextSequence - 1,
      refused: 0,
      missingChunks: 0,
      haveChunks: 0,
      backlogChunks: 0,
      badDatagrams: 0,
      complete: false,
      overTcp: false,
      morePartials: false,
      windowStart: 0,
      windowEnd: chunkCount,
      missingRuns: chunkCount === 0 ? [] : [0, chunkCount],
      partials: [],
      ...changes,
    };
    return this.handle({ kind: 'report', report, replyTo: nobody });
  }

  take<K extends SenderAction['kind']>(kind: K): Extract<SenderAction, { kind: K }>[] {
    const taken = this.actions.filter((action) => action.kind === kind);
    this.actions.splice(0, this.actions.length, ...this.actions.filter((action) => action.kind !== kind));
    return taken as Extract<SenderAction, { kind: K }>[];
  }

  sent(): string[] {
    return this.take('send').flatMap(({ ordinal, first, count }) =>
      Array.from({ length: count }, (_, i) => `${ordinal}.${first + i}`),
    );
  }

  standing(receiverId: number) {
    return this.sender.state(this.nowMs).receivers.find((view) => view.receiverId === receiverId)?.standing;
  }
}

function started(chunkCount: number, receivers: number, config: Partial<SenderConfig> = {}): Bench {
  const bench = new Bench(chunkCount, receivers, config);
  bench.wait(500);
  for (let id = 1; id <= receivers; id += 1) bench.report(id);
  bench.wait(1);
  return bench;
}

function missing(...fragments: number[]): Bitmap {
  const bitmap = new Bitmap(10);
  for (const fragment of fragments) bitmap.add(fragment);
  return bitmap;
}

describe('Sender: a pass', () => {
  it('begins when every receiver has been heard, or after a while without the rest', () => {
    const bench = new Bench(2, 2);
    bench.wait(1000);
    bench.report(1);
    bench.wait(1000);
    expect(bench.sent()).toEqual([]);
    while (bench.nowMs < GATHER_MS_MAX + 100) {
      bench.report(1);
      bench.wait(250);
    }
    expect(bench.sent().length).toBeGreaterThan(0);
    const prompt = started(2, 2);
    prompt.wait(100);
    expect(prompt.sent()).toHaveLength(20);
  });

  it('sends every fragment once, in order, at the pace', () => {
    const bench = started(100, 1);
    bench.take('send');
    const before = bench.sender.state(bench.nowMs);
    bench.wait(1000);
    const bytes = bench.sender.state(bench.nowMs).bytes - before.bytes;
    expect(bytes).toBeGreaterThan(960_000);
    expect(bytes).toBeLessThan(1_040_000);
    const sent = bench.sent();
    expect(sent).toEqual([...new Set(sent)]);
    const inOrder = [...sent].sort((a, b) => Number(a) * 1000 - Number(b) * 1000 || 0);
    expect(sent.map((text) => Math.floor(Number(text)))).toEqual(
      inOrder.map((text) => Math.floor(Number(text))),
    );
  });

  it('makes no burst out of time in which it could not send', () => {
    const bench = started(100, 1);
    bench.wait(100);
    bench.take('send');
    bench.nowMs += 5000;
    bench.handle({ kind: 'tick' });
    expect(bench.sent().length).toBeLessThanOrEqual(PACE_BURST_DATAGRAMS_MAX);
  });

  it('leaves out chunks that every receiver has', () => {
    const bench = new Bench(4, 2);
    bench.wait(500);
    bench.report(1, { missingRuns: [0, 1, 3, 1], haveChunks: 2 });
    bench.report(2, { missingRuns: [0, 1], haveChunks: 3 });
    bench.wait(200);
    expect(new Set(bench.sent().map((text) => text.split('.')[0]))).toEqual(new Set(['0', '3']));
  });

  it('ends at once with no receivers and with no chunks', () => {
    const alone = new Bench(5, 0);
    alone.wait(GATHER_MS_MAX + 1500);
    expect(alone.take('end')).toHaveLength(1);
    expect(alone.sent()).toEqual([]);
    const empty = new Bench(0, 1);
    empty.wait(500);
    expect(empty.report(1, { complete: true }).at(-1)).toMatchObject({ kind: 'answer', verdict: 'complete' });
    empty.wait(1000);
    expect(empty.take('end')).toHaveLength(1);
  });

  it('tries a chunk that cannot be read again and then says which', () => {
    const bench = new Bench(1, 1);
    bench.readNothing = true;
    bench.wait(500);
    bench.report(1);
    for (let i = 0; i <= READ_RETRIES_MAX; i += 1) {
      bench.wait(2000);
      expect(bench.take('read')).toHaveLength(1);
      bench.handle({ kind: 'chunk-failed', ordinal: 0, reason: 'EIO' });
    }
    expect(bench.take('fail')).toEqual([{ kind: 'fail', reason: 'Cannot read chunk 0: EIO' }]);
  });
});

describe('Sender: repair', () => {
  it('sends the union of what is missing from its cache, when all who lack it have told', () => {
    const bench = started(3, 3);
    bench.wait(200);
    bench.take('send');
    bench.take('read');
    bench.report(1, { missingRuns: [1, 1], partials: [{ ordinal: 1, missing: missing(2, 3) }] });
    bench.report(2, { missingRuns: [1, 1], partials: [{ ordinal: 1, missing: missing(3, 7) }] });
    bench.wait(5);
    expect(bench.sent()).toEqual([]);
    bench.report(3, { missingRuns: [] });
    bench.report(1, { missingRuns: [1, 1], partials: [{ ordinal: 1, missing: missing(2, 3) }] });
    bench.wait(5);
    expect(bench.sent()).toEqual(['1.2', '1.3', '1.7']);
    expect(bench.take('read')).toEqual([]);
  });

  it('does not repair what the receiver may not have had the time to get', () => {
    const bench = started(2, 1);
    bench.wait(200);
    const stale = bench.nextSequence - 15;
    bench.take('send');
    const partials = [
      { ordinal: 0, missing: missing(9) },
      { ordinal: 1, missing: missing(9) },
    ];
    bench.report(1, { missingRuns: [0, 2], partials, highestSequence: stale });
    bench.wait(5);
    // Chunk 1 was under way as of that report.
    expect(bench.sent()).toEqual([]);
    bench.report(1, { missingRuns: [0, 2], partials });
    bench.wait(5);
    expect(bench.sent()).toEqual(['0.9', '1.9']);
  });

  it('goes round for chunks of which a receiver has nothing, the most wanted first', () => {
    const bench = started(4, 3);
    bench.wait(300);
    bench.take('send');
    bench.report(1, { missingRuns: [1, 1, 3, 1] });
    bench.report(2, { missingRuns: [3, 1] });
    bench.report(3, { missingRuns: [1, 1, 3, 1] });
    bench.report(2, { missingRuns: [0, 1, 3, 1] });
    bench.wait(100);
    const chunks = [...new Set(bench.sent().map((text) => text.split('.')[0]))];
    expect(chunks).toEqual(['3', '1', '0']);
  });

  it('reads only what its cache does not hold, and lets go of the oldest', () => {
    const bench = started(20, 1, { cacheBytesMax: 8 * CHUNK_BYTES });
    bench.wait(500);
    expect(bench.take('read')).toHaveLength(20);
    expect(bench.take('release').map((action) => action.ordinal)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    expect(bench.sender.cacheBytes).toBe(8 * CHUNK_BYTES);
  });
});

describe('Sender: receivers', () => {
  it('drops the silent without waiting for them in between, and ends when nobody is left', () => {
    const bench = started(2, 2);
    bench.wait(200);
    bench.report(2, { complete: true, missingRuns: [] });
    bench.wait(SILENT_MS_MAX);
    expect(bench.standing(1)).toBe('silent');
    bench.sent();
    bench.wait(2000);
    expect(bench.sent()).toEqual([]);
    bench.wait(DROP_MS_MAX - SILENT_MS_MAX);
    expect(bench.standing(1)).toBe('dropped');
    expect(bench.take('end')).toHaveLength(1);
    expect(bench.take('notice').map(({ notice }) => `${notice.kind} ${notice.receiverId}`)).toEqual([
      'receiver-done 2',
      'receiver-silent 1',
      'receiver-dropped 1',
    ]);
  });

  it('takes a silent one back where it was', () => {
    const bench = started(2, 1);
    bench.wait(SILENT_MS_MAX + 1000);
    expect(bench.standing(1)).toBe('silent');
    bench.report(1, { missingRuns: [1, 1] });
    expect(bench.standing(1)).toBe('active');
    bench.sent();
    bench.wait(3000);
    expect(new Set(bench.sent().map((text) => text.split('.')[0]))).toEqual(new Set(['1']));
  });

  it('waits longer for one that was announced and has not come yet', () => {
    const bench = new Bench(1, 1);
    bench.wait(JOIN_MS_MAX - 1000, 10);
    expect(bench.take('end')).toHaveLength(0);
    bench.wait(2500, 10);
    expect(bench.take('end')).toHaveLength(1);
  });

  it('accepts no report twice, none of another life that is not newer, and none without the beat', () => {
    const bench = started(2, 1);
    bench.wait(600);
    const stale = () => bench.sender.state(bench.nowMs).staleReports;
    bench.report(1, { sequence: 50, complete: true, beat: 0 });
    expect(stale()).toBe(1);
    expect(bench.standing(1)).toBe('active');
    bench.report(1, { sequence: 50 });
    bench.report(1, { sequence: 50, complete: true });
    bench.report(1, { sequence: 49, complete: true });
    bench.report(1, { sequence: 51, complete: true, beat: bench.beat + 1 });
    bench.report(1, { sequence: 1, incarnation: 2, complete: true });
    expect(stale()).toBe(5);
    bench.wait(300);
    bench.report(1, { sequence: 1, incarnation: 2, complete: true });
    expect(stale()).toBe(5);
    expect(bench.standing(1)).toBe('complete');
  });

  it('answers a stale report with the beat that makes the next one fresh', () => {
    const bench = started(1, 1);
    expect(bench.report(1, { beat: 0 })).toMatchObject([
      { kind: 'answer', verdict: 'continue', beat: bench.beat },
    ]);
  });

  it('sends away whom it does not know and whom the caller dropped', () => {
    const bench = started(1, 1);
    expect(bench.report(9)).toMatchObject([{ kind: 'answer', verdict: 'not-in-session' }]);
    bench.handle({ kind: 'drop-receiver', receiverId: 1, reason: 'connection lost' });
    expect(bench.report(1)).toMatchObject([{ kind: 'answer', verdict: 'not-in-session' }]);
    bench.wait(1000);
    expect(bench.take('end')).toHaveLength(1);
    expect(bench.sender.state(0).receivers[0]).toMatchObject({
      standing: 'dropped',
      reason: 'connection lost',
    });
  });

  it('starts a restarted receiver from what it says it has', () => {
    const bench = started(3, 1);
    bench.wait(300);
    bench.report(1, { complete: true, missingRuns: [] });
    bench.wait(1);
    expect(bench.standing(1)).toBe('complete');
    const other = started(3, 2);
    other.wait(400);
    other.report(1, { complete: true, missingRuns: [] });
    other.wait(600);
    other.report(2);
    other.report(1, { incarnation: 5, sequence: 1, missingRuns: [2, 1] });
    expect(other.standing(1)).toBe('active');
    expect(other.sender.state(0).receivers[0]).toMatchObject({ haveChunks: 2, missingChunks: 1 });
  });

  it('stops when told to, naming nobody complete who is not', () => {
    const bench = started(5, 2);
    bench.report(1, { complete: true, missingRuns: [] });
    bench.handle({ kind: 'stop', reason: 'stopped' });
    bench.wait(200);
    expect(bench.take('end')).toHaveLength(1);
    expect([bench.standing(1), bench.standing(2)]).toEqual(['complete', 'dropped']);
    expect(bench.take('heartbeat').at(-1)?.heartbeat.phase).toBe('ended');
  });
});
