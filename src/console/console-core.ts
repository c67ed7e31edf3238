import type { ControlConnection } from '../control/control-connection.ts';
import type { AgentMessage } from '../control/messages.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { CaptureContext, CaptureSnapshot } from './capture-job.ts';
import { Captures } from './captures.ts';
import { ComputerRegistry, type ConnectedComputer, computerLabel } from './computers.ts';
import { type DeployContext, DeployJob } from './deploy-job.ts';
import type { DeployRequest } from './deploy-request.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import type { ImageLibrary } from './image-library.ts';
import { newJobId } from './job-id.ts';
import { type ConsoleStore, isEnded } from './store.ts';

const JOBS_KEPT_MAX = 100;
const LOG_LINES_PER_MINUTE_MAX = 60;

export type JobSnapshot = DeploySnapshot | CaptureSnapshot;

export interface CoreOptions
  extends Omit<DeployContext, 'computers'>,
    Omit<CaptureContext, 'library' | 'store'> {}

/** A computer as commands and screens see it. */
export interface ComputerView {
  computerId: string;
  name: string;
  address: string;
  role: string;
  model: string;
  serial: string;
  firmware: string;
  memoryBytes: number;
  macs: string[];
  disks: { name: string; model: string; serial: string; sizeBytes: number }[];
  connectedAt: string;
  jobId: string | null;
  /** `waiting`, or the step of its job. */
  state: string;
}

/** What a console knows and does, without any face: command line and screens are built on it. */
export class ConsoleCore {
  readonly computers = new ComputerRegistry();
  readonly library: ImageLibrary;
  readonly store: ConsoleStore;
  readonly captures: Captures;
  readonly #options: CoreOptions;
  readonly #logger: Logger;
  readonly #deployments = new Map<string, { job: DeployJob; ended: Promise<DeploySnapshot> }>();

  constructor(options: CoreOptions) {
    this.#options = options;
    this.library = options.library;
    this.store = options.store;
    this.#logger = options.logger;
    this.captures = new Captures(options);
  }

  /** Takes in a computer that said hello. */
  addConnection(connection: ControlConnection): void {
    const computer = this.computers.add(connection);
    const { computerId, role, address, machine } = computer;
    this.store.recordComputer({ id: computerId, role, address, machine });
    this.store.addEvent({
      ...(connection.proven ? {} : { level: 'warn' as const }),
      kind: 'computer-connected',
      computerId,
      text: `${computerLabel(computerId)} (${machine.model || 'unknown model'}) connected from ${address} as ${role}${connection.proven ? '' : ', from a medium without a site image'}`,
    });
    connection.onClose((reason) => {
      this.store.addEvent({
        kind: 'computer-gone',
        computerId,
        text: `${computerLabel(computerId)} is gone: ${reason}`,
      });
    });
    const capture = this.captures.list().find((job) => !job.ended && job.computerId === computerId);
    if (role === 'backup' && capture !== undefined) capture.follow(computer);
    const mayLog = logBudget();
    connection.onMessage((message) => this.#heard(computer, message, mayLog));
  }

  /** Starts a deployment; its fate is followed by its id. */
  deploy(request: DeployRequest): DeployJob {
    const job = new DeployJob(newJobId(), request, { ...this.#options, computers: this.computers });
    const ended = job.run();
    this.#deployments.set(job.id, { job, ended });
    this.#forgetOldest();
    return job;
  }

  /** Resolves at the end of a deployment. */
  async deployEnded(jobId: string): Promise<DeploySnapshot> {
    const found = this.#deployments.get(jobId);
    if (found === undefined) throw unknownJob(jobId);
    return found.ended;
  }

  jobs(): JobSnapshot[] {
    const all: JobSnapshot[] = [
      ...[...this.#deployments.values()].map(({ job }) => job.snapshot()),
      ...this.captures.list().map((job) => job.snapshot()),
    ];
    return all.sort((a, b) => a.id.localeCompare(b.id));
  }

  job(jobId: string): JobSnapshot {
    const snapshot = this.#deployments.get(jobId)?.job.snapshot() ?? this.captures.get(jobId)?.snapshot();
    if (snapshot === undefined) throw unknownJob(jobId);
    return snapshot;
  }

  /** Cancels a job, or one computer of a deployment. @throws TdError `not-found`. */
  async cancel(jobId: string, options: { computer?: string; reason: string }): Promise<void> {
    const deployment = this.#deployments.get(jobId);
    const capture = this.captures.get(jobId);
    if (deployment !== undefined) {
      const { computer } = options;
      const computerId =
        computer === undefined ? undefined : (this.computers.find(computer)?.computerId ?? computer);
      deployment.job.cancel(options.reason, computerId);
    } else if (capture !== undefined) await capture.cancel(options.reason);
    else throw unknownJob(jobId);
  }

  computerViews(): ComputerView[] {
    return this.computers.list().map((computer) => this.#view(computer));
  }

  /** Ends every job, so that computers and the log know why. */
  async close(reason: string): Promise<void> {
    for (const { job } of this.#deployments.values()) job.cancel(reason);
    await Promise.all([...this.#deployments.values()].map(({ ended }) => ended));
    await this.captures.cancelAll(reason);
  }

  #heard(computer: ConnectedComputer, message: AgentMessage, mayLog: () => boolean): void {
    if (message.type === 'capture-request') {
      // It answers by itself, whatever happens.
      void this.captures.request(computer, message);
    } else if (message.type === 'report' && !this.#deployments.has(message.jobId)) {
      this.#lateReport(computer, message);
    } else if (message.type === 'log') {
      const { level, text } = message;
      this.#logger.debug({ computer: computer.computerId, level }, text);
      if ((level !== 'warn' && level !== 'error') || !mayLog()) return;
      const { computerId, jobId } = computer;
      this.store.addEvent({
        level,
        kind: 'computer-log',
        computerId,
        ...(jobId === undefined ? {} : { jobId }),
        text: `${computerLabel(computerId)} says: ${text}`,
      });
    }
  }

  /** Of a job that a killed console left behind: the target went on by itself. */
  #lateReport(computer: ConnectedComputer, message: Extract<AgentMessage, { type: 'report' }>): void {
    const { jobId, report } = message;
    const { computerId } = computer;
    if (!this.store.jobs().some((job) => job.id === jobId && job.kind === 'deploy')) return;
    const step = report.ok ? 'done' : 'failed';
    this.store.setTarget(jobId, { computerId, step, reason: report.error, disk: report.disk, report });
    this.store.addEvent({
      level: report.ok ? 'info' : 'error',
      kind: `target-${step}`,
      jobId,
      computerId,
      text: `${computerLabel(computerId)} ${step} after the console was restarted${report.ok ? '' : `: ${report.error}`}`,
      details: { report },
    });
  }

  #view(computer: ConnectedComputer): ComputerView {
    const { computerId, machine, jobId = null } = computer;
    return {
      computerId,
      name: computerLabel(computerId),
      address: computer.address,
      role: computer.role,
      model: [machine.vendor, machine.model].filter((part) => part !== '').join(' '),
      serial: machine.serial,
      firmware: machine.firmware,
      memoryBytes: machine.memoryBytes,
      macs: machine.nics.map((nic) => nic.mac),
      disks: machine.disks
        .filter((disk) => !disk.bootMedium)
        .map(({ name, model, serial, sizeBytes }) => ({ name, model, serial, sizeBytes })),
      connectedAt: computer.connectedAt,
      jobId,
      state: jobId === null ? 'waiting' : this.#stateOf(computer, jobId),
    };
  }

  #stateOf(computer: ConnectedComputer, jobId: string): string {
    const snapshot = this.jobs().find((one) => one.id === jobId);
    if (snapshot?.kind === 'capture') return snapshot.step;
    return snapshot?.targets.find((one) => one.computerId === computer.computerId)?.state ?? 'assigned';
  }

  #forgetOldest(): void {
    const ended = [...this.#deployments.values()].filter(({ job }) => isEnded(job.state));
    for (const { job } of ended.slice(0, Math.max(0, ended.length - JOBS_KEPT_MAX))) {
      this.#deployments.delete(job.id);
    }
  }
}

function unknownJob(jobId: string): TdError {
  return new TdError(
    'not-found',
    `There is no job "${jobId}" in this console; "totaldeploy log" lists older ones`,
  );
}

/** Sixty lines a minute: a computer in trouble must not push everything else out of the log. */
function logBudget(): () => boolean {
  let sinceMs = performance.now();
  let lines = 0;
  return () => {
    const nowMs = performance.now();
    if (nowMs - sinceMs > 60_000) {
      sinceMs = nowMs;
      lines = 0;
    }
    lines += 1;
    return lines <= LOG_LINES_PER_MINUTE_MAX;
  };
}
