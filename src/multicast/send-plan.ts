import { Bitmap } from './bitmap.ts';
import { REPAIR_CREDIT_FRAGMENTS_MAX, REPAIR_SHARE_MAX, REPAIR_WAIT_MS, WANTS_CHUNKS_MAX } from './limits.ts';

/** What to send of one chunk: `wanted` fragments, or all. */
export interface Job {
  readonly ordinal: number;
  readonly source: 'fresh' | 'repair' | 'round';
  wanted: Bitmap | undefined;
  /** The next fragment to look at. */
  next: number;
  begun: boolean;
}

interface Want {
  readonly missing: Bitmap;
  readonly firstMs: number;
  readonly receivers: Set<number>;
}

const CREDIT_PER_FRESH_FRAGMENT = REPAIR_SHARE_MAX / (1 - REPAIR_SHARE_MAX);

/** Above any demand. */
const URGENT_RANK = 0x1_0000;

/**
 * Decides which chunk goes next: quick repairs while their share lasts, then chunks never sent, then
 * round after round of what is still missing, the most wanted first.
 */
export class SendPlan {
  /** For each chunk, how many receivers lack it. */
  readonly #demand: Uint16Array;
  /** For each chunk, the sequence number of its newest fragment: 0 never sent, infinite while in a job. */
  readonly #sentSequence: Float64Array;
  readonly #wants = new Map<number, Want>();
  /** Chunks of which all who lack them have said what they miss. */
  readonly #toldByAll = new Set<number>();
  /** Handed out by {@link next} and not yet begun. */
  readonly #queued = new Set<number>();
  #freshCursor = 0;
  #round: Uint32Array = new Uint32Array(0);
  #roundCursor = 0;
  #roundBasis = 0;
  #repairCredit = REPAIR_CREDIT_FRAGMENTS_MAX;
  rounds = 0;

  constructor(demand: Uint16Array) {
    this.#demand = demand;
    this.#sentSequence = new Float64Array(demand.length);
  }

  /** The first chunk not yet reached by the first pass. */
  get position(): number {
    return this.#freshCursor;
  }

  get firstPassDone(): boolean {
    return this.#freshCursor >= this.#demand.length;
  }

  /** Neither fresh chunks nor chunks of the present round are left. */
  get passDone(): boolean {
    return this.firstPassDone && this.#roundCursor >= this.#round.length;
  }

  get wantedChunks(): number {
    return this.#wants.size;
  }

  /** Takes note of fragments that a receiver misses, unless they may be on their way to it. */
  want(
    partial: { ordinal: number; missing: Bitmap },
    by: { receiverId: number; asOf: number; nowMs: number },
  ): void {
    const sent = this.#sentSequence[partial.ordinal]!;
    if (sent === 0 || by.asOf < sent || partial.missing.count === 0) return;
    let want = this.#wants.get(partial.ordinal);
    if (want === undefined) {
      if (this.#wants.size >= WANTS_CHUNKS_MAX) return;
      want = { missing: new Bitmap(partial.missing.length), firstMs: by.nowMs, receivers: new Set() };
      this.#wants.set(partial.ordinal, want);
    }
    want.missing.addAll(partial.missing);
    want.receivers.add(by.receiverId);
    if (want.receivers.size >= this.#demand[partial.ordinal]!) this.#toldByAll.add(partial.ordinal);
  }

  next(nowMs: number): Job | undefined {
    const mayRepair = this.#repairCredit > 0 || this.firstPassDone;
    return (mayRepair ? this.#nextRepair(nowMs) : undefined) ?? this.#nextFresh() ?? this.#nextOfRound();
  }

  /** When {@link next} may have something although nothing was reported. */
  get nextWakeMs(): number {
    for (const want of this.#wants.values()) return want.firstMs + REPAIR_WAIT_MS;
    return Number.POSITIVE_INFINITY;
  }

  /** Fixes what a job sends, at the last moment. @returns false when no one wants it any more. */
  begin(job: Job): boolean {
    const want = this.#wants.get(job.ordinal);
    this.#wants.delete(job.ordinal);
    this.#toldByAll.delete(job.ordinal);
    this.#queued.delete(job.ordinal);
    if (this.#demand[job.ordinal] === 0) return false;
    if (job.source === 'repair') {
      if (want === undefined) return false;
      job.wanted = want.missing;
    }
    job.begun = true;
    this.#sentSequence[job.ordinal] = Number.POSITIVE_INFINITY;
    return true;
  }

  finish(job: Job, lastSequence: number): void {
    this.#sentSequence[job.ordinal] = lastSequence;
  }

  noteSent(job: Job, fragments: number): void {
    const change = job.source === 'fresh' ? fragments * CREDIT_PER_FRESH_FRAGMENT : -fragments;
    this.#repairCredit = Math.min(
      Math.max(this.#repairCredit + change, -REPAIR_CREDIT_FRAGMENTS_MAX),
      REPAIR_CREDIT_FRAGMENTS_MAX,
    );
  }

  /**
   * Lists what is missing: first what is urgent, of that the most wanted first, of that what was reached last
   * the longest ago.
   *
   * @param basis the sequence number up to which the reports know what arrived.
   * @param urgent chunks that those lack who are not left behind; undefined when nobody is.
   */
  startRound(basis: number, urgent?: Bitmap): void {
    this.rounds += 1;
    this.relist(basis, urgent);
  }

  /** Lists the rest of a round anew. */
  relist(basis: number, urgent?: Bitmap): void {
    const demand = this.#demand;
    const rank = (ordinal: number) =>
      demand[ordinal] === 0 ? 0 : demand[ordinal]! + (urgent?.has(ordinal) === true ? URGENT_RANK : 0);
    const starts = new Map<number, number>();
    for (let ordinal = 0; ordinal < demand.length; ordinal += 1) {
      const own = rank(ordinal);
      if (own > 0) starts.set(own, (starts.get(own) ?? 0) + 1);
    }
    let total = 0;
    for (const own of [...starts.keys()].sort((a, b) => b - a)) {
      const count = starts.get(own)!;
      starts.set(own, total);
      total += count;
    }
    const resume = this.#roundCursor < this.#round.length ? this.#round[this.#roundCursor]! : 0;
    this.#round = new Uint32Array(total);
    for (let i = 0; i < demand.length; i += 1) {
      const ordinal = (resume + i) % demand.length;
      const own = rank(ordinal);
      if (own === 0) continue;
      const at = starts.get(own)!;
      this.#round[at] = ordinal;
      starts.set(own, at + 1);
    }
    this.#roundCursor = 0;
    this.#roundBasis = basis;
  }

  #nextRepair(nowMs: number): Job | undefined {
    for (const ordinal of this.#toldByAll) {
      this.#toldByAll.delete(ordinal);
      if (this.#wants.has(ordinal) && !this.#queued.has(ordinal)) return this.#job(ordinal, 'repair');
    }
    for (const [ordinal, want] of this.#wants) {
      if (nowMs - want.firstMs < REPAIR_WAIT_MS) return undefined;
      if (!this.#queued.has(ordinal)) return this.#job(ordinal, 'repair');
    }
    return undefined;
  }

  #nextFresh(): Job | undefined {
    while (this.#freshCursor < this.#demand.length) {
      const ordinal = this.#freshCursor;
      this.#freshCursor += 1;
      if (this.#demand[ordinal]! > 0 && this.#sentSequence[ordinal] === 0) return this.#job(ordinal, 'fresh');
    }
    return undefined;
  }

  #nextOfRound(): Job | undefined {
    while (this.#roundCursor < this.#round.length) {
      const ordinal = this.#round[this.#roundCursor]!;
      this.#roundCursor += 1;
      const wanted = this.#demand[ordinal]!;
      if (wanted === 0 || this.#queued.has(ordinal)) continue;
      // Sent again since the reports: what that achieved will be known in the next round.
      if (this.#sentSequence[ordinal]! > this.#roundBasis) continue;
      const told = this.#wants.get(ordinal)?.receivers.size ?? 0;
      if (told < wanted) return this.#job(ordinal, 'round');
      this.#toldByAll.add(ordinal);
    }
    return undefined;
  }

  #job(ordinal: number, source: Job['source']): Job {
    this.#queued.add(ordinal);
    return { ordinal, source, wanted: undefined, next: 0, begun: false };
  }
}
