import type { AgentMessage, Deployment } from '../control/messages.ts';
import { type Clock, monotonicClock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ConnectedComputer } from './computers.ts';
import { machineMtuBytes } from './datagram-size.ts';
import type { DeployContext } from './deploy-context.ts';
import { DEPLOY_LIMITS, type DeployLimits, type DeployRequest } from './deploy-request.ts';
import { DeployRoster } from './deploy-roster.ts';
import { Transmission } from './deploy-session.ts';
import { type DeployTarget, permilleDone } from './deploy-target.ts';
import { type DeploySnapshot, deploySnapshot, targetView } from './deploy-view.ts';
import type { ImageLease } from './image-library.ts';
import { type JobCustomisation, jobCustomisation } from './job-customisation.ts';
import { JobSamples } from './job-samples.ts';
import { type DiskNeeds, diskNeeds } from './preflight-message.ts';
import type { JobRecord, JobState, NewEvent } from './store.ts';
import { TargetAnswers } from './target-answers.ts';
import { candidates, missingTargets, wantedCount } from './target-selection.ts';

/** A console that was killed takes a while to be found again by its targets. */
const RESTART_WAIT_MS_MIN = 30_000;

/**
 * One deployment of one image. Every target has its own fate in a map; the job ends when each has one, which the
 * limits make sure of.
 */
export class DeployJob {
  readonly id: string;
  readonly request: DeployRequest;
  readonly #context: DeployContext;
  readonly #limits: DeployLimits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #roster: DeployRoster;
  readonly #answers: TargetAnswers;
  readonly #samples: JobSamples;
  readonly #startedAtMs: number;
  /** What a killed console had stored. */
  readonly #resumed: JobRecord | undefined;
  readonly #startedAt: string;
  readonly #lostWaitMs: number;
  #state: JobState = 'waiting';
  #error = '';
  #wanted: number;
  #tooFew = false;
  #stop: TdError | undefined;
  #lease: ImageLease | undefined;
  #needs: DiskNeeds | undefined;
  #transmission: Transmission | undefined;
  readonly #customisation: JobCustomisation | undefined;
  readonly #stopped = new AbortController();
  #wake: (() => void) | undefined;

  /** @param options `resumed`: goes on with what a killed console had stored of the job. */
  constructor(
    id: string,
    request: DeployRequest,
    options: { context: DeployContext; resumed?: JobRecord | undefined },
  ) {
    const { context, resumed } = options;
    this.id = id;
    this.request = request;
    this.#context = context;
    this.#resumed = resumed;
    this.#limits = { ...DEPLOY_LIMITS, ...context.limits };
    this.#clock = context.clock ?? monotonicClock;
    this.#startedAtMs = this.#clock.nowMs();
    this.#startedAt = resumed?.createdAt ?? new Date().toISOString();
    this.#logger = context.logger.child({ job: id });
    this.#samples = new JobSamples(id, context.store);
    this.#customisation = jobCustomisation(id, request, { context, clock: this.#clock });
    this.#wanted = wantedCount(request);
    const lostWaitMs = request.lostWaitSeconds * 1000;
    this.#lostWaitMs = resumed === undefined ? lostWaitMs : Math.max(lostWaitMs, RESTART_WAIT_MS_MIN);
    this.#roster = new DeployRoster({
      ...{ jobId: id, store: context.store, computers: context.computers, clock: this.#clock },
      drop: (receiverId, reason) => this.#transmission?.drop(receiverId, reason),
      onPhase: () => this.#wake?.(),
    });
    this.#answers = new TargetAnswers(this.#roster, {
      clock: this.#clock,
      root: () => this.#lease?.reader.root.toString('hex') ?? '',
      objection: (computerId) => context.mayDeploy?.(computerId, this.#lease!.reader.manifest) ?? '',
      // One that comes while the job runs joins late.
      onReady: (target) => {
        if (this.#state === 'running') this.#deployLater(target);
      },
    });
  }

  get state(): JobState {
    return this.#state;
  }

  /** What its targets are to become; undefined when they stay as the master is. */
  get customisation(): JobCustomisation | undefined {
    return this.#customisation;
  }

  /** Still takes computers in. */
  get isOpen(): boolean {
    return (this.#state === 'running' || this.#state === 'pre-flight') && this.#stop === undefined;
  }

  /** Was just started and takes computers in soon. */
  get isOpening(): boolean {
    return this.#state === 'waiting' && this.#wanted <= 1;
  }

  /** Runs to the end; what goes wrong is in the snapshot, nothing is thrown. */
  async run(): Promise<DeploySnapshot> {
    const { computers, library } = this.#context;
    this.#begin();
    let unsubscribe = () => {};
    try {
      this.#lease = await library.lease(this.request.image);
      this.#transmission = this.#newTransmission(this.#lease);
      this.#needs = diskNeeds(this.#lease.reader, this.request);
      unsubscribe = computers.subscribe({
        onConnected: (computer) => this.#connected(computer),
        onDisconnected: (computer, reason) => this.#disconnected(computer, reason),
      });
      // A file that is missing stops the job while every disk is as it was.
      await this.#customisation?.prepare(this.#stopped.signal);
      // A resumed job goes on at the step it had reached.
      if (this.#state === 'waiting') await this.#gather();
      for (const target of this.#roster.list()) this.#meetAgain(target);
      if (this.#state !== 'running') await this.#askAll();
      await this.#deployAll();
      this.#conclude();
    } catch (error) {
      this.#fail(error);
    } finally {
      unsubscribe();
      await this.#cleanUp();
    }
    return this.snapshot();
  }

  /** Stops the job, or one computer of it. */
  cancel(reason: string, computerId?: string): void {
    if (computerId === undefined) {
      this.#stop ??= new TdError('cancelled', reason);
      this.#stopped.abort(this.#stop);
    } else {
      const target = this.#roster.get(computerId);
      if (target !== undefined && target.phase !== 'ended') this.#roster.end(target, 'cancelled', reason);
    }
    this.#wake?.();
  }

  /** Whether {@link admit} would take a waiting computer in. */
  mayAdmit(computer: ConnectedComputer): boolean {
    const before = this.#roster.get(computer.computerId);
    const isFree = computer.jobId === undefined && computer.role === 'agent';
    return this.isOpen && isFree && (before === undefined || before.phase === 'ended');
  }

  /** Takes a waiting computer into the running job. */
  admit(computer: ConnectedComputer): void {
    if (!this.mayAdmit(computer)) return;
    const { computerId } = computer;
    const target = this.#roster.get(computerId) ?? this.#roster.add(computerId);
    this.#roster.reopen(target, { kind: 'target-joined', text: 'joins the running job' });
    this.#ask(target, computer);
  }

  /** Tries ended targets again that were not done; false when the job takes nobody in any more. */
  retry(computerIds: readonly string[]): boolean {
    if (!this.isOpen) return false;
    for (const computerId of computerIds) {
      const target = this.#roster.get(computerId);
      if (target?.phase !== 'ended' || target.end === 'done') continue;
      target.isStopping = target.report === null;
      this.#roster.reopen(target, { kind: 'target-retry', text: 'is tried again' });
      const computer = this.#context.computers.get(computerId);
      if (computer === undefined) this.#roster.lose(target, 'it is not connected');
      else if (computer.jobId === undefined && computer.role === 'agent') this.#ask(target, computer);
      else this.#roster.end(target, 'failed', `it is busy with ${computer.jobId ?? 'a backup'}`);
    }
    return true;
  }

  /** Takes what one of its targets says. */
  heard(computer: ConnectedComputer, message: AgentMessage): void {
    const target = this.#roster.get(computer.computerId);
    if (target?.connection === computer.connection) this.#answers.heard(target, message);
  }

  /** The step of one computer; undefined when it is not in the job. */
  stateOf(computerId: string): string | undefined {
    const target = this.#roster.get(computerId);
    return target === undefined ? undefined : targetView(target).state;
  }

  targets(): readonly DeployTarget[] {
    return this.#roster.list();
  }

  snapshot(): DeploySnapshot {
    const isWaiting = this.#state === 'waiting';
    return deploySnapshot(this.request, {
      id: this.id,
      state: this.#state,
      error: this.#error,
      startedAt: this.#startedAt,
      connected: isWaiting
        ? candidates(this.#context.computers, this.request.targets).length
        : this.#roster.size,
      wanted: this.#wanted,
      targets: this.#roster.list().map(targetView),
      bytesPerSecond: this.#transmission?.bytesPerSecond ?? 0,
      sessions: this.#transmission?.summaries ?? [],
    });
  }

  #begin(): void {
    const { store } = this.#context;
    const { customisation: _, ...request } = this.request;
    const { image, notApplied } = request;
    if (this.#resumed !== undefined) {
      this.#state = this.#resumed.state;
      this.#roster.restore(store.targets(this.id));
      this.#tooFew = this.#state !== 'waiting' && this.#roster.size < this.#wanted;
      const text = `deployment of "${image}" was interrupted: the console was stopped while it ran; it goes on now`;
      this.#event({ level: 'warn', kind: 'job-resumed', text });
      return;
    }
    store.createJob({ id: this.id, kind: 'deploy', image, state: 'waiting', options: this.request });
    this.#event({ kind: 'job-created', text: `deployment of "${image}" asked for`, details: request });
    for (const line of notApplied) {
      const text = `not applied by this version: ${line}`;
      this.#event({ level: 'warn', kind: 'setting-not-applied', text });
    }
  }

  async #gather(): Promise<void> {
    const { targets, waitSeconds, allOrNothing, image } = this.request;
    const registry = this.#context.computers;
    if (this.request.wake) await this.#wakeFirst();
    // After a restart nobody is there at once.
    const wanted = this.#resumed === undefined ? this.#wanted : Math.max(1, this.#wanted);
    const deadlineMs = this.#clock.nowMs() + waitSeconds * 1000;
    let chosen = candidates(registry, targets);
    if (chosen.length < wanted) {
      this.#event({ kind: 'job-waiting', text: `waiting for ${wanted} computers, up to ${waitSeconds} s` });
    }
    while (chosen.length < wanted && this.#clock.nowMs() < deadlineMs) {
      await this.#tick();
      chosen = candidates(registry, targets);
    }
    const asked = wantedCount(this.request);
    this.#tooFew = chosen.length < asked;
    const came =
      asked === 0 ? 'no computer is connected and free' : `${chosen.length} of ${asked} computers came`;
    if (chosen.length === 0 || (this.#tooFew && allOrNothing)) {
      throw new TdError(
        'timeout',
        `Cannot deploy "${image}": ${came}; start them from media of this console, or wait longer (--wait-for, --timeout)`,
      );
    }
    if (this.#tooFew)
      this.#event({ level: 'warn', kind: 'job-short', text: `${came} in time; going on with these` });
    for (const { computerId } of chosen) this.#roster.add(computerId);
    for (const { computerId, why } of missingTargets(registry, targets, chosen)) {
      this.#roster.end(this.#roster.add(computerId), 'failed', why);
    }
  }

  async #wakeFirst(): Promise<void> {
    const { targets, waitFor } = this.request;
    try {
      const woken = (await this.#context.wake?.(targets)) ?? [];
      this.#event({ kind: 'job-woke', text: `wake-up packets sent to ${woken.length} computers` });
      // Nothing else says how many to wait for.
      if (targets === 'all' && waitFor === 0) this.#wanted = woken.length;
    } catch (error) {
      this.#event({ level: 'warn', kind: 'job-woke', text: errorLine(error) });
    }
  }

  async #askAll(): Promise<void> {
    this.#setState('pre-flight');
    for (const target of this.#roster.list()) {
      if (target.phase !== 'new') continue;
      const computer = this.#context.computers.get(target.computerId);
      if (computer === undefined) this.#roster.lose(target, 'it was gone before pre-flight');
      else this.#ask(target, computer);
    }
    // Whoever a killed console had asked is waited for: perhaps all or none are to be written.
    const isBack = () => this.#resumed === undefined || !this.#roster.some('lost');
    while (this.#roster.some('asking') || !isBack()) await this.#tick();
    const refused = this.#roster.list().filter((one) => one.end === 'failed');
    if (this.request.allOrNothing && (refused.length > 0 || this.#roster.some('lost'))) {
      throw new TdError(
        'refused',
        `Nothing was written: ${refused.length} computers cannot take "${this.request.image}" and all or none were asked for`,
      );
    }
  }

  #ask(target: DeployTarget, computer: ConnectedComputer): void {
    this.#roster.attach(target, computer);
    const objection = this.#customisation?.objection(computer) ?? '';
    if (objection !== '') {
      this.#roster.end(target, 'failed', objection);
      return;
    }
    this.#roster.setPhase(target, 'asking');
    this.#roster.setStep(target, 'pre-flight', '');
    computer.connection.send({ type: 'preflight', jobId: this.id, ...this.#needs! });
  }

  async #deployAll(): Promise<void> {
    if (this.#state !== 'running') this.#setState('running');
    const ready = this.#roster.list().filter((one) => one.phase === 'ready');
    if (ready.length > 0) await this.#deploy(ready);
    while (!this.#roster.allEnded) await this.#tick();
  }

  #deployLater(target: DeployTarget): void {
    this.#deploy([target]).catch((error) => this.#stopWith(error));
  }

  /** Gives targets their deployment: into the running session, or into a new one when that has ended. */
  async #deploy(targets: readonly DeployTarget[]): Promise<void> {
    const transmission = this.#transmission!;
    for (const target of targets) this.#roster.enlist(target, transmission.newReceiverId());
    const receivers = targets.map(({ receiverId, label, connection, address }) => ({
      receiverId,
      name: label,
      ...(connection && { mtuBytes: machineMtuBytes(connection.hello.machine, address) }),
    }));
    const session = await transmission.join(receivers);
    for (const [i, target] of targets.entries()) {
      const { receiverId } = receivers[i]!;
      // It may have gone, or been cancelled, while the session was being started.
      if (target.phase !== 'active' || target.receiverId !== receiverId)
        transmission.drop(receiverId, 'gone');
      else
        target.connection?.send({ type: 'deploy', deployment: this.#deployment({ ...session, receiverId }) });
    }
  }

  #newTransmission(lease: ImageLease): Transmission {
    const { places, interfaceAddress, startMulticast } = this.#context;
    return new Transmission(lease, {
      places,
      interfaceAddress,
      rateMbit: this.request.rateMbit,
      datagramBytes: this.request.datagramBytes,
      start: startMulticast,
      logger: this.#logger,
      onStarted: (details) => {
        const text = `multicast to ${details.group}:${details.port} for ${details.receivers} computers`;
        this.#event({ kind: 'session-started', text, details });
      },
      onEvent: (notice) => this.#answers.noticed(notice),
      onError: (error) => this.#stopWith(error),
    });
  }

  /** What the session cannot send, no target can get in another way: the image itself is wrong. */
  #stopWith(error: unknown): void {
    this.#stop ??= error instanceof TdError ? error : new TdError('io', errorLine(error), { cause: error });
    this.#wake?.();
  }

  #deployment(session: Deployment['session']): Deployment {
    const { reader, name } = this.#lease!;
    const image = {
      imageId: reader.imageId,
      name,
      root: reader.root.toString('hex'),
      chunkCount: reader.index.chunkCount,
      path: `/v1/images/${name}`,
    };
    const { diskRule, after, disk, partitions } = this.request;
    return {
      ...{ jobId: this.id, image, session, diskRule, after },
      ...(disk === 0 ? {} : { disk }),
      ...(partitions === 'all' ? {} : { partitions }),
      ...(this.#customisation === undefined ? {} : { customisation: { path: `/v1/jobs/${this.id}` } }),
    };
  }

  #connected(computer: ConnectedComputer): void {
    this.#wake?.();
    if (computer.role !== 'agent' || !this.isOpen) return;
    const target = this.#roster.get(computer.computerId);
    if (target !== undefined) this.#meetAgain(target);
    else if (this.request.joinLate && this.request.targets === 'all') {
      // What another job still writes there is not thrown away for this one.
      if (computer.connection.hello.job === undefined) this.admit(computer);
    }
  }

  /** A target that was lost and is connected: one that still works for the job goes on, another begins anew. */
  #meetAgain(target: DeployTarget): void {
    const computer = this.#context.computers.get(target.computerId);
    if (computer?.role !== 'agent' || (target.phase !== 'lost' && !target.endedByLoss)) return;
    const going = computer.connection.hello.job;
    if (going?.jobId !== this.id || this.#state !== 'running') {
      const text = 'is back; asked again and joins the running session';
      this.#roster.reopen(target, { kind: 'target-back', text });
      this.#ask(target, computer);
      return;
    }
    this.#roster.reopen(target, { kind: 'target-back', text: `is back and goes on at "${going.step}"` });
    this.#roster.attach(target, computer);
    target.doneBytes = going.doneBytes;
    target.totalBytes = going.totalBytes;
    this.#roster.setStep(target, going.step, '');
    this.#deployLater(target);
  }

  #disconnected(computer: ConnectedComputer, reason: string): void {
    const target = this.#roster.get(computer.computerId);
    if (target === undefined || target.connection !== computer.connection || target.phase === 'ended') return;
    this.#roster.lose(target, reason);
  }

  /** Waits for news or a moment, then looks at the times. @throws TdError when the job is to stop. */
  async #tick(): Promise<void> {
    if (this.#stop === undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#limits.tickMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    if (this.#stop !== undefined) throw this.#stop;
    if (this.#clock.nowMs() - this.#startedAtMs > this.#limits.jobMs) {
      throw new TdError('timeout', `the job did not end in ${Math.round(this.#limits.jobMs / 1000)} s`);
    }
    this.#roster.checkTimes(this.#limits, this.#lostWaitMs);
    if (this.#state === 'running') this.#sample();
  }

  #sample(): void {
    this.#samples.take(Date.now() - Date.parse(this.#startedAt), () => ({
      bytesPerSecond: this.#transmission?.bytesPerSecond ?? 0,
      permille: this.#roster.list().map(permilleDone),
    }));
  }

  #setState(state: JobState): void {
    this.#state = state;
    this.#context.store.setJob(this.id, { state });
    this.#event({ kind: 'job-state', text: `job is ${state}` });
  }

  #event(event: NewEvent): void {
    this.#context.store.addEvent({ ...event, jobId: this.id });
  }

  #conclude(): void {
    const ends = this.#roster.list().map((one) => one.end);
    const done = ends.filter((end) => end === 'done').length;
    const complete = done === ends.length && !this.#tooFew;
    const waited = this.#tooFew ? `, ${this.#wanted} were waited for` : '';
    const text = `${done} of ${ends.length} computers done${waited}`;
    this.#finish(complete ? 'done' : done > 0 ? 'partial' : 'failed', text);
  }

  #fail(error: unknown): void {
    const cancelled = error instanceof TdError && error.code === 'cancelled';
    const reason = errorLine(error);
    for (const target of this.#roster.list()) {
      if (target.phase !== 'ended') this.#roster.end(target, cancelled ? 'cancelled' : 'failed', reason);
    }
    this.#finish(cancelled ? 'cancelled' : 'failed', reason);
  }

  #finish(state: JobState, text: string): void {
    this.#state = state;
    this.#error = state === 'done' ? '' : text;
    const level = state === 'done' ? 'info' : state === 'failed' ? 'error' : 'warn';
    this.#event({ level, kind: 'job-ended', text: `job is ${state}: ${text}` });
  }

  async #cleanUp(): Promise<void> {
    await this.#transmission?.stop();
    await this.#lease?.[Symbol.asyncDispose]();
    await this.#customisation?.[Symbol.asyncDispose]();
    this.#context.store.setJob(this.id, {
      state: this.#state,
      error: this.#error,
      summary: { sessions: this.#transmission?.summaries ?? [], targets: this.snapshot().targets },
    });
  }
}
