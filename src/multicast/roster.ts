import { Bitmap } from './bitmap.ts';
import {
  BEATS_BEHIND_MAX,
  DROP_MS_MAX,
  GATHER_MS_MAX,
  JOIN_MS_MAX,
  SILENT_MS_MAX,
  STALL_MS_MAX,
} from './limits.ts';
import type { Report } from './report-packet.ts';

/** Why a receiver no longer counts, or that it does. */
export type Standing = 'active' | 'complete' | 'silent' | 'dropped';

/** What the sender knows of one receiver. */
export interface ReceiverRecord {
  readonly receiverId: number;
  readonly name: string;
  standing: Standing;
  reason: string;
  /** Set by the caller: such a receiver may not come back. */
  expelled: boolean;
  /** Left behind: does not steer the rate and makes no quick repairs. */
  demoted: boolean;
  /** Told to fetch the rest over TCP, or doing so by itself. */
  overTcp: boolean;
  /** The order to do so came from the sender and is repeated until obeyed. */
  orderedOverTcp: boolean;
  blame: number;
  readonly have: Bitmap;
  heard: boolean;
  joinedMs: number;
  lastReportMs: number;
  incarnation: number;
  reportSequence: number;
  beat: number;
  /** The newest sequence number it has seen. */
  asOf: number;
  /** Counters as of the last measurement. */
  measuredAsOf: number;
  measuredMs: number;
  received: number;
  refused: number;
  /** Part of the datagrams after `measuredSince` that arrived and were taken. */
  delivered: number;
  measuredSince: number;
  /** Smoothed, for people. */
  loss: number;
  /** By its own count. */
  haveChunks: number;
  backlogChunks: number;
  badDatagrams: number;
  lagMs: number;
  morePartials: boolean;
  /** All of its windows up to the end were told as of this sequence number. */
  sweptAsOf: number;
  sweepStartAsOf: number;
  sweepNext: number;
  bestHave: number;
  progressMs: number;
}

/** Samples of fewer datagrams or less time say too little: a computer may just have been busy for a moment. */
const SAMPLE_DATAGRAMS_MIN = 128;
const SAMPLE_MS_MIN = 700;
const LOSS_SMOOTHING = 0.3;

/** The sender's side of a report. */
export interface ReportContext {
  nowMs: number;
  lagMs: number;
  /** The sequence number from which on the present rate holds. */
  rateSince: number;
}

/** The receivers of a session and how many of them lack each chunk. */
export class Roster {
  readonly #records = new Map<number, ReceiverRecord>();
  readonly #chunkCount: number;
  /** For each chunk, how many receivers that count lack it. */
  readonly demand: Uint16Array;

  constructor(chunkCount: number) {
    this.#chunkCount = chunkCount;
    this.demand = new Uint16Array(chunkCount);
  }

  get size(): number {
    return this.#records.size;
  }

  values(): IterableIterator<ReceiverRecord> {
    return this.#records.values();
  }

  find(receiverId: number): ReceiverRecord | undefined {
    return this.#records.get(receiverId);
  }

  add(receiver: { receiverId: number; name: string }, nowMs: number): ReceiverRecord {
    const record: ReceiverRecord = {
      ...receiver,
      standing: 'active',
      reason: '',
      expelled: false,
      demoted: false,
      overTcp: false,
      orderedOverTcp: false,
      blame: 0,
      have: new Bitmap(this.#chunkCount),
      heard: false,
      joinedMs: nowMs,
      lastReportMs: nowMs,
      incarnation: 0,
      reportSequence: 0,
      beat: 0,
      asOf: 0,
      measuredAsOf: -1,
      measuredMs: nowMs,
      received: 0,
      refused: 0,
      delivered: 1,
      measuredSince: -1,
      loss: 0,
      haveChunks: 0,
      backlogChunks: 0,
      badDatagrams: 0,
      lagMs: 0,
      morePartials: false,
      sweptAsOf: -1,
      sweepStartAsOf: -1,
      sweepNext: 0,
      bestHave: 0,
      progressMs: nowMs,
    };
    this.#records.set(receiver.receiverId, record);
    this.#count(record, 1);
    return record;
  }

  /** Changes what decides whether a receiver's wants count, keeping the demand exact. */
  change(
    record: ReceiverRecord,
    changes: Partial<Pick<ReceiverRecord, 'standing' | 'overTcp' | 'reason'>>,
  ): void {
    const counted = countsFor(record);
    Object.assign(record, changes);
    if (counted === countsFor(record)) return;
    this.#count(record, counted ? -1 : 1);
  }

  /** Whether a report is new, and not an old one sent again by someone else. */
  accepts(record: ReceiverRecord, report: Report, beat: number): boolean {
    if (report.beat > beat || report.beat === 0 || beat - report.beat > BEATS_BEHIND_MAX) return false;
    if (report.incarnation === record.incarnation && record.heard) {
      return report.sequence > record.reportSequence;
    }
    return report.beat > record.beat || !record.heard;
  }

  /** Takes in an accepted report. @returns whether the receiver has started anew. */
  apply(record: ReceiverRecord, report: Report, context: ReportContext): boolean {
    const restarted = record.heard && report.incarnation !== record.incarnation;
    if (restarted || !record.heard) this.#reset(record, report, context.nowMs);
    record.heard = true;
    record.lastReportMs = context.nowMs;
    record.reportSequence = report.sequence;
    record.beat = Math.max(record.beat, report.beat);
    record.lagMs = context.lagMs;
    record.backlogChunks = report.backlogChunks;
    record.badDatagrams = report.badDatagrams;
    record.morePartials = report.morePartials;
    this.#measure(record, report, context);
    this.#applyWindow(record, report);
    record.haveChunks = report.haveChunks;
    if (report.haveChunks > record.bestHave) {
      record.bestHave = report.haveChunks;
      record.progressMs = context.nowMs;
    }
    return restarted;
  }

  /** @returns what time alone changes: `silent`, `dropped` or `stalled`. */
  overdue(record: ReceiverRecord, nowMs: number): 'silent' | 'dropped' | 'stalled' | undefined {
    if (record.standing === 'complete' || record.standing === 'dropped') return undefined;
    const silentMs = nowMs - record.lastReportMs;
    if (silentMs >= (record.heard ? DROP_MS_MAX : JOIN_MS_MAX)) return 'dropped';
    if (silentMs >= (record.heard ? SILENT_MS_MAX : GATHER_MS_MAX) && record.standing === 'active')
      return 'silent';
    const stalled = nowMs - record.progressMs >= STALL_MS_MAX;
    return stalled && record.heard && record.standing === 'active' && !record.overTcp ? 'stalled' : undefined;
  }

  /** Those whose wants are served by multicast. */
  served(): ReceiverRecord[] {
    return [...this.#records.values()].filter(countsFor);
  }

  /** Those whose reports say what to send next; when only the ones left behind are left, they do. */
  awaited(): ReceiverRecord[] {
    const served = this.served();
    const willing = served.filter((record) => !record.demoted);
    return willing.length > 0 ? willing : served;
  }

  /** What those lack who are not left behind; undefined when nobody is left behind. */
  urgent(): Bitmap | undefined {
    const served = this.served();
    if (!served.some((record) => record.demoted)) return undefined;
    const lacked = new Bitmap(this.#chunkCount);
    for (const record of served) if (!record.demoted) lacked.addMissingOf(record.have);
    return lacked;
  }

  #reset(record: ReceiverRecord, report: Report, nowMs: number): void {
    if (countsFor(record)) this.#count(record, -1);
    record.have.clear();
    record.incarnation = report.incarnation;
    record.measuredAsOf = -1;
    record.delivered = 1;
    record.measuredSince = -1;
    record.loss = 0;
    record.demoted = false;
    record.orderedOverTcp = false;
    record.overTcp = false;
    record.sweptAsOf = -1;
    record.sweepStartAsOf = -1;
    record.bestHave = 0;
    record.progressMs = nowMs;
    if (countsFor(record)) this.#count(record, 1);
  }

  #measure(record: ReceiverRecord, report: Report, context: ReportContext): void {
    record.asOf = report.highestSequence;
    const sent = report.highestSequence - record.measuredAsOf;
    // What was sent before the receiver joined is no loss, and what was sent before a change of rate is old news.
    const isNew = record.measuredAsOf < 0;
    const isOld = record.measuredAsOf < context.rateSince && report.highestSequence >= context.rateSince;
    const elapsedMs = context.nowMs - record.measuredMs;
    if (!isNew && !isOld && (sent < SAMPLE_DATAGRAMS_MIN || elapsedMs < SAMPLE_MS_MIN)) return;
    if (!isNew && sent > 0) {
      const arrived = report.received - record.received;
      const taken = arrived - (report.refused - record.refused);
      const ratio = (part: number) => Math.min(Math.max(part / sent, 0), 1);
      record.delivered = ratio(taken);
      record.measuredSince = record.measuredAsOf;
      record.loss += (1 - ratio(arrived) - record.loss) * LOSS_SMOOTHING;
    }
    record.measuredAsOf = report.highestSequence;
    record.measuredMs = context.nowMs;
    record.received = report.received;
    record.refused = report.refused;
  }

  /** Only the differences to what was known touch the demand. */
  #applyWindow(record: ReceiverRecord, report: Report): void {
    const counted = countsFor(record);
    let cursor = report.windowStart;
    for (let i = 0; i <= report.missingRuns.length; i += 2) {
      const first = report.missingRuns[i] ?? report.windowEnd;
      const end = first + (report.missingRuns[i + 1] ?? 0);
      for (
        let at = record.have.nextClear(cursor, first);
        at < first;
        at = record.have.nextClear(at + 1, first)
      ) {
        record.have.add(at);
        if (counted) this.demand[at]! -= 1;
      }
      for (let at = record.have.nextSet(first, end); at < end; at = record.have.nextSet(at + 1, end)) {
        record.have.remove(at);
        if (counted) this.demand[at]! += 1;
      }
      cursor = end;
    }
    if (report.windowStart === 0) record.sweepStartAsOf = report.highestSequence;
    else if (report.windowStart !== record.sweepNext) record.sweepStartAsOf = -1;
    record.sweepNext = report.windowEnd;
    if (report.windowEnd === this.#chunkCount) record.sweptAsOf = record.sweepStartAsOf;
  }

  #count(record: ReceiverRecord, change: 1 | -1): void {
    const { demand } = this;
    const { have } = record;
    for (let at = have.nextClear(0); at < have.length; at = have.nextClear(at + 1)) demand[at]! += change;
  }
}

function countsFor(record: ReceiverRecord): boolean {
  return record.standing === 'active' && !record.overTcp;
}
