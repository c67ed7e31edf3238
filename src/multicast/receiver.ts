import type { Random } from '../lib/clock.ts';
import { type Assembly, AssemblySet } from './assembly.ts';
import { Bitmap } from './bitmap.ts';
import { type ChunkLayout, type ChunkSizes, chunkLayout } from './chunk-layout.ts';
import { type FetchPlan, fetchPlan } from './fetch-plan.ts';
import {
  ASSEMBLY_BYTES_MAX,
  DAMAGED_CHUNKS_MAX,
  DAMAGED_TIMES_MAX,
  DEAF_MS_MAX,
  DELIVERY_BYTES_MAX,
  DELIVERY_CHUNKS_MAX,
  LINGER_MS_MAX,
  REPORT_INTERVAL_MS,
  REPORT_PARTIALS_MAX,
  REPORT_RUNS_MAX,
  REPORT_WINDOW_CHUNKS_MAX,
  SEQUENCE_AHEAD_MAX,
  SETTLED_DATAGRAMS_MIN,
  SETTLED_MS_MIN,
  SILENCE_MS_MAX_DEFAULT,
} from './limits.ts';
import type { Answer, DataHeader, Heartbeat } from './packet.ts';
import { encodeReport, isUntold } from './report-packet.ts';
import type { SessionKeys } from './session-keys.ts';

export interface ReceiverConfig {
  receiverId: number;
  /** Random for every start of the program. */
  incarnation: number;
  sizes: ChunkSizes;
  keys: SessionKeys;
  random: Random;
  /** Chunks that are already where they belong. */
  have?: Iterable<number>;
  /** Default 10,000: no heartbeat for this long and the rest goes over TCP. */
  silenceMsMax?: number;
  /** Default 64 MiB: memory of chunks in assembly and in delivery together. */
  assemblyBytesMax?: number;
}

export type ReceiverEvent =
  | { kind: 'data'; header: DataHeader; payload: Uint8Array }
  | { kind: 'heartbeat'; heartbeat: Heartbeat }
  | { kind: 'answer'; answer: Answer }
  | { kind: 'tick' }
  /** The outcome of a `deliver` or a successful `fetch`. */
  | { kind: 'delivered'; ordinal: number; verdict: 'ok' | 'damaged' }
  | { kind: 'fetch-failed'; ordinal: number; reason: string };

export type ReceiverAction =
  /** `wire` is valid until the outcome is reported. */
  | { kind: 'deliver'; ordinal: number; wire: Buffer }
  | { kind: 'fetch'; ordinal: number }
  | { kind: 'send-report'; bytes: Buffer }
  | { kind: 'end' }
  | { kind: 'fail'; reason: string };

export interface ReceiverCounters {
  multicastChunks: number;
  tcpChunks: number;
  /** Data datagrams of this session. */
  datagrams: number;
  /** By gaps in the sequence numbers. */
  lostFragments: number;
  refusedFragments: number;
  redundantFragments: number;
  badDatagrams: number;
  damagedChunks: number;
  evictedChunks: number;
}

export interface ReceiverState extends ReceiverCounters {
  haveChunks: number;
  chunkCount: number;
  pendingChunks: number;
  assemblingChunks: number;
  /** Memory of chunks in assembly and in delivery. */
  heldBytes: number;
  overTcp: boolean;
  complete: boolean;
}

const NOTHING: readonly ReceiverAction[] = Object.freeze([]);

/** One target's side of a session as a pure state machine: no sockets, no clock, no timers. */
export class Receiver {
  readonly #config: ReceiverConfig;
  readonly #have: Bitmap;
  /** Had, in delivery or being fetched: not asked for. */
  readonly #taken: Bitmap;
  readonly #delivering = new Map<number, Buffer>();
  readonly #damagedTimes = new Map<number, number>();
  readonly #fetches: FetchPlan = fetchPlan();
  #layout: ChunkLayout | undefined;
  #assemblies: AssemblySet | undefined;
  #deliveringBytes = 0;

  #beat = 0;
  #beatNextSequence = 0;
  #firstSequence: number | undefined;
  #highestSequence = 0;
  #lastHeardMs: number;

  #reportSequence = 0;
  #intervalStartMs: number;
  #nextReportMs: number;
  #windowCursor = 0;

  #overTcp: 'no' | 'silence' | 'ordered' = 'no';
  #completeSinceMs: number | undefined;
  #ended = false;
  readonly #counters: ReceiverCounters = {
    multicastChunks: 0,
    tcpChunks: 0,
    datagrams: 0,
    lostFragments: 0,
    refusedFragments: 0,
    redundantFragments: 0,
    badDatagrams: 0,
    damagedChunks: 0,
    evictedChunks: 0,
  };

  constructor(config: ReceiverConfig, nowMs: number) {
    this.#config = config;
    const { chunkCount } = config.sizes;
    this.#have = new Bitmap(chunkCount);
    this.#taken = new Bitmap(chunkCount);
    for (const ordinal of config.have ?? []) {
      if (ordinal >= chunkCount) continue;
      this.#have.add(ordinal);
      this.#taken.add(ordinal);
    }
    this.#lastHeardMs = nowMs;
    this.#intervalStartMs = nowMs;
    this.#nextReportMs = nowMs + config.random() * REPORT_INTERVAL_MS;
  }

  /** When the next `tick` is due. */
  get nextWakeMs(): number {
    return this.#ended ? Number.POSITIVE_INFINITY : Math.min(this.#nextReportMs, this.#fetches.nextWakeMs());
  }

  handle(event: ReceiverEvent, nowMs: number): readonly ReceiverAction[] {
    if (this.#ended) return NOTHING;
    switch (event.kind) {
      case 'data':
        return this.#onData(event.header, event.payload, nowMs);
      case 'heartbeat':
        return this.#onHeartbeat(event.heartbeat, nowMs);
      case 'answer':
        return this.#onAnswer(event.answer, nowMs);
      case 'tick':
        return this.#onTick(nowMs);
      case 'delivered':
        return this.#onDelivered(event.ordinal, event.verdict, nowMs);
      case 'fetch-failed':
        return this.#onFetchFailed(event.ordinal, event.reason, nowMs);
    }
  }

  /** Memory of chunks in assembly and in delivery. */
  get heldBytes(): number {
    return this.#assemblies?.bytes ?? 0;
  }

  /** A datagram that no decoder accepted. */
  countBadDatagram(): void {
    this.#counters.badDatagrams += 1;
  }

  state(): ReceiverState {
    const seen = this.#firstSequence === undefined ? 0 : this.#highestSequence - this.#firstSequence + 1;
    return {
      ...this.#counters,
      lostFragments: Math.max(0, seen - this.#counters.datagrams),
      evictedChunks: this.#assemblies?.evicted ?? 0,
      haveChunks: this.#have.count,
      chunkCount: this.#have.length,
      pendingChunks: this.#delivering.size + this.#fetches.active,
      assemblingChunks: this.#assemblies?.size ?? 0,
      heldBytes: this.heldBytes,
      overTcp: this.#overTcp !== 'no',
      complete: this.#completeSinceMs !== undefined,
    };
  }

  #onData(header: DataHeader, payload: Uint8Array, nowMs: number): readonly ReceiverAction[] {
    const layout = this.#layout;
    const { ordinal, fragment, sequence } = header;
    // Fragment size and sequence are only believed once an authenticated heartbeat gave the frame.
    if (layout === undefined || this.#assemblies === undefined) return NOTHING;
    if (
      ordinal >= layout.chunkCount ||
      header.sealed !== this.#config.keys.sealed ||
      header.fragmentBytes !== layout.fragmentBytes ||
      sequence > this.#beatNextSequence + SEQUENCE_AHEAD_MAX
    ) {
      return this.#bad();
    }
    if (this.#taken.has(ordinal)) {
      this.#countData(sequence);
      this.#counters.redundantFragments += 1;
      return NOTHING;
    }
    if (
      header.fragmentCount !== layout.fragmentCount(ordinal) ||
      payload.length !== layout.payloadBytes(ordinal, fragment)
    ) {
      return this.#bad();
    }
    this.#countData(sequence);
    const assembly = this.#assemblies.find(ordinal) ?? this.#startAssembly(ordinal);
    if (assembly === undefined) {
      this.#counters.refusedFragments += 1;
      return NOTHING;
    }
    assembly.lastSequence = sequence;
    assembly.lastMs = nowMs;
    if (!assembly.missing.remove(fragment)) {
      this.#counters.redundantFragments += 1;
      return NOTHING;
    }
    assembly.buffer.set(payload, fragment * layout.fragmentBytes);
    return assembly.missing.count === 0 ? this.#deliver(assembly) : NOTHING;
  }

  #countData(sequence: number): void {
    this.#counters.datagrams += 1;
    this.#firstSequence ??= sequence;
    if (sequence > this.#highestSequence) this.#highestSequence = sequence;
  }

  #bad(): readonly ReceiverAction[] {
    this.#counters.badDatagrams += 1;
    return NOTHING;
  }

  /** Backlog refuses whole chunks, so that a slow disk gets some chunks entirely instead of parts of all. */
  #startAssembly(ordinal: number): Assembly | undefined {
    if (this.#deliveringBytes >= DELIVERY_BYTES_MAX || this.#delivering.size >= DELIVERY_CHUNKS_MAX) {
      return undefined;
    }
    return this.#assemblies?.start(ordinal);
  }

  #deliver(assembly: Assembly): readonly ReceiverAction[] {
    const { ordinal, buffer, wireBytes } = assembly;
    this.#assemblies?.finish(ordinal);
    this.#taken.add(ordinal);
    this.#delivering.set(ordinal, buffer);
    this.#deliveringBytes += buffer.length;
    return [{ kind: 'deliver', ordinal, wire: buffer.subarray(0, wireBytes) }];
  }

  #onDelivered(ordinal: number, verdict: 'ok' | 'damaged', nowMs: number): readonly ReceiverAction[] {
    const buffer = this.#delivering.get(ordinal);
    const fromMulticast = buffer !== undefined;
    if (fromMulticast) {
      this.#delivering.delete(ordinal);
      this.#deliveringBytes -= buffer.length;
      this.#assemblies?.giveBack(buffer);
    } else if (verdict === 'damaged') {
      return this.#onFetchFailed(ordinal, `chunk ${ordinal} is damaged`, nowMs);
    } else if (!this.#fetches.succeeded(ordinal)) {
      return NOTHING;
    }
    if (verdict === 'damaged') {
      this.#taken.remove(ordinal);
      this.#noteDamage(ordinal);
      return this.#startFetches(nowMs);
    }
    if (fromMulticast) {
      this.#counters.multicastChunks += 1;
      this.#lastHeardMs = nowMs;
    } else {
      this.#counters.tcpChunks += 1;
    }
    this.#have.add(ordinal);
    if (this.#have.count === this.#have.length) return this.#onTick(nowMs);
    return this.#startFetches(nowMs);
  }

  /** Someone who spoils the same chunk again and again is answered over TCP, where he cannot. */
  #noteDamage(ordinal: number): void {
    this.#counters.damagedChunks += 1;
    const times = (this.#damagedTimes.get(ordinal) ?? 0) + 1;
    if (this.#damagedTimes.size < DAMAGED_CHUNKS_MAX || this.#damagedTimes.has(ordinal)) {
      this.#damagedTimes.set(ordinal, times);
    }
    if (times >= DAMAGED_TIMES_MAX) this.#fetches.want(ordinal);
  }

  #onHeartbeat(heartbeat: Heartbeat, nowMs: number): readonly ReceiverAction[] {
    if (heartbeat.chunkCount !== this.#have.length) return this.#bad();
    if (this.#layout === undefined) this.#open(heartbeat);
    if (heartbeat.fragmentBytes !== this.#layout?.fragmentBytes) return this.#bad();
    if (heartbeat.beat <= this.#beat && this.#beatNextSequence > 0) return NOTHING;
    this.#lastHeardMs = nowMs;
    this.#beat = Math.max(this.#beat, heartbeat.beat);
    this.#beatNextSequence = heartbeat.nextSequence;
    // The heartbeat is authenticated and the headers are not, so it corrects them both ways.
    if (this.#firstSequence === undefined) this.#firstSequence = heartbeat.nextSequence;
    this.#highestSequence = Math.max(heartbeat.nextSequence - 1, 0);
    if (this.#overTcp === 'silence') this.#overTcp = 'no';
    if (heartbeat.phase === 'ended') this.#overTcp = 'ordered';
    return this.#startFetches(nowMs);
  }

  #open(heartbeat: Heartbeat): void {
    const { sizes, keys, assemblyBytesMax = ASSEMBLY_BYTES_MAX } = this.#config;
    this.#layout = chunkLayout(sizes, { sealed: keys.sealed, fragmentBytes: heartbeat.fragmentBytes });
    this.#assemblies = new AssemblySet(this.#layout, { bytesMax: assemblyBytesMax });
  }

  #onAnswer(answer: Answer, nowMs: number): readonly ReceiverAction[] {
    const { receiverId, incarnation } = this.#config;
    if (answer.receiverId !== receiverId || answer.incarnation !== incarnation) return NOTHING;
    if (answer.reportSequence > this.#reportSequence) return this.#bad();
    // The beat may be ahead of the heartbeats heard; it makes the next report fresh.
    this.#beat = Math.max(this.#beat, answer.beat);
    if (answer.verdict === 'complete' && this.#completeSinceMs !== undefined) return this.#end();
    if (answer.verdict === 'finish-over-tcp' || answer.verdict === 'not-in-session')
      this.#overTcp = 'ordered';
    return this.#startFetches(nowMs);
  }

  #onTick(nowMs: number): readonly ReceiverAction[] {
    if (this.#have.count === this.#have.length && this.#completeSinceMs === undefined) {
      this.#completeSinceMs = nowMs;
      this.#nextReportMs = nowMs;
    }
    if (this.#completeSinceMs !== undefined && nowMs - this.#completeSinceMs >= LINGER_MS_MAX) {
      return this.#end();
    }
    const deaf = this.#layout === undefined && this.#beat > 0;
    const silenceMsMax = deaf ? DEAF_MS_MAX : (this.#config.silenceMsMax ?? SILENCE_MS_MAX_DEFAULT);
    if (this.#overTcp === 'no' && nowMs - this.#lastHeardMs >= silenceMsMax) this.#overTcp = 'silence';
    const fetches = this.#startFetches(nowMs);
    if (nowMs < this.#nextReportMs) return fetches;
    const report = this.#report(nowMs);
    this.#intervalStartMs = Math.max(this.#intervalStartMs + REPORT_INTERVAL_MS, nowMs - REPORT_INTERVAL_MS);
    this.#nextReportMs = this.#intervalStartMs + REPORT_INTERVAL_MS * this.#config.random();
    // At least half an interval apart, so that two random slots do not follow at once.
    this.#nextReportMs = Math.max(this.#nextReportMs, nowMs + REPORT_INTERVAL_MS / 2);
    return fetches.length === 0 ? [report] : [...fetches, report];
  }

  #startFetches(nowMs: number): readonly ReceiverAction[] {
    const started = this.#fetches.start(nowMs, {
      taken: this.#taken,
      everything: this.#overTcp !== 'no' && this.#completeSinceMs === undefined,
    });
    if (started.length === 0) return NOTHING;
    return started.map((ordinal) => {
      this.#taken.add(ordinal);
      this.#assemblies?.drop(ordinal);
      return { kind: 'fetch', ordinal };
    });
  }

  #onFetchFailed(ordinal: number, reason: string, nowMs: number): readonly ReceiverAction[] {
    const outcome = this.#fetches.failed(ordinal, nowMs);
    if (outcome === 'unknown') return NOTHING;
    this.#taken.remove(ordinal);
    if (outcome === 'retry') return NOTHING;
    this.#ended = true;
    return [{ kind: 'fail', reason: `Cannot fetch chunk ${ordinal}: ${reason}` }];
  }

  #end(): readonly ReceiverAction[] {
    this.#ended = true;
    this.#assemblies?.clear();
    return [{ kind: 'end' }];
  }

  #report(nowMs: number): ReceiverAction {
    const windowStart = this.#windowCursor >= this.#taken.length ? 0 : this.#windowCursor;
    const windowEnd = Math.min(windowStart + REPORT_WINDOW_CHUNKS_MAX, this.#taken.length);
    const settled = this.#settledPartials(nowMs);
    const partials = settled.slice(0, REPORT_PARTIALS_MAX);
    this.#reportSequence += 1;
    const { bytes, ...told } = encodeReport(
      {
        receiverId: this.#config.receiverId,
        incarnation: this.#config.incarnation,
        sequence: this.#reportSequence,
        beat: this.#beat,
        highestSequence: this.#highestSequence,
        received: this.#counters.datagrams,
        refused: this.#counters.refusedFragments,
        missingChunks: this.#taken.length - this.#taken.count,
        haveChunks: this.#have.count,
        backlogChunks: this.#delivering.size,
        badDatagrams: this.#counters.badDatagrams,
        complete: this.#completeSinceMs !== undefined,
        overTcp: this.#overTcp !== 'no',
        morePartials: settled.slice(REPORT_PARTIALS_MAX).some(isUntold),
        windowStart,
        windowEnd,
        missingRuns: this.#missingRuns(windowStart, windowEnd),
        partials,
      },
      this.#config.keys,
    );
    this.#windowCursor = told.windowEnd;
    for (const assembly of partials.slice(0, told.partialCount)) assembly.reportedMs = nowMs;
    return { kind: 'send-report', bytes };
  }

  #missingRuns(start: number, end: number): number[] {
    const runs: number[] = [];
    let first = this.#taken.nextClear(start, end);
    // One run more than fits: the encoder must see where the window has to stop.
    while (first < end && runs.length <= 2 * REPORT_RUNS_MAX) {
      const after = this.#taken.nextSet(first, end);
      runs.push(first, after - first);
      first = this.#taken.nextClear(after, end);
    }
    return runs;
  }

  /** Those the sender has passed by, the longest unreported first. */
  #settledPartials(nowMs: number): Assembly[] {
    const settled: Assembly[] = [];
    for (const assembly of this.#assemblies?.values() ?? []) {
      const passed = this.#highestSequence - assembly.lastSequence >= SETTLED_DATAGRAMS_MIN;
      if (passed || nowMs - assembly.lastMs >= SETTLED_MS_MIN) settled.push(assembly);
    }
    settled.sort((a, b) => a.reportedMs - b.reportedMs);
    return settled;
  }
}
