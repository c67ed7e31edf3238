import type { RateControl, RateSample } from './rate.ts';
import type { ReceiverRecord, Roster } from './roster.ts';

/** Decreases in a row for the same few receivers before they are left behind, and how slowly that is forgiven. */
export const BLAME_MAX = 3;
const BLAME_FORGIVEN_PER_DECISION = 0.15;
const DELIVERED_WELL = 0.95;
const STEERING_REPORT_MS_MAX = 1000;

/**
 * Lets the group decide on the rate; whoever alone keeps the pace down again and again is left behind.
 *
 * @returns the receivers left behind from now on, and why.
 */
export function steer(
  roster: Roster,
  rate: RateControl,
  at: { nowMs: number; nextSequence: number },
): { record: ReceiverRecord; why: string }[] {
  const served = roster
    .served()
    .filter((record) => record.heard && at.nowMs - record.lastReportMs <= STEERING_REPORT_MS_MAX);
  const willing = served.filter((record) => !record.demoted);
  // When only those left behind are left, they steer.
  const samples = (willing.length > 0 ? willing : served).map(
    (record): RateSample => ({
      receiverId: record.receiverId,
      delivered: record.delivered,
      lagMs: record.lagMs,
      since: record.measuredSince,
      until: record.measuredAsOf,
    }),
  );
  const { blamed, decreased } = rate.decide(samples, at);
  const demoted = served.filter((record) => {
    const isBlamed = blamed.includes(record.receiverId);
    return noteBlame(record, { isBlamed, decreased });
  });
  if (demoted.length > 0) rate.release();
  return demoted.map((record) => ({
    record,
    why: record.loss > 1 - DELIVERED_WELL ? 'it loses datagrams' : 'it is slow to take them',
  }));
}

/** @returns whether this was once too often. */
function noteBlame(record: ReceiverRecord, step: { isBlamed: boolean; decreased: boolean }): boolean {
  if (record.demoted) {
    if (record.delivered >= DELIVERED_WELL) record.blame -= BLAME_FORGIVEN_PER_DECISION;
    record.demoted = record.blame > 0;
    return false;
  }
  if (step.isBlamed) record.blame += 1;
  else if (step.decreased) record.blame = 0;
  record.demoted = record.blame >= BLAME_MAX;
  return record.demoted;
}
