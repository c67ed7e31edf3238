import type { AgentMessage } from '../control/messages.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { type ConnectedComputer, computerLabel, normalMac } from './computers.ts';
import type { DeployContext } from './deploy-context.ts';
import { DeployJob } from './deploy-job.ts';
import { type DeployRequest, deployRequestSchema } from './deploy-request.ts';
import { briefReport, type DeploySnapshot } from './deploy-view.ts';
import { newJobId } from './job-id.ts';
import { isEnded, type JobRecord } from './store.ts';
import { editEvents } from './target-answers.ts';

const JOBS_KEPT_MAX = 100;

/** The deployments of a console, running and recent. */
export class Deployments {
  readonly #context: DeployContext;
  readonly #jobs = new Map<string, { job: DeployJob; ended: Promise<DeploySnapshot> }>();

  constructor(context: DeployContext) {
    this.#context = context;
  }

  /** Oldest first. */
  list(): DeployJob[] {
    return [...this.#jobs.values()].map(({ job }) => job);
  }

  get(jobId: string): DeployJob | undefined {
    return this.#jobs.get(jobId)?.job;
  }

  /** Resolves at the end of a job; at once with undefined when there is none of that id. */
  async ended(jobId: string): Promise<DeploySnapshot | undefined> {
    return await this.#jobs.get(jobId)?.ended;
  }

  /** Starts a deployment; its fate is followed by its id. @throws TdError `refused` for what would harm the disk. */
  start(request: DeployRequest): DeployJob {
    if (request.targetPartition !== undefined) {
      throw new TdError(
        'refused',
        `Cannot replace partition ${request.targetPartition} alone: this version would clear the rest of the disk; leave the target partition empty to deploy the whole disk`,
      );
    }
    return this.#run(new DeployJob(newJobId(), request, { context: this.#context }));
  }

  /** Goes on with what a killed console left running; what cannot go on is interrupted. */
  resume(record: JobRecord): void {
    const request = deployRequestSchema.safeParse(record.options);
    if (!request.success) {
      this.#context.store.interruptJob(record, 'the console was stopped, and its settings cannot be read');
      return;
    }
    this.#run(new DeployJob(record.id, request.data, { context: this.#context, resumed: record }));
  }

  /**
   * Tries failed and cancelled computers again: in the job while it runs, else in a new one of the same settings.
   *
   * @param names computer ids, names or MAC addresses; default all that failed or were cancelled.
   * @returns the id of the job they are in now.
   * @throws TdError `not-found`, `refused` when there is nothing to try again.
   */
  retry(jobId: string, names?: readonly string[]): string {
    const { store } = this.#context;
    const live = this.get(jobId);
    const record = store.job(jobId);
    if (record?.kind !== 'deploy') throw new TdError('not-found', `There is no deployment "${jobId}"`);
    const all = store.targets(jobId);
    const wanted = names === undefined ? all : names.map((name) => named(name, all, jobId));
    const again = wanted.filter((one) => one.step === 'failed' || one.step === 'cancelled');
    if (again.length === 0) {
      throw new TdError(
        'refused',
        `Cannot retry job ${jobId}: ${names === undefined ? 'no computer of it' : 'none of these computers'} failed or was cancelled`,
      );
    }
    if (live?.retry(again.map((one) => one.computerId)) === true) return jobId;
    if (live !== undefined && !isEnded(live.state)) {
      throw new TdError('refused', `Cannot retry job ${jobId} while it is ${live.state}; try again shortly`);
    }
    const request = deployRequestSchema.parse(record.options);
    // One that never came is known by what it was called: its id is found out when it comes.
    const targets = again.map(({ computerId }) =>
      computerId.startsWith('no-uuid/') ? computerLabel(computerId) : computerId,
    );
    const series = request.series || jobId;
    return this.start({ ...request, targets, waitFor: 0, retryOf: jobId, series }).id;
  }

  /**
   * The job of a computer that is one of its targets and not at its end: it may have what the job has for it.
   *
   * @throws TdError `not-found`.
   */
  jobOfTarget(jobId: string, computerId: string): DeployJob {
    const job = this.get(jobId);
    const phase = job?.targets().find((one) => one.computerId === computerId)?.phase;
    if (job !== undefined && phase !== undefined && phase !== 'ended') return job;
    throw new TdError('not-found', 'this computer is in no such job');
  }

  /** Cancels a job, or one computer of it. @throws TdError `not-found`. */
  cancel(job: DeployJob, options: { computer?: string; reason: string }): void {
    const { computer, reason } = options;
    const target = computer === undefined ? undefined : named(computer, job.targets(), job.id);
    job.cancel(reason, target?.computerId);
  }

  /** A computer that connects and still works for a job that was cancelled meanwhile is told so. */
  greet({ computerId, connection }: ConnectedComputer): void {
    const jobId = connection.hello.job?.jobId;
    if (jobId === undefined) return;
    const { store } = this.#context;
    const job = store.job(jobId);
    const step = store.targets(jobId).find((one) => one.computerId === computerId)?.step;
    if (job?.state !== 'cancelled' && step !== 'cancelled') return;
    connection.send({ type: 'cancel', jobId, reason: 'the job was cancelled while this computer was away' });
  }

  heard(computer: ConnectedComputer, message: AgentMessage): void {
    if (!('jobId' in message)) return;
    const job = this.get(message.jobId);
    if (job !== undefined && !isEnded(job.state)) job.heard(computer, message);
    else if (message.type === 'report') this.#lateReport(computer, message);
  }

  /** Ends every job, so that computers and the log know why. */
  async close(reason: string): Promise<void> {
    for (const { job } of this.#jobs.values()) job.cancel(reason);
    await Promise.all([...this.#jobs.values()].map(({ ended }) => ended));
  }

  #run(job: DeployJob): DeployJob {
    const ended = job.run();
    ended.catch((error) => this.#context.logger.error({ error: errorLine(error) }, 'job ended badly'));
    this.#jobs.set(job.id, { job, ended });
    const over = this.list().filter((one) => isEnded(one.state));
    for (const { id } of over.slice(0, Math.max(0, over.length - JOBS_KEPT_MAX))) this.#jobs.delete(id);
    return job;
  }

  /** Of a job that has ended without this target: it went on by itself. */
  #lateReport(computer: ConnectedComputer, message: Extract<AgentMessage, { type: 'report' }>): void {
    const { jobId, report } = message;
    const { computerId } = computer;
    const { store } = this.#context;
    const known = store.targets(jobId).find((one) => one.computerId === computerId);
    // Who was cancelled says so once more in its report.
    if (known === undefined || known.step === 'cancelled' || known.report !== null) return;
    const step = report.ok ? 'done' : 'failed';
    store.setTarget(jobId, { computerId, step, reason: report.error, disk: report.disk, report });
    const name = computerLabel(computerId);
    for (const event of editEvents(report)) {
      store.addEvent({ ...event, jobId, computerId, text: `${name} ${event.text}` });
    }
    store.addEvent({
      level: report.ok ? 'info' : 'error',
      kind: `target-${step}`,
      jobId,
      computerId,
      text: `${name} ${step} after the job had ended${report.ok ? '' : `: ${report.error}`}`,
      details: { report: briefReport(report) },
    });
  }
}

function named<One extends { computerId: string }>(name: string, all: readonly One[], jobId: string): One {
  const mac = normalMac(name);
  const found =
    all.find((one) => one.computerId === name) ?? all.find((one) => computerLabel(one.computerId) === mac);
  if (found === undefined) throw new TdError('not-found', `There is no computer "${name}" in job ${jobId}`);
  return found;
}
