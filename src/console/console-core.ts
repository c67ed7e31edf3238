import type { ControlConnection } from '../control/control-connection.ts';
import type { AgentMessage } from '../control/messages.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { CaptureContext, CaptureSnapshot } from './capture-job.ts';
import { Captures } from './captures.ts';
import {
  ComputerRegistry,
  type ConnectedComputer,
  computerLabel,
  type KnownComputer,
  modelText,
} from './computers.ts';
import type { DeployContext } from './deploy-context.ts';
import type { DeploySnapshot } from './deploy-view.ts';
import { Deployments } from './deployments.ts';
import type { ImageLibrary } from './image-library.ts';
import type { ConsoleStore } from './store.ts';
import { storedJob } from './stored-job.ts';
import { wakeComputers } from './wake.ts';

const LOG_LINES_PER_MINUTE_MAX = 60;

export type JobSnapshot = DeploySnapshot | CaptureSnapshot;

export interface CoreOptions
  extends Omit<DeployContext, 'computers' | 'wake'>,
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
  readonly deployments: Deployments;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.library = options.library;
    this.store = options.store;
    this.#logger = options.logger;
    this.captures = new Captures(options);
    this.deployments = new Deployments({
      ...options,
      computers: this.computers,
      wake: (targets) => this.wake(targets),
    });
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
    this.deployments.greet(computer);
    const mayLog = logBudget();
    connection.onMessage((message) => this.#heard(computer, message, mayLog));
  }

  /** Goes on with what a killed console left: deployments run again, captures are over. Before anything listens. */
  resume(): void {
    for (const record of this.store.unfinishedJobs()) {
      if (record.kind === 'deploy') this.deployments.resume(record);
      else this.store.interruptJob(record, 'the console was stopped while it ran');
    }
  }

  /** Sends wake-up packets. @throws TdError `not-found`, `network`. */
  async wake(targets: 'all' | readonly string[]): Promise<string[]> {
    const { interfaceAddress } = this.#options;
    return await wakeComputers(targets, { known: this.store.knownComputers(), interfaceAddress });
  }

  jobs(): JobSnapshot[] {
    const all: JobSnapshot[] = [
      ...this.deployments.list().map((job) => job.snapshot()),
      ...this.captures.list().map((job) => job.snapshot()),
    ];
    return all.sort((a, b) => a.id.localeCompare(b.id));
  }

  /** A job of the present or the past. @throws TdError `not-found`. */
  job(jobId: string): JobSnapshot {
    const live = this.deployments.get(jobId)?.snapshot() ?? this.captures.get(jobId)?.snapshot();
    if (live !== undefined) return live;
    const record = this.store.job(jobId);
    if (record === undefined) throw unknownJob(jobId);
    return storedJob(record, this.store.targets(jobId));
  }

  /** Cancels a job, or one computer of a deployment. @throws TdError `not-found`. */
  async cancel(jobId: string, options: { computer?: string; reason: string }): Promise<void> {
    const deployment = this.deployments.get(jobId);
    const capture = this.captures.get(jobId);
    if (deployment !== undefined) this.deployments.cancel(deployment, options);
    else if (capture !== undefined) await capture.cancel(options.reason);
    else throw unknownJob(jobId);
  }

  computerViews(): ComputerView[] {
    return this.computers.list().map((computer) => this.#view(computer));
  }

  /** Computers seen before that are not connected now, by name. */
  knownComputers(): KnownComputer[] {
    const away = this.store
      .knownComputers()
      .filter((one) => this.computers.get(one.computerId) === undefined);
    const named = away.map((one) => ({ ...one, name: computerLabel(one.computerId) }));
    return named.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  /** Ends every job, so that computers and the log know why. */
  async close(reason: string): Promise<void> {
    await this.deployments.close(reason);
    await this.captures.cancelAll(reason);
  }

  #heard(computer: ConnectedComputer, message: AgentMessage, mayLog: () => boolean): void {
    if (message.type === 'capture-request') {
      // It answers by itself, whatever happens.
      void this.captures.request(computer, message);
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
    } else this.deployments.heard(computer, message);
  }

  #view(computer: ConnectedComputer): ComputerView {
    const { computerId, machine, jobId = null } = computer;
    return {
      computerId,
      name: computerLabel(computerId),
      address: computer.address,
      role: computer.role,
      model: modelText(machine),
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
    return (
      this.deployments.get(jobId)?.stateOf(computer.computerId) ??
      this.captures.get(jobId)?.snapshot().step ??
      'assigned'
    );
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
