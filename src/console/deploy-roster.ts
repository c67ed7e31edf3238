import type { Clock } from '../lib/clock.ts';
import type { ComputerRegistry, ConnectedComputer } from './computers.ts';
import type { DeployLimits } from './deploy-request.ts';
import {
  type DeployTarget,
  NOT_BACK,
  newTarget,
  restoredTarget,
  type TargetEnd,
  type TargetPhase,
} from './deploy-target.ts';
import { briefReport, targetRecord } from './deploy-view.ts';
import type { ConsoleStore, NewEvent, TargetRecord } from './store.ts';

export interface RosterOptions {
  jobId: string;
  store: ConsoleStore;
  computers: ComputerRegistry;
  clock: Clock;
  /** Takes a target out of the multicast. */
  drop(receiverId: number, reason: string): void;
  /** A target's phase changed. */
  onPhase(): void;
}

/** The targets of one job: where each stands, in memory, in the store and in the log alike. */
export class DeployRoster {
  readonly #options: RosterOptions;
  readonly #targets = new Map<string, DeployTarget>();
  readonly #byReceiver = new Map<number, DeployTarget>();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#targets.size;
  }

  /** In the order in which they came to the job. */
  list(): DeployTarget[] {
    return [...this.#targets.values()];
  }

  get(computerId: string): DeployTarget | undefined {
    return this.#targets.get(computerId);
  }

  byReceiver(receiverId: number): DeployTarget | undefined {
    return this.#byReceiver.get(receiverId);
  }

  some(...phases: readonly TargetPhase[]): boolean {
    for (const { phase } of this.#targets.values()) if (phases.includes(phase)) return true;
    return false;
  }

  get allEnded(): boolean {
    for (const { phase } of this.#targets.values()) if (phase !== 'ended') return false;
    return true;
  }

  add(computerId: string): DeployTarget {
    const target = newTarget(computerId, this.#options.clock.nowMs());
    this.#targets.set(computerId, target);
    this.save(target);
    return target;
  }

  /** Takes in what a killed console stored: who had not ended is out of contact until it comes back. */
  restore(records: readonly TargetRecord[]): void {
    for (const record of records) {
      this.#targets.set(record.computerId, restoredTarget(record, this.#options.clock.nowMs()));
    }
  }

  /** From now on the target's messages come over this connection. */
  attach(target: DeployTarget, computer: ConnectedComputer): void {
    computer.jobId = this.#options.jobId;
    target.connection = computer.connection;
    target.address = computer.address;
  }

  /** Gives it a fresh number in the multicast. */
  enlist(target: DeployTarget, receiverId: number): void {
    this.#byReceiver.delete(target.receiverId);
    target.receiverId = receiverId;
    this.#byReceiver.set(receiverId, target);
    this.setPhase(target, 'active');
  }

  setPhase(target: DeployTarget, phase: TargetPhase): void {
    target.phase = phase;
    target.phaseAtMs = this.#options.clock.nowMs();
    target.activeAtMs = target.phaseAtMs;
    this.#options.onPhase();
  }

  setStep(target: DeployTarget, step: string, detail: string): void {
    target.detail = detail;
    if (target.step === step) return;
    target.step = step;
    const text = detail === '' ? step : `${step}: ${detail}`;
    this.event(target, { kind: 'target-step', text, details: { step } });
    this.save(target);
  }

  end(target: DeployTarget, end: TargetEnd, reason: string): void {
    const { jobId, computers } = this.#options;
    if (target.phase === 'active' && end !== 'done') {
      this.#options.drop(target.receiverId, reason || end);
    }
    target.end = end;
    target.step = end;
    target.detail = '';
    target.reason = reason;
    this.setPhase(target, 'ended');
    const level = end === 'done' ? 'info' : end === 'failed' ? 'error' : 'warn';
    const text = reason === '' ? end : `${end}: ${reason}`;
    this.event(target, {
      level,
      kind: `target-${end}`,
      text,
      details: { report: briefReport(target.report) },
    });
    this.save(target);
    if (end !== 'done')
      target.connection?.send({ type: 'cancel', jobId, reason: (reason || end).slice(0, 1000) });
    const computer = computers.get(target.computerId);
    if (computer?.jobId === jobId) computer.jobId = undefined;
  }

  lose(target: DeployTarget, reason: string): void {
    target.connection = undefined;
    target.reason = `lost contact: ${reason}`;
    if (target.phase === 'active') this.#options.drop(target.receiverId, 'lost contact');
    this.setPhase(target, 'lost');
    this.event(target, { level: 'warn', kind: 'target-lost', text: target.reason });
    this.save(target);
  }

  /** Gives one that was lost or has ended another try. */
  reopen(target: DeployTarget, event: NewEvent): void {
    target.end = undefined;
    target.endedByLoss = false;
    target.reason = '';
    target.slow = '';
    target.report = null;
    this.event(target, event);
  }

  /** Ends targets that took too long. */
  checkTimes(limits: Pick<DeployLimits, 'preflightMs' | 'stalledMs'>, lostWaitMs: number): void {
    const nowMs = this.#options.clock.nowMs();
    const { preflightMs, stalledMs } = limits;
    for (const target of this.#targets.values()) {
      const phaseMs = nowMs - target.phaseAtMs;
      if (target.phase === 'asking' && phaseMs > preflightMs) {
        this.end(target, 'failed', `it did not answer pre-flight in ${preflightMs / 1000} s`);
      } else if (target.phase === 'active' && nowMs - target.activeAtMs > stalledMs) {
        this.end(target, 'failed', `no progress for ${Math.round(stalledMs / 1000)} s in "${target.step}"`);
      } else if (target.phase === 'lost' && phaseMs > lostWaitMs) {
        this.end(target, 'failed', `${target.reason}; ${NOT_BACK}`);
        target.endedByLoss = true;
      }
    }
  }

  save(target: DeployTarget): void {
    this.#options.store.setTarget(this.#options.jobId, targetRecord(target));
  }

  event(target: DeployTarget, event: NewEvent): void {
    const { store, jobId } = this.#options;
    const { computerId, label } = target;
    store.addEvent({ ...event, jobId, computerId, text: `${label} ${event.text}` });
  }
}
