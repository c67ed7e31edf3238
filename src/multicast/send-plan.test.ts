import { describe, expect, it } from 'vitest';
import { Bitmap } from './bitmap.ts';
import { REPAIR_WAIT_MS } from './limits.ts';
import { SendPlan } from './send-plan.ts';

/** Takes jobs until there are none, sending each at once; sequence numbers count jobs. */
function drain(plan: SendPlan, from: { sequence: number }, max = 100): string[] {
  const sent: string[] = [];
  while (sent.length < max) {
    const job = plan.next(0);
    if (job === undefined) break;
    if (!plan.begin(job)) continue;
    from.sequence += 1;
    plan.finish(job, from.sequence);
    sent.push(`${job.source} ${job.ordinal}`);
  }
  return sent;
}

function bits(length: number, ...set: number[]): Bitmap {
  const bitmap = new Bitmap(length);
  for (const index of set) bitmap.add(index);
  return bitmap;
}

describe('SendPlan', () => {
  it('goes through the image once and then through what is wanted, the most wanted first', () => {
    const demand = Uint16Array.of(1, 0, 3, 2);
    const plan = new SendPlan(demand);
    const at = { sequence: 0 };
    expect(drain(plan, at)).toEqual(['fresh 0', 'fresh 2', 'fresh 3']);
    expect(plan.passDone).toBe(true);
    plan.startRound(at.sequence);
    expect(drain(plan, at)).toEqual(['round 2', 'round 3', 'round 0']);
    expect(plan.rounds).toBe(1);
  });

  it('puts what receivers lack that keep up before what only those left behind lack', () => {
    const plan = new SendPlan(Uint16Array.of(3, 1, 3, 1));
    const at = { sequence: 0 };
    drain(plan, at);
    plan.startRound(at.sequence, bits(4, 2, 3));
    expect(drain(plan, at)).toEqual(['round 2', 'round 3', 'round 0', 'round 1']);
  });

  it('goes on where it was when a long round is listed anew, so that nothing starves', () => {
    const plan = new SendPlan(new Uint16Array(6).fill(1));
    const at = { sequence: 0 };
    drain(plan, at);
    plan.startRound(at.sequence);
    const first = drain(plan, at, 2);
    plan.relist(at.sequence);
    const second = drain(plan, at, 4);
    expect([...first, ...second].sort()).toEqual([0, 1, 2, 3, 4, 5].map((ordinal) => `round ${ordinal}`));
  });

  it('does not send again what was sent after the reports it knows', () => {
    const plan = new SendPlan(new Uint16Array(3).fill(1));
    const at = { sequence: 0 };
    drain(plan, at);
    plan.startRound(2);
    expect(drain(plan, at)).toEqual(['round 0', 'round 1']);
  });

  it('hands out a repair once, and waits for those who may want more of the chunk', () => {
    const plan = new SendPlan(Uint16Array.of(2));
    drain(plan, { sequence: 0 });
    const partial = { ordinal: 0, missing: bits(8, 3) };
    plan.want(partial, { receiverId: 1, asOf: 1, nowMs: 0 });
    expect(plan.next(REPAIR_WAIT_MS - 1)).toBeUndefined();
    const job = plan.next(REPAIR_WAIT_MS);
    expect(job).toMatchObject({ ordinal: 0, source: 'repair' });
    plan.want({ ordinal: 0, missing: bits(8, 5) }, { receiverId: 2, asOf: 1, nowMs: REPAIR_WAIT_MS });
    expect(plan.next(REPAIR_WAIT_MS)).toBeUndefined();
    expect(plan.begin(job!)).toBe(true);
    // What came in before it began is part of it.
    expect(job?.wanted?.bytes[0]).toBe(0b10_1000);
    plan.finish(job!, 2);
    plan.want(partial, { receiverId: 1, asOf: 1, nowMs: REPAIR_WAIT_MS });
    expect(plan.next(10 * REPAIR_WAIT_MS)).toBeUndefined();
  });

  it('drops a job that nobody wants any more', () => {
    const demand = Uint16Array.of(1);
    const plan = new SendPlan(demand);
    const job = plan.next(0);
    demand[0] = 0;
    expect(plan.begin(job!)).toBe(false);
  });

  it('leaves fresh chunks their share of the rate', () => {
    const demand = new Uint16Array(1000).fill(1);
    const plan = new SendPlan(demand);
    let fresh = 0;
    let repairs = 0;
    for (let sequence = 1; sequence <= 800; sequence += 1) {
      const job = plan.next(0)!;
      plan.begin(job);
      plan.finish(job, sequence);
      plan.noteSent(job, 100);
      if (job.source === 'fresh') fresh += 1;
      else repairs += 1;
      // Every chunk needs every time all of it again.
      plan.want(
        { ordinal: job.ordinal, missing: Bitmap.full(100) },
        { receiverId: 1, asOf: sequence, nowMs: 0 },
      );
    }
    expect(repairs / (fresh + repairs)).toBeGreaterThan(0.5);
    expect(repairs / (fresh + repairs)).toBeLessThan(0.7);
  });
});
