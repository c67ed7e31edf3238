import type { ControlConnection } from '../control/control-connection.ts';
import type { AgentMessage, ConsoleMessage, Deployment } from '../control/messages.ts';
import { type Clock, monotonicClock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ComputerRegistry, ConnectedComputer } from './computers.ts';
import { DEPLOY_LIMITS, type DeployLimits, type DeployRequest } from './deploy-request.ts';
import { type SessionPlaces, type StartMulticast, Transmission } from './deploy-session.ts';
import { type DeployTarget, newTarget, type TargetEnd, type TargetPhase } from './deploy-target.ts';
import { type DeploySnapshot, targetRecord, targetView } from './deploy-view.ts';
import type { ImageLease, ImageLibrary } from './image-library.ts';
import { preflightMessage } from './preflight-message.ts';
import type { ConsoleStore, JobState, NewEvent } from './store.ts';
import { candidates, missingTargets, wantedCount } from './target-selection.ts';

export interface DeployContext {
  computers: ComputerRegistry;
  library: ImageLibrary;
  store: ConsoleStore;
  places: SessionPlaces;
  interfaceAddress: string;
  startMulticast: StartMulticast;
  limits?: Partial<DeployLimits>;
  clock?: Clock;
  logger: Logger;
}

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
  readonly #targets = new Map<string, DeployTarget>();
  readonly #startedAtMs: number;
  #state: JobState = 'waiting';
  #error = '';
  #tooFew = false;
  #stop: TdError | undefined;
  #lease: ImageLease | undefined;
  #preflight: ConsoleMessage | undefined;
  #transmission: Transmission | undefined;
  #wake: (() => void) | undefined;

  constructor(id: string, request: DeployRequest, context: DeployContext) {
    this.id = id;
    this.request = request;
    this.#context = context;
    this.#limits = { ...DEPLOY_LIMITS, ...context.limits };
    this.#clock = context.clock ?? monotonicClock;
    this.#startedAtMs = this.#clock.nowMs();
    this.#logger = context.logger.child({ job: id });
  }

  get state(): JobState {
    return this.#state;
  }

  /** Runs to the end; what goes wrong is in the snapshot, nothing is thrown. */
  async run(): Promise<DeploySnapshot> {
    const { computers, store, library } = this.#context;
    const { image } = this.request;
    store.createJob({ id: this.id, kind: 'deploy', image, state: 'waiting', options: this.request });
    this.#event({ kind: 'job-created', text: `deployment of "${image}" asked for`, details: this.request });
    const unsubscribe = computers.subscribe({
      onConnected: (computer) => this.#connected(computer),
      onDisconnected: (computer, reason) => this.#disconnected(computer, reason),
    });
    try {
      this.#lease = await library.lease(image);
      this.#transmission = this.#newTransmission(this.#lease);
      this.#preflight = preflightMessage(this.#lease.reader, {
        jobId: this.id,
        diskRule: this.request.diskRule,
      });
      await this.#gather();
      await this.#askAll();
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
    } else {
      const target = this.#targets.get(computerId);
      if (target !== undefined && target.phase !== 'ended') this.#endTarget(target, 'cancelled', reason);
    }
    this.#wake?.();
  }

  snapshot(): DeploySnapshot {
    return {
      id: this.id,
      kind: 'deploy',
      image: this.request.image,
      state: this.#state,
      error: this.#error,
      connected: candidates(this.#context.computers, this.request.targets).length,
      wanted: wantedCount(this.request),
      targets: [...this.#targets.values()].map(targetView),
      bytesPerSecond: this.#transmission?.bytesPerSecond ?? 0,
      sessions: this.#transmission?.summaries ?? [],
    };
  }

  async #gather(): Promise<void> {
    const { targets, waitSeconds, allOrNothing, image } = this.request;
    const registry = this.#context.computers;
    const wanted = wantedCount(this.request);
    const deadlineMs = this.#startedAtMs + waitSeconds * 1000;
    let chosen = candidates(registry, targets);
    if (chosen.length < wanted) {
      this.#event({ kind: 'job-waiting', text: `waiting for ${wanted} computers, up to ${waitSeconds} s` });
    }
    while (chosen.length < wanted && this.#clock.nowMs() < deadlineMs) {
      await this.#tick();
      chosen = candidates(registry, targets);
    }
    this.#tooFew = chosen.length < wanted;
    const came =
      wanted === 0 ? 'no computer is connected and free' : `${chosen.length} of ${wanted} computers came`;
    if (chosen.length === 0 || (this.#tooFew && allOrNothing)) {
      throw new TdError(
        'timeout',
        `Cannot deploy "${image}": ${came}; start them from media of this console, or wait longer (--wait-for, --timeout)`,
      );
    }
    if (this.#tooFew)
      this.#event({ level: 'warn', kind: 'job-short', text: `${came} in time; going on with these` });
    for (const { computerId } of chosen)
      this.#targets.set(computerId, newTarget(computerId, this.#clock.nowMs()));
    for (const { computerId, why } of missingTargets(registry, targets, chosen)) {
      const target = newTarget(computerId, this.#clock.nowMs());
      this.#targets.set(computerId, target);
      this.#endTarget(target, 'failed', why);
    }
  }

  async #askAll(): Promise<void> {
    this.#setState('pre-flight');
    for (const target of this.#targets.values()) {
      const computer = this.#context.computers.get(target.computerId);
      if (target.phase !== 'new') continue;
      if (computer === undefined) this.#lose(target, 'it was gone before pre-flight');
      else this.#ask(target, computer);
    }
    while (this.#some('asking')) await this.#tick();
    const refused = [...this.#targets.values()].filter((one) => one.end === 'failed');
    if (this.request.allOrNothing && (refused.length > 0 || this.#some('lost'))) {
      throw new TdError(
        'refused',
        `Nothing was written: ${refused.length} computers cannot take "${this.request.image}" and all or none were asked for`,
      );
    }
  }

  #ask(target: DeployTarget, computer: ConnectedComputer): void {
    computer.jobId = this.id;
    target.connection = computer.connection;
    target.address = computer.address;
    this.#setPhase(target, 'asking');
    this.#setStep(target, 'pre-flight', '');
    const { connection } = computer;
    connection.onMessage((message) => this.#heard(target, connection, message));
    connection.send(this.#preflight!);
  }

  async #deployAll(): Promise<void> {
    this.#setState('running');
    const ready = [...this.#targets.values()].filter((one) => one.phase === 'ready');
    if (ready.length > 0) await this.#deploy(ready);
    while (!this.#finished()) await this.#tick();
  }

  /** Gives targets their deployment: into the running session, or into a new one when that has ended. */
  async #deploy(targets: readonly DeployTarget[]): Promise<void> {
    const transmission = this.#transmission!;
    for (const target of targets) {
      target.receiverId = transmission.newReceiverId();
      this.#setPhase(target, 'active');
    }
    const receivers = targets.map(({ receiverId, label }) => ({ receiverId, name: label }));
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
      start: startMulticast,
      logger: this.#logger,
      onStarted: (details) => {
        const text = `multicast to ${details.group}:${details.port} for ${details.receivers} computers`;
        this.#event({ kind: 'session-started', text, details });
      },
      onEvent: ({ kind, receiverId, detail }) => {
        const target = [...this.#targets.values()].find((one) => one.receiverId === receiverId);
        const event = { kind: `multicast-${kind}`, text: detail === '' ? kind : `${kind}: ${detail}` };
        if (target !== undefined) this.#targetEvent(target, event);
      },
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
    const { diskRule, after } = this.request;
    return { jobId: this.id, image, session, diskRule, after };
  }

  #heard(target: DeployTarget, connection: ControlConnection, message: AgentMessage): void {
    if (target.connection !== connection || target.phase === 'ended') return;
    if (!('jobId' in message) || message.jobId !== this.id) return;
    if (message.type === 'preflight-result') this.#answered(target, message);
    else if (message.type === 'state') this.#stateChanged(target, message);
    else if (message.type === 'report') this.#reported(target, message);
    else if (message.type === 'progress') {
      if (message.doneBytes !== target.doneBytes) target.activeAtMs = this.#clock.nowMs();
      target.doneBytes = message.doneBytes;
      target.totalBytes = message.totalBytes;
      target.bytesPerSecond = message.bytesPerSecond;
    }
    this.#wake?.();
  }

  #answered(target: DeployTarget, answer: Extract<AgentMessage, { type: 'preflight-result' }>): void {
    if (target.phase !== 'asking') return;
    target.disk = answer.disk;
    if (!answer.ok) {
      this.#endTarget(target, 'failed', answer.reason || 'it says it cannot, without a reason');
      return;
    }
    this.#setPhase(target, 'ready');
    this.#targetEvent(target, {
      kind: 'preflight-ok',
      text: `ready: ${answer.disk}${answer.reason === '' ? '' : `; ${answer.reason}`}`,
    });
    // One that came back while the job runs joins late.
    if (this.#state === 'running') {
      this.#deploy([target]).catch((error) => this.#stopWith(error));
    }
  }

  #stateChanged(target: DeployTarget, message: Extract<AgentMessage, { type: 'state' }>): void {
    target.activeAtMs = this.#clock.nowMs();
    if (message.step === 'failed') this.#endTarget(target, 'failed', message.detail || 'no reason was given');
    else if (message.step === 'cancelled') this.#endTarget(target, 'cancelled', message.detail);
    // Only a report that proves the image's root makes a target done.
    else this.#setStep(target, message.step === 'done' ? target.step : message.step, message.detail);
  }

  #reported(target: DeployTarget, message: Extract<AgentMessage, { type: 'report' }>): void {
    const { report } = message;
    target.report = report;
    const root = this.#lease!.reader.root.toString('hex');
    if (!report.ok) this.#endTarget(target, 'failed', report.error || 'no reason was given');
    else if (report.root !== root) {
      this.#endTarget(
        target,
        'failed',
        'it reports another image than the one that was sent; deploy it again',
      );
    } else this.#endTarget(target, 'done', '');
  }

  #connected(computer: ConnectedComputer): void {
    this.#wake?.();
    const target = this.#targets.get(computer.computerId);
    const mayReturn = target !== undefined && (target.phase === 'lost' || target.endedByLoss);
    if (!mayReturn || computer.role !== 'agent' || this.#stop !== undefined) return;
    if (this.#state !== 'running' && this.#state !== 'pre-flight') return;
    target.end = undefined;
    target.endedByLoss = false;
    target.reason = '';
    this.#targetEvent(target, {
      kind: 'target-back',
      text: 'is back; asked again and joins the running session',
    });
    this.#ask(target, computer);
  }

  #disconnected(computer: ConnectedComputer, reason: string): void {
    const target = this.#targets.get(computer.computerId);
    if (target === undefined || target.connection !== computer.connection || target.phase === 'ended') return;
    this.#lose(target, reason);
    this.#wake?.();
  }

  #lose(target: DeployTarget, reason: string): void {
    target.connection = undefined;
    target.reason = `lost contact: ${reason}`;
    if (target.phase === 'active') this.#transmission?.drop(target.receiverId, 'lost contact');
    this.#setPhase(target, 'lost');
    this.#targetEvent(target, { level: 'warn', kind: 'target-lost', text: target.reason });
    this.#saveTarget(target);
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
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#startedAtMs > this.#limits.jobMs) {
      throw new TdError('timeout', `the job did not end in ${Math.round(this.#limits.jobMs / 1000)} s`);
    }
    for (const target of this.#targets.values()) this.#checkTimes(target, nowMs);
  }

  #checkTimes(target: DeployTarget, nowMs: number): void {
    const phaseMs = nowMs - target.phaseAtMs;
    const { preflightMs, stalledMs } = this.#limits;
    if (target.phase === 'asking' && phaseMs > preflightMs) {
      this.#endTarget(target, 'failed', `it did not answer pre-flight in ${preflightMs / 1000} s`);
    } else if (target.phase === 'active' && nowMs - target.activeAtMs > stalledMs) {
      this.#endTarget(
        target,
        'failed',
        `no progress for ${Math.round(stalledMs / 1000)} s in "${target.step}"`,
      );
    } else if (target.phase === 'lost' && phaseMs > this.request.lostWaitSeconds * 1000) {
      this.#endTarget(target, 'failed', `${target.reason}; it did not come back`);
      target.endedByLoss = true;
    }
  }

  #some(phase: TargetPhase): boolean {
    return [...this.#targets.values()].some((one) => one.phase === phase);
  }

  #finished(): boolean {
    return [...this.#targets.values()].every((one) => one.phase === 'ended');
  }

  #setState(state: JobState): void {
    this.#state = state;
    this.#context.store.setJob(this.id, { state });
    this.#event({ kind: 'job-state', text: `job is ${state}` });
  }

  #setPhase(target: DeployTarget, phase: TargetPhase): void {
    target.phase = phase;
    target.phaseAtMs = this.#clock.nowMs();
    target.activeAtMs = target.phaseAtMs;
  }

  #setStep(target: DeployTarget, step: string, detail: string): void {
    target.detail = detail;
    if (target.step === step) return;
    target.step = step;
    this.#targetEvent(target, {
      kind: 'target-step',
      text: detail === '' ? step : `${step}: ${detail}`,
      details: { step },
    });
    this.#saveTarget(target);
  }

  #endTarget(target: DeployTarget, end: TargetEnd, reason: string): void {
    if (target.phase === 'active' && end !== 'done') {
      this.#transmission?.drop(target.receiverId, reason || end);
    }
    this.#setPhase(target, 'ended');
    target.end = end;
    target.step = end;
    target.detail = '';
    target.reason = reason;
    const level = end === 'done' ? 'info' : end === 'failed' ? 'error' : 'warn';
    const text = reason === '' ? end : `${end}: ${reason}`;
    this.#targetEvent(target, { level, kind: `target-${end}`, text, details: { report: target.report } });
    this.#saveTarget(target);
    if (end !== 'done')
      target.connection?.send({ type: 'cancel', jobId: this.id, reason: (reason || end).slice(0, 1000) });
    const computer = this.#context.computers.get(target.computerId);
    if (computer?.jobId === this.id) computer.jobId = undefined;
  }

  #saveTarget(target: DeployTarget): void {
    this.#context.store.setTarget(this.id, targetRecord(target));
  }

  #targetEvent(target: DeployTarget, event: NewEvent): void {
    const text = `${target.label} ${event.text}`;
    this.#event({ ...event, computerId: target.computerId, text });
  }

  #event(event: NewEvent): void {
    this.#context.store.addEvent({ ...event, jobId: this.id });
  }

  #conclude(): void {
    const ends = [...this.#targets.values()].map((one) => one.end);
    const done = ends.filter((end) => end === 'done').length;
    const complete = done === ends.length && !this.#tooFew;
    const waited = this.#tooFew ? `, ${wantedCount(this.request)} were waited for` : '';
    const text = `${done} of ${ends.length} computers done${waited}`;
    this.#finish(complete ? 'done' : done > 0 ? 'partial' : 'failed', text);
  }

  #fail(error: unknown): void {
    const cancelled = error instanceof TdError && error.code === 'cancelled';
    const reason = errorLine(error);
    for (const target of this.#targets.values()) {
      if (target.phase !== 'ended') this.#endTarget(target, cancelled ? 'cancelled' : 'failed', reason);
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
    this.#context.store.setJob(this.id, {
      state: this.#state,
      error: this.#error,
      summary: { sessions: this.#transmission?.summaries ?? [], targets: this.snapshot().targets },
    });
  }
}
