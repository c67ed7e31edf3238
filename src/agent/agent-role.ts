import { networkInterfaces } from 'node:os';
import type { ConsoleOrder, ControlClient } from '../control/control-client.ts';
import type { Deployment } from '../control/messages.ts';
import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import { PROGRAM_VERSION } from '../lib/version.ts';
import { readMachine } from '../preos/inventory.ts';
import type { Power, PowerAction } from '../preos/power.ts';
import type { AfterAction } from '../schema/after-action.ts';
import type { TargetReport } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';
import type { Site } from '../schema/site.ts';
import { waitingView } from './agent-screen.ts';
import { ConsoleLink, locateConsole } from './console-link.ts';
import { DeployRun, type DeployRunOptions } from './deploy-run.ts';
import { AgentOffers } from './offers.ts';
import {
  chooseTarget,
  disksInScope,
  type TargetAnswer,
  type TargetRequest,
  type TargetScope,
} from './target-disk.ts';

const FIRST_WAIT_MS = 1000;
const WAIT_MS_MAX = 30_000;
/** A running job needs its console back soon. */
const WAIT_MS_MAX_IN_JOB = 3000;
/** Before the computer goes down, a report waits this long for a console that is away. */
const REPORT_PATIENCE_MS = 60_000;
/** A sent report needs a moment to leave the machine. */
const FAREWELL_MS = 1500;

export interface AgentOptions {
  /** `HOST[:PORT]`; goes before the site file and discovery. */
  console?: string;
  site?: Site;
  /** Goes before the console's rule. */
  diskRule?: string;
  /** Deploys into a plain file in place of a disk. */
  diskFile?: string;
  /** Goes before what the console says. */
  after?: AfterAction;
  /** Name of the network interface to use. */
  interface?: string;
  /** Reads everything back that was written. */
  verify?: boolean;
  /** Ends after the first job; a failed one is thrown. */
  once?: boolean;
  screen: Screen;
  logger: Logger;
  signal: AbortSignal;
  power: Power;
  readMachineNow?: () => Promise<Machine>;
  startSession?: DeployRunOptions['startSession'];
  openDevice?: DeployRunOptions['openDevice'];
  /** No multicast for this long: the rest comes over TCP. */
  silenceMsMax?: number;
  /** The console away and no multicast either: a job fails after this long. Default 120,000. */
  consolePatienceMs?: number;
  firstWaitMs?: number;
  /** Called once with what the console offers to the person here, now and later. */
  onOffers?(offers: AgentOffers): void;
}

/**
 * The deploy agent: finds its console, does what it says, and reconnects for ever.
 *
 * @returns when the signal aborts, or with `once` after a job.
 * @throws TdError only with `once`: what the job failed of; `usage` for a wrong console name.
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  await using agent = new Agent(options);
  await agent.run();
}

interface Job {
  run: DeployRun;
  /** The connection that ordered it, or joined it again, last. */
  client: ControlClient;
  stop: AbortController;
  ended: Promise<void>;
}

class Agent implements AsyncDisposable {
  readonly #options: AgentOptions;
  readonly #scope: TargetScope;
  readonly #link = new ConsoleLink();
  readonly #offers: AgentOffers;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  #machine: Machine | undefined;
  #job: Job | undefined;
  #lastProblem = '';
  #lastReport: TargetReport | undefined;
  #lastJobId = '';

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#scope =
      options.diskFile === undefined ? { kind: 'disks' } : { kind: 'file', path: options.diskFile };
    this.#signal = AbortSignal.any([options.signal, this.#over.signal]);
    this.#offers = new AgentOffers({
      send: (message) => this.#job === undefined && this.#link.send(message),
      chooseDisk: (offer) => this.#chooseDisk(offer),
    });
    options.onOffers?.(this.#offers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#job?.stop.abort(new TdError('cancelled', 'The agent was stopped; the disk is unfinished'));
    await this.#job?.ended;
    await this.#link[Symbol.asyncDispose]();
  }

  async run(): Promise<void> {
    const firstWaitMs = this.#options.firstWaitMs ?? FIRST_WAIT_MS;
    let waitMs = firstWaitMs;
    while (!this.#signal.aborted) {
      try {
        const client = await this.#connect();
        waitMs = firstWaitMs;
        await this.#serve(client);
      } catch (error) {
        if (this.#signal.aborted) break;
        if (error instanceof TdError && error.code === 'usage') throw error;
        this.#tellProblem(errorLine(error));
        this.#showWaiting(`Trying again in ${Math.ceil(waitMs / 1000)} s`);
        await sleep(waitMs, this.#signal).catch(() => {});
        waitMs = Math.min(waitMs * 2, this.#job === undefined ? WAIT_MS_MAX : WAIT_MS_MAX_IN_JOB);
      }
    }
    if (this.#options.once === true && this.#lastReport?.ok === false) {
      throw new TdError('incomplete', this.#lastReport.error);
    }
  }

  async #connect(): Promise<ControlClient> {
    const { site, logger } = this.#options;
    this.#machine = await this.#readMachine();
    this.#showWaiting('Looking for the console');
    const place = await locateConsole({
      console: this.#options.console,
      site,
      addresses: this.#ownAddresses(),
      logger,
      signal: this.#signal,
    });
    const local = this.#options.interface === undefined ? undefined : this.#ownAddresses()[0];
    const client = await this.#link.connect(place, {
      siteKey: site?.siteKey,
      version: PROGRAM_VERSION,
      machine: this.#machine,
      logger,
      signal: this.#signal,
      ...(this.#job === undefined ? {} : { job: this.#job.run.standing }),
      ...(local === undefined ? {} : { localAddress: local }),
    });
    this.#lastProblem = '';
    this.#options.screen.milestone(`connected to ${client.welcome.consoleName}`);
    logger.info({ ...place, console: client.welcome.consoleName }, 'connected to the console');
    if (site === undefined) logger.warn({}, 'this medium has no site file: the console is not proven');
    this.#showWaiting('Waiting for what the console says');
    return client;
  }

  /** Lives until the connection ends; a job goes on beyond it. */
  async #serve(client: ControlClient): Promise<void> {
    const closed = new Promise<string>((resolve) => client.onClose(resolve));
    const onStop = () => client.close();
    this.#signal.addEventListener('abort', onStop, { once: true });
    try {
      client.onMessage((order) => {
        this.#obey(order, client).catch((error) => {
          this.#options.logger.error({ error: errorLine(error), order: order.type }, 'order failed');
        });
      });
      const reason = await closed;
      if (!this.#signal.aborted)
        throw new TdError('network', `The connection to the console ended: ${reason}`);
    } finally {
      this.#offers.disconnected();
      this.#signal.removeEventListener('abort', onStop);
    }
  }

  async #obey(order: ConsoleOrder, client: ControlClient): Promise<void> {
    switch (order.type) {
      case 'preflight':
        return this.#answerPreflight(order, client);
      case 'deploy':
        return this.#startJob(order.deployment, client);
      case 'cancel':
        if (this.#job?.run.jobId === order.jobId) {
          this.#job.stop.abort(new TdError('cancelled', `Cancelled at the console: ${order.reason}`));
        }
        return;
      case 'power':
        return this.#obeyPower(order.action);
      case 'offers':
      case 'offer-answer':
        this.#offers.heard(order);
        return;
      case 'capture-accept':
      case 'capture-refuse':
        this.#options.logger.debug({ type: order.type }, 'not for a deploy agent');
    }
  }

  async #answerPreflight(
    order: Extract<ConsoleOrder, { type: 'preflight' }>,
    client: ControlClient,
  ): Promise<void> {
    const { jobId } = order;
    const answer = await this.#judge(order, client);
    const reason = answer.ok ? answer.warnings.join('; ') : answer.reason;
    this.#options.logger.info(
      { jobId, ok: answer.ok, reason, disk: answer.description },
      'pre-flight answered',
    );
    this.#link.send({
      type: 'preflight-result',
      jobId,
      ok: answer.ok,
      reason: reason.slice(0, 1000),
      disk: answer.description.slice(0, 1000),
    });
    if (!answer.ok) this.#tellProblem(answer.reason);
  }

  async #judge(
    order: Extract<ConsoleOrder, { type: 'preflight' }>,
    client: ControlClient,
  ): Promise<TargetAnswer> {
    // A cancelled run says its last words before the next try is answered: the console tells them apart by that.
    if (this.#job?.stop.signal.aborted === true) await this.#job.ended;
    const conflict = this.#conflictOf(order.jobId, client);
    if (conflict !== undefined) return { ok: false, reason: conflict, description: '' };
    const answer = await this.#chooseDisk(order);
    const objection = answer.ok ? this.#offers.objection(order.jobId, answer.disk) : undefined;
    if (objection === undefined) return answer;
    return { ok: false, reason: objection, description: answer.description };
  }

  async #chooseDisk(needs: TargetRequest): Promise<TargetAnswer> {
    const { diskRule, sizeBytesMin, logicalSectorBytes, table, firmware } = needs;
    return await chooseTarget(this.#scope, {
      diskRule: this.#options.diskRule ?? diskRule,
      machineFirmware: (this.#machine ?? (await this.#readMachine())).firmware,
      ...{ sizeBytesMin, logicalSectorBytes, table, firmware },
    });
  }

  /** A job is never lost to a slip at the console: it has to be cancelled first. */
  async #obeyPower(action: PowerAction): Promise<void> {
    if (this.#job !== undefined) {
      const text = `not ${action === 'restart' ? 'restarting' : 'shutting down'}: job ${this.#job.run.jobId} runs here`;
      this.#link.send({ type: 'log', level: 'warn', text });
      return;
    }
    await this.#actPower(action);
  }

  /**
   * Why a job cannot start now; undefined when it can. The running job goes on when it is sent again, and gives
   * way to another one of a console that lost it, e.g. in a crash: nobody waits for it any more.
   */
  #conflictOf(jobId: string, client: ControlClient): string | undefined {
    const job = this.#job;
    if (job === undefined || job.run.jobId === jobId) return undefined;
    const isSameConsole = job.client.certificateSha256 === client.certificateSha256;
    if (isSameConsole && job.client !== client) return undefined;
    return `Job ${job.run.jobId} runs on this computer; wait for its end, or cancel it at its console`;
  }

  /** A job sent again, e.g. by a console that restarted, goes on where it is, or replaces the run it belongs to. */
  async #startJob(deployment: Deployment, client: ControlClient): Promise<void> {
    const { jobId } = deployment;
    const conflict = this.#conflictOf(jobId, client);
    if (conflict !== undefined) {
      this.#link.sendSurely({ type: 'report', jobId, report: refusalReport(conflict) });
      return;
    }
    const before = this.#job;
    if (before === undefined && this.#lastJobId === jobId && this.#lastReport?.ok === true) {
      // It ended while the console was away: what is finished is not written again.
      this.#link.sendSurely({ type: 'report', jobId, report: this.#lastReport });
      return;
    }
    if (before !== undefined) {
      if (before.run.rejoin(deployment)) {
        before.client = client;
        return;
      }
      const isAgain = before.run.jobId === jobId;
      const reason = isAgain
        ? 'The console started the job again'
        : `The console started job ${jobId} instead`;
      before.stop.abort(new TdError('cancelled', `${reason}; this one is unfinished`));
      await before.ended;
      return this.#startJob(deployment, client);
    }
    const stop = new AbortController();
    const run = new DeployRun(deployment, {
      link: this.#link,
      machine: this.#machine ?? (await this.#readMachine()),
      scope: this.#scope,
      screen: this.#options.screen,
      logger: this.#options.logger.child({ jobId: deployment.jobId }),
      signal: stop.signal,
      ...pick(this.#options, [
        'diskRule',
        'verify',
        'startSession',
        'openDevice',
        'silenceMsMax',
        'consolePatienceMs',
      ]),
    });
    const job: Job = { run, client, stop, ended: Promise.resolve() };
    this.#job = job;
    job.ended = this.#runJob(job, deployment).catch((error) => {
      this.#options.logger.error({ error: errorLine(error) }, 'job ended badly');
    });
  }

  async #runJob(job: Job, deployment: Deployment): Promise<void> {
    let report: TargetReport;
    try {
      report = await job.run.run();
    } finally {
      if (this.#job === job) this.#job = undefined;
    }
    this.#lastReport = report;
    this.#lastJobId = deployment.jobId;
    this.#link.sendSurely({ type: 'report', jobId: deployment.jobId, report });
    const after = this.#options.after ?? deployment.after;
    if (report.ok && after !== 'wait') await this.#actPower(after);
    if (this.#options.once === true) await this.#end();
  }

  /** A computer that goes down takes an unsent report with it, so the console gets some time. */
  async #reportsGone(): Promise<void> {
    for (let waitedMs = 0; this.#link.unsentCount > 0 && waitedMs < REPORT_PATIENCE_MS; waitedMs += 500) {
      await sleep(500, this.#signal).catch(() => {});
      if (this.#signal.aborted) return;
    }
    await sleep(FAREWELL_MS, this.#signal).catch(() => {});
  }

  async #actPower(action: PowerAction): Promise<void> {
    await this.#reportsGone();
    await this.#options.power.act(action);
  }

  async #end(): Promise<void> {
    await this.#reportsGone();
    this.#over.abort();
  }

  async #readMachine(): Promise<Machine> {
    if (this.#options.readMachineNow !== undefined) return this.#options.readMachineNow();
    return readMachine({ disks: await disksInScope(this.#scope) });
  }

  #ownAddresses(): string[] {
    const wanted = this.#options.interface;
    const found = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
      wanted === undefined || name === wanted ? (entries ?? []) : [],
    );
    return found.filter((entry) => entry.family === 'IPv4' && !entry.internal).map((entry) => entry.address);
  }

  #tellProblem(line: string): void {
    if (line === this.#lastProblem) return;
    this.#lastProblem = line;
    this.#options.logger.warn({}, line);
    this.#options.screen.milestone(`failed: ${line}`);
  }

  /** A running or ended job keeps the screen. */
  #showWaiting(activity: string): void {
    if (this.#machine === undefined || this.#job !== undefined) return;
    this.#options.screen.show(
      waitingView({
        machine: this.#machine,
        consoleName: this.#link.isConnected ? this.#link.consoleName : '',
        activity,
        problems: this.#lastProblem === '' ? [] : [this.#lastProblem],
      }),
    );
  }
}

function refusalReport(error: string): TargetReport {
  return {
    ok: false,
    error,
    disk: '',
    writtenBytes: 0,
    multicastChunks: 0,
    tcpChunks: 0,
    datagrams: 0,
    lostFragments: 0,
    badDatagrams: 0,
    durationMs: 0,
    root: '',
  };
}

/** The given keys that are set. */
function pick<Source extends object, Key extends keyof Source>(
  source: Source,
  keys: readonly Key[],
): { [K in Key]?: NonNullable<Source[K]> } {
  const entries = keys.flatMap((key) => (source[key] === undefined ? [] : [[key, source[key]]]));
  return Object.fromEntries(entries);
}
