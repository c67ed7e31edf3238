import { ChunkCache } from './chunk-cache.ts';
import type { ChunkLayout } from './chunk-layout.ts';
import {
  CACHE_BYTES_MAX,
  ENDED_BEAT_INTERVAL_MS,
  ENDED_BEATS,
  GATHER_MS_MAX,
  GATHER_MS_MIN,
  HEADER_BYTES,
  HEARTBEAT_INTERVAL_MS,
  PACE_BURST_DATAGRAMS_MAX,
  PACE_CATCH_UP_MS_MAX,
  READ_AHEAD_JOBS_MAX,
  READ_AHEAD_JOBS_MIN,
  READ_AHEAD_MS,
  READ_RETRIES_MAX,
  READ_RETRY_WAIT_MS,
  RECEIVERS_MAX,
  RELIST_INTERVAL_MS,
  ROUND_WAIT_MS_MAX,
  TAIL_CHUNKS_MAX,
  TAIL_RECEIVERS_MAX,
  TAIL_ROUNDS_MIN,
} from './limits.ts';
import type { Heartbeat, Phase, Verdict } from './packet.ts';
import { RateControl } from './rate.ts';
import type { Report } from './report-packet.ts';
import { type ReceiverRecord, Roster } from './roster.ts';
import { SendClock } from './send-clock.ts';
import { type Job, SendPlan } from './send-plan.ts';
import type {
  ReceiverNotice,
  ReplyAddress,
  SenderAction,
  SenderConfig,
  SenderEvent,
  SendState,
} from './sender-events.ts';
import { steer } from './steering.ts';

/** The sending side of a session as a pure state machine: no sockets, no clock, no timers. */
export class Sender {
  readonly #config: SenderConfig;
  readonly #layout: ChunkLayout;
  readonly #roster: Roster;
  readonly #plan: SendPlan;
  readonly #cache: ChunkCache;
  readonly #rate: RateControl;
  readonly #sent = new SendClock();
  readonly #paceStepMs: number;
  readonly #datagramBytes: number;
  readonly #jobs: Job[] = [];
  readonly #readRetries = new Map<number, { times: number; atMs: number }>();
  readonly #startMs: number;
  #lastAddedMs: number;
  #phase: Phase = 'gathering';
  #beat = 0;
  #nextBeatMs: number;
  #endedBeats = 0;
  #tokens = 0;
  #tokensAtMs: number;
  #nextSequence = 1;
  /** When and at which sequence number the present round had nothing left to send. */
  #idle: { sinceMs: number; sequence: number } | undefined;
  #listedMs = 0;
  #over = false;
  #datagrams = 0;
  #bytes = 0;
  #repairDatagrams = 0;
  #reports = 0;
  #badDatagrams = 0;
  #staleReports = 0;

  constructor(config: SenderConfig, nowMs: number) {
    this.#config = config;
    this.#layout = config.layout;
    this.#roster = new Roster(config.layout.chunkCount);
    this.#plan = new SendPlan(this.#roster.demand);
    this.#cache = new ChunkCache(config.cacheBytesMax ?? CACHE_BYTES_MAX);
    this.#rate = new RateControl(config.rate ?? {}, nowMs);
    this.#paceStepMs = config.paceStepMs ?? 1;
    this.#datagramBytes = config.layout.fragmentBytes + HEADER_BYTES;
    this.#startMs = nowMs;
    this.#lastAddedMs = nowMs;
    this.#nextBeatMs = nowMs;
    this.#tokensAtMs = nowMs;
    for (const receiver of config.receivers.slice(0, RECEIVERS_MAX)) this.#roster.add(receiver, nowMs);
  }

  /** When the next `tick` is due. */
  nextWakeMs(nowMs: number): number {
    if (this.#over) return Number.POSITIVE_INFINITY;
    const sending = this.#jobs.some((job) => this.#cache.isReady(job.ordinal));
    if (sending) return Math.min(nowMs + this.#paceStepMs, this.#nextBeatMs);
    return Math.max(nowMs + this.#paceStepMs, Math.min(this.#nextBeatMs, this.#plan.nextWakeMs));
  }

  handle(event: SenderEvent, nowMs: number): SenderAction[] {
    const actions: SenderAction[] = [];
    if (this.#over) return actions;
    switch (event.kind) {
      case 'tick':
        this.#onTick(actions, nowMs);
        break;
      case 'report':
        this.#onReport(actions, event.report, { nowMs, replyTo: event.replyTo });
        break;
      case 'chunk-ready':
        this.#cache.markReady(event.ordinal);
        this.#readRetries.delete(event.ordinal);
        break;
      case 'chunk-failed':
        this.#onReadFailed(actions, event, nowMs);
        break;
      case 'add-receiver':
        this.#addReceiver(event, nowMs);
        break;
      case 'drop-receiver':
        this.#expel(actions, event);
        break;
      case 'bad-datagram':
        this.#badDatagrams += 1;
        break;
      case 'stop':
        this.#stop(actions, event.reason, nowMs);
        break;
    }
    return actions;
  }

  /** Memory of the chunks read and not released. */
  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  state(nowMs: number): SendState {
    return {
      phase: this.#phase,
      pass: this.#pass,
      position: this.#plan.position,
      chunkCount: this.#layout.chunkCount,
      rateBytesPerSecond: this.#rate.bytesPerSecond,
      datagrams: this.#datagrams,
      bytes: this.#bytes,
      repairDatagrams: this.#repairDatagrams,
      reports: this.#reports,
      badDatagrams: this.#badDatagrams,
      staleReports: this.#staleReports,
      cacheBytes: this.cacheBytes,
      receivers: [...this.#roster.values()].map((record) => ({
        receiverId: record.receiverId,
        name: record.name,
        standing: record.standing,
        reason: record.reason,
        haveChunks: record.have.count,
        missingChunks: record.have.length - record.have.count,
        loss: record.loss,
        backlogChunks: record.backlogChunks,
        overTcp: record.overTcp,
        demoted: record.demoted,
        lastSeenMs: nowMs - record.lastReportMs,
      })),
    };
  }

  get #pass(): number {
    return Math.min(this.#plan.rounds + 1, 0xffff);
  }

  #onTick(actions: SenderAction[], nowMs: number): void {
    if (nowMs >= this.#nextBeatMs) this.#onBeat(actions, nowMs);
    if (this.#phase === 'gathering' && this.#gathered(nowMs)) {
      this.#phase = 'first-pass';
      this.#tokensAtMs = nowMs;
    }
    if (this.#phase === 'gathering' || this.#phase === 'ended') return;
    this.#fillJobs(actions, nowMs);
    this.#sendJobs(actions, nowMs);
  }

  #gathered(nowMs: number): boolean {
    if (nowMs - this.#startMs >= GATHER_MS_MAX) return true;
    if (nowMs - this.#lastAddedMs < GATHER_MS_MIN) return false;
    const waiting = [...this.#roster.values()].some(
      (record) =>
        record.standing === 'active' && (!record.heard || (record.haveChunks > 0 && record.sweptAsOf < 0)),
    );
    return !waiting && this.#roster.size > 0;
  }

  #onBeat(actions: SenderAction[], nowMs: number): void {
    if (this.#phase !== 'ended') {
      this.#watchReceivers(actions, nowMs);
      if (nowMs >= this.#rate.nextDecisionMs && this.#phase !== 'gathering') this.#steer(actions, nowMs);
      if (this.#phase === 'first-pass' && this.#plan.firstPassDone) this.#phase = 'repair';
      if (this.#phase !== 'gathering' && this.#nobodyLeft()) this.#phase = 'ended';
    }
    this.#sendHeartbeat(actions);
    if (this.#phase !== 'ended') {
      this.#nextBeatMs = nowMs + HEARTBEAT_INTERVAL_MS;
      return;
    }
    this.#nextBeatMs = nowMs + ENDED_BEAT_INTERVAL_MS;
    this.#endedBeats += 1;
    if (this.#endedBeats < ENDED_BEATS) return;
    this.#over = true;
    actions.push({ kind: 'end' });
  }

  #nobodyLeft(): boolean {
    for (const record of this.#roster.values()) {
      if (record.standing === 'active' || record.standing === 'silent') return false;
    }
    return true;
  }

  #sendHeartbeat(actions: SenderAction[]): void {
    this.#beat += 1;
    let active = 0;
    let complete = 0;
    for (const { standing } of this.#roster.values()) {
      if (standing === 'active') active += 1;
      if (standing === 'complete') complete += 1;
    }
    const heartbeat: Heartbeat = {
      beat: this.#beat,
      nextSequence: this.#nextSequence,
      pass: this.#pass,
      position: this.#plan.position,
      phase: this.#phase,
      sealed: this.#config.sealed,
      fragmentBytes: this.#layout.fragmentBytes,
      chunkCount: this.#layout.chunkCount,
      rateKilobytesPerSecond: Math.round(this.#rate.bytesPerSecond / 1000),
      activeReceivers: active,
      completeReceivers: complete,
    };
    actions.push({ kind: 'heartbeat', heartbeat });
  }

  /** Silence, stalls and the tail: everything that time alone decides about a receiver. */
  #watchReceivers(actions: SenderAction[], nowMs: number): void {
    for (const record of this.#roster.values()) {
      switch (this.#roster.overdue(record, nowMs)) {
        case 'silent':
          this.#roster.change(record, { standing: 'silent', reason: 'no report' });
          notice(actions, record, { kind: 'receiver-silent', detail: 'no report for some seconds' });
          break;
        case 'dropped':
          this.#roster.change(record, { standing: 'dropped', reason: 'no report any more' });
          notice(actions, record, { kind: 'receiver-dropped', detail: 'no report any more' });
          break;
        case 'stalled':
          this.#orderOverTcp(actions, record, 'multicast brings it nothing');
          break;
      }
    }
    if (this.#plan.rounds < TAIL_ROUNDS_MIN) return;
    const served = this.#roster.served();
    if (served.length > TAIL_RECEIVERS_MAX) return;
    for (const record of served) {
      if (record.have.length - record.have.count > TAIL_CHUNKS_MAX) continue;
      this.#orderOverTcp(actions, record, 'the last few chunks');
    }
  }

  #orderOverTcp(actions: SenderAction[], record: ReceiverRecord, detail: string): void {
    record.orderedOverTcp = true;
    this.#roster.change(record, { overTcp: true });
    notice(actions, record, { kind: 'receiver-over-tcp', detail });
  }

  #steer(actions: SenderAction[], nowMs: number): void {
    for (const { record, why } of steer(this.#roster, this.#rate, {
      nowMs,
      nextSequence: this.#nextSequence,
    })) {
      notice(actions, record, { kind: 'receiver-demoted', detail: why });
    }
  }

  #onReport(
    actions: SenderAction[],
    report: Report,
    context: { nowMs: number; replyTo: ReplyAddress },
  ): void {
    const record = this.#roster.find(report.receiverId);
    const answer = (verdict: Verdict) =>
      actions.push({ kind: 'answer', report, verdict, beat: this.#beat, replyTo: context.replyTo });
    this.#reports += 1;
    if (record === undefined || record.expelled) {
      answer('not-in-session');
      return;
    }
    if (!this.#roster.accepts(record, report, this.#beat)) {
      this.#staleReports += 1;
      // Heartbeats may not reach it; with the beat from here its next report is fresh.
      answer('continue');
      return;
    }
    const lagMs = this.#sent.ageMs(report.highestSequence + 1, context.nowMs);
    const { nowMs } = context;
    const rateSince = this.#rate.decreasedAt;
    const restarted = this.#roster.apply(record, report, { nowMs, lagMs, rateSince });
    this.#noteStanding(actions, record, { report, restarted });
    if (record.standing === 'complete') answer('complete');
    else if (record.orderedOverTcp && !report.overTcp) answer('finish-over-tcp');
    else if (this.#beat - report.beat > BEATS_BEHIND_ANSWERED) answer('continue');
    if (record.standing !== 'active' || record.overTcp) return;
    // While the rest has its first pass, quick repairs for one left behind would cost it too much.
    if (record.demoted && !this.#plan.firstPassDone) return;
    const by = { receiverId: record.receiverId, asOf: report.highestSequence, nowMs: context.nowMs };
    for (const partial of report.partials) this.#plan.want(partial, by);
  }

  #noteStanding(
    actions: SenderAction[],
    record: ReceiverRecord,
    news: { report: Report; restarted: boolean },
  ): void {
    const { report, restarted } = news;
    const was = record.standing;
    const overTcp = report.overTcp || record.orderedOverTcp;
    if (report.complete) {
      this.#roster.change(record, { standing: 'complete', reason: '', overTcp });
      if (was !== 'complete') notice(actions, record, { kind: 'receiver-done', detail: '' });
      return;
    }
    if (was === 'complete' && !restarted) return;
    if (report.overTcp && !record.overTcp) {
      notice(actions, record, { kind: 'receiver-over-tcp', detail: 'multicast does not reach it' });
    }
    this.#roster.change(record, { standing: 'active', reason: '', overTcp });
    if (was !== 'active' || restarted) {
      notice(actions, record, { kind: 'receiver-back', detail: restarted ? 'started anew' : 'heard again' });
    }
  }

  #fillJobs(actions: SenderAction[], nowMs: number): void {
    while (this.#wantsJobs()) {
      const job = this.#plan.next(nowMs);
      if (job === undefined) break;
      // Repairs free memory at the receivers, so they overtake what has not begun.
      const at =
        job.source === 'repair'
          ? this.#jobs.findIndex((other) => other.source !== 'repair' && !other.begun)
          : -1;
      this.#jobs.splice(at < 0 ? this.#jobs.length : at, 0, job);
      if (this.#cache.has(job.ordinal)) this.#cache.touch(job.ordinal);
      else this.#read(actions, job.ordinal);
    }
    for (const [ordinal, retry] of this.#readRetries) {
      if (nowMs < retry.atMs) continue;
      retry.atMs = Number.POSITIVE_INFINITY;
      actions.push({ kind: 'read', ordinal });
    }
    this.#nextRound(nowMs);
  }

  #nextRound(nowMs: number): void {
    if (!this.#plan.passDone) {
      this.#idle = undefined;
      if (this.#plan.firstPassDone && nowMs - this.#listedMs >= RELIST_INTERVAL_MS) this.#relist(nowMs);
      return;
    }
    if (this.#jobs.length > 0) return;
    this.#idle ??= { sinceMs: nowMs, sequence: this.#nextSequence - 1 };
    if (!this.#reportsAreIn(this.#idle, nowMs)) return;
    this.#plan.startRound(this.#idle.sequence, this.#roster.urgent());
    this.#listedMs = nowMs;
    this.#idle = undefined;
  }

  #relist(nowMs: number): void {
    this.#listedMs = nowMs;
    const basis = this.#roster
      .awaited()
      .reduce((min, record) => Math.min(min, record.sweptAsOf), Number.MAX_SAFE_INTEGER);
    if (basis < Number.MAX_SAFE_INTEGER) this.#plan.relist(basis, this.#roster.urgent());
  }

  #wantsJobs(): boolean {
    if (this.#jobs.length < READ_AHEAD_JOBS_MIN) return true;
    if (this.#jobs.length >= READ_AHEAD_JOBS_MAX) return false;
    let bytes = 0;
    for (const job of this.#jobs) if (job.source !== 'repair') bytes += this.#layout.wireBytes(job.ordinal);
    return bytes < (this.#rate.bytesPerSecond * READ_AHEAD_MS) / 1000;
  }

  /** Whether all who are served have told what the last round left, or have had time enough to. */
  #reportsAreIn(idle: { sinceMs: number; sequence: number }, nowMs: number): boolean {
    const served = this.#roster.served();
    if (!served.some((record) => record.have.count < record.have.length)) return false;
    if (nowMs - idle.sinceMs >= ROUND_WAIT_MS_MAX) return true;
    return this.#roster
      .awaited()
      .every((record) => record.sweptAsOf >= idle.sequence && !record.morePartials);
  }

  #read(actions: SenderAction[], ordinal: number): void {
    const released = this.#cache.reserve(ordinal, {
      bytes: this.#layout.wireBytes(ordinal),
      isPinned: (other) => this.#jobs.some((job) => job.ordinal === other),
    });
    for (const gone of released) actions.push({ kind: 'release', ordinal: gone });
    actions.push({ kind: 'read', ordinal });
  }

  #onReadFailed(actions: SenderAction[], failure: { ordinal: number; reason: string }, nowMs: number): void {
    const times = (this.#readRetries.get(failure.ordinal)?.times ?? 0) + 1;
    if (times > READ_RETRIES_MAX) {
      this.#over = true;
      actions.push({ kind: 'fail', reason: `Cannot read chunk ${failure.ordinal}: ${failure.reason}` });
      return;
    }
    this.#readRetries.set(failure.ordinal, { times, atMs: nowMs + READ_RETRY_WAIT_MS * 2 ** (times - 1) });
  }

  #sendJobs(actions: SenderAction[], nowMs: number): void {
    const perMs = this.#rate.bytesPerSecond / 1000;
    const burstBytes = Math.max(perMs * PACE_CATCH_UP_MS_MAX, PACE_BURST_DATAGRAMS_MAX * this.#datagramBytes);
    this.#tokens = Math.min(this.#tokens + perMs * (nowMs - this.#tokensAtMs), burstBytes);
    this.#tokensAtMs = nowMs;
    while (this.#tokens >= this.#datagramBytes) {
      const at = this.#jobs.findIndex((job) => this.#cache.isReady(job.ordinal));
      const job = this.#jobs[at];
      if (job === undefined) return;
      if ((!job.begun && !this.#plan.begin(job)) || !this.#sendRun(actions, job, nowMs)) {
        if (job.begun) this.#plan.finish(job, this.#nextSequence - 1);
        this.#jobs.splice(at, 1);
        this.#fillJobs(actions, nowMs);
      }
    }
  }

  /** Sends the next run of fragments of a job. @returns false when the job is done. */
  #sendRun(actions: SenderAction[], job: Job, nowMs: number): boolean {
    const fragmentCount = this.#layout.fragmentCount(job.ordinal);
    const first = job.wanted === undefined ? job.next : job.wanted.nextSet(job.next);
    if (first >= fragmentCount) return false;
    const end = job.wanted === undefined ? fragmentCount : job.wanted.nextClear(first);
    const affordable = Math.max(1, Math.floor(this.#tokens / this.#datagramBytes));
    const count = Math.min(end - first, affordable);
    const { ordinal } = job;
    actions.push({ kind: 'send', ordinal, first, count, sequence: this.#nextSequence, pass: this.#pass });
    job.next = first + count;
    const bytes = count * this.#datagramBytes;
    this.#sent.note(this.#nextSequence, nowMs);
    this.#nextSequence += count;
    this.#tokens -= bytes;
    this.#datagrams += count;
    this.#bytes += bytes;
    if (job.source !== 'fresh') this.#repairDatagrams += count;
    this.#rate.noteSent(bytes);
    this.#plan.noteSent(job, count);
    return job.next < fragmentCount;
  }

  #addReceiver(receiver: { receiverId: number; name: string }, nowMs: number): void {
    if (this.#roster.find(receiver.receiverId) !== undefined || this.#roster.size >= RECEIVERS_MAX) return;
    this.#roster.add({ receiverId: receiver.receiverId, name: receiver.name }, nowMs);
    this.#lastAddedMs = nowMs;
  }

  #expel(actions: SenderAction[], order: { receiverId: number; reason: string }): void {
    const record = this.#roster.find(order.receiverId);
    if (record === undefined || record.expelled) return;
    record.expelled = true;
    if (record.standing === 'complete') return;
    this.#roster.change(record, { standing: 'dropped', reason: order.reason });
    notice(actions, record, { kind: 'receiver-dropped', detail: order.reason });
  }

  #stop(actions: SenderAction[], reason: string, nowMs: number): void {
    for (const record of this.#roster.values()) {
      if (record.standing === 'complete' || record.standing === 'dropped') continue;
      this.#roster.change(record, { standing: 'dropped', reason });
    }
    this.#phase = 'ended';
    this.#nextBeatMs = nowMs;
    this.#onTick(actions, nowMs);
  }
}

/** A receiver this far behind does not hear the heartbeats and is told the beat. */
const BEATS_BEHIND_ANSWERED = 8;

function notice(
  actions: SenderAction[],
  record: ReceiverRecord,
  what: Omit<ReceiverNotice, 'receiverId'>,
): void {
  actions.push({ kind: 'notice', notice: { ...what, receiverId: record.receiverId } });
}
