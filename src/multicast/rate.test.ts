import { describe, expect, it } from 'vitest';
import { seededRandom } from '../lib/clock.ts';
import { RATE_INTERVAL_MS } from './limits.ts';
import { RateControl, type RateSample } from './rate.ts';

const DATAGRAM_BYTES = 1472;

interface Line {
  /** Bytes a second that get through. */
  capacity: number;
  loss: number;
}

/** Lets a group of receivers behind different lines answer the rate's decisions. */
function run(
  rate: RateControl,
  lines: readonly Line[],
  options: { seconds: number; onBlame?: (ids: number[]) => void },
) {
  const random = seededRandom(5);
  let sequence = 1;
  let nowMs = 0;
  const history: number[] = [];
  for (let i = 0; i < options.seconds * 4; i += 1) {
    const since = sequence;
    const sent = Math.round((rate.bytesPerSecond * RATE_INTERVAL_MS) / 1000 / DATAGRAM_BYTES);
    sequence += sent;
    rate.noteSent(sent * DATAGRAM_BYTES);
    const samples = lines.map(({ capacity, loss }, receiverId): RateSample => {
      const noise = (random() - 0.5) * 0.01;
      const delivered = Math.min(1, capacity / rate.bytesPerSecond) * (1 - loss - (loss > 0 ? noise : 0));
      return { receiverId, delivered, lagMs: 150, since, until: sequence };
    });
    nowMs += RATE_INTERVAL_MS;
    const { blamed } = rate.decide(samples, { nowMs, nextSequence: sequence });
    if (blamed.length > 0) options.onBlame?.(blamed);
    history.push(rate.bytesPerSecond);
  }
  return history.slice(-8).reduce((sum, value) => sum + value, 0) / 8;
}

function group(count: number, line: Line): Line[] {
  return Array.from({ length: count }, () => line);
}

describe('RateControl', () => {
  it('finds the ceiling of a clean network within seconds', () => {
    const rate = new RateControl({}, 0);
    expect(run(rate, group(20, { capacity: 1e9, loss: 0 }), { seconds: 4 })).toBe(112_500_000);
  });

  it('comes down to receivers that take 900 datagrams a second, from a start far above', () => {
    const rate = new RateControl({ startBytesPerSecond: 112_500_000 }, 0);
    const capacity = 900 * DATAGRAM_BYTES;
    const settled = run(rate, group(3, { capacity, loss: 0 }), { seconds: 20 });
    expect(settled).toBeGreaterThan(capacity * 0.6);
    expect(settled).toBeLessThan(capacity * 1.4);
  });

  it('does not slow down for 2 % scattered loss', () => {
    const rate = new RateControl({}, 0);
    expect(run(rate, group(50, { capacity: 1e9, loss: 0.02 }), { seconds: 6 })).toBe(112_500_000);
  });

  it('learns that 15 % loss is the network’s own when a lower rate does not help', () => {
    const rate = new RateControl({}, 0);
    expect(run(rate, group(5, { capacity: 1e9, loss: 0.15 }), { seconds: 30 })).toBeGreaterThan(80_000_000);
    expect(rate.baselineLoss).toBeGreaterThan(0.1);
  });

  it('does not let the worst tenth of a group steer', () => {
    const rate = new RateControl({}, 0);
    const lines = [...group(18, { capacity: 1e9, loss: 0 }), ...group(2, { capacity: 1e6, loss: 0 })];
    expect(run(rate, lines, { seconds: 6 })).toBe(112_500_000);
  });

  it('names the one for whom a small group slows down', () => {
    const rate = new RateControl({}, 0);
    const blamed: number[] = [];
    const lines = [...group(3, { capacity: 1e9, loss: 0 }), { capacity: 5e6, loss: 0 }];
    run(rate, lines, { seconds: 6, onBlame: (ids) => blamed.push(...ids) });
    expect(blamed.length).toBeGreaterThanOrEqual(3);
    expect(new Set(blamed)).toEqual(new Set([3]));
  });

  it('does not take for the network’s own what a sender slower than its rate causes', () => {
    const rate = new RateControl({ startBytesPerSecond: 112_500_000 }, 0);
    let sequence = 1;
    const sendable = 60_000_000;
    const capacity = 48_000_000;
    for (let nowMs = 250; nowMs <= 20_000; nowMs += 250) {
      const sent = Math.min(rate.bytesPerSecond, sendable) / 4;
      rate.noteSent(sent);
      const since = sequence;
      sequence += Math.round(sent / DATAGRAM_BYTES);
      const delivered = Math.min(1, capacity / 4 / sent);
      rate.decide([{ receiverId: 1, delivered, lagMs: 100, since, until: sequence }], {
        nowMs,
        nextSequence: sequence,
      });
    }
    expect(rate.baselineLoss).toBeLessThan(0.02);
    expect(rate.bytesPerSecond).toBeLessThan(60_000_000);
    expect(rate.bytesPerSecond).toBeGreaterThan(35_000_000);
  });

  it('keeps within floor and ceiling and does nothing without samples', () => {
    const rate = new RateControl(
      { startBytesPerSecond: 1, floorBytesPerSecond: 1000, ceilingBytesPerSecond: 5000 },
      0,
    );
    expect(rate.bytesPerSecond).toBe(1000);
    expect(rate.decide([], { nowMs: 250, nextSequence: 1 })).toEqual({ blamed: [], decreased: false });
    run(rate, group(3, { capacity: 1, loss: 0 }), { seconds: 5 });
    expect(rate.bytesPerSecond).toBe(1000);
  });

  it('slows down when the group lags behind although nothing is lost', () => {
    const rate = new RateControl({ startBytesPerSecond: 10_000_000 }, 0);
    rate.noteSent(2_500_000);
    const sample = { receiverId: 1, delivered: 1, lagMs: 2800, since: 1, until: 90 };
    expect(rate.decide([sample], { nowMs: 250, nextSequence: 100 }).decreased).toBe(true);
    expect(rate.bytesPerSecond).toBe(2_500_000);
    // The same word from before the step does not count again.
    expect(rate.decide([sample], { nowMs: 500, nextSequence: 200 }).decreased).toBe(false);
  });
});
