import { type Clock, sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Secret, TargetSettings } from '../schema/template.ts';
import type { PlannedComputer } from './computer-plan.ts';
import { type ConnectedComputer, plannedComputer } from './computers.ts';
import type { DeployRequest } from './deploy-request.ts';
import { ShareFiles, type ShareFilesOptions } from './share-files.ts';
import type { ConsoleStore } from './store.ts';
import { targetCustomisation } from './target-customisation.ts';
import { gatherFiles, keptSetsSchema, TargetFiles } from './target-files.ts';

/** After a restart shares are connected again by and by. */
const SHARES_BACK_MS_MAX = 60_000;
const SHARES_POLL_MS = 500;

export interface CustomisationContext {
  /** Opens a password that this console sealed. */
  open(secret: Secret): string;
  shares: ShareFilesOptions;
}

export interface JobCustomisationOptions extends CustomisationContext {
  jobId: string;
  request: DeployRequest & { customisation: TargetSettings };
  store: ConsoleStore;
  clock: Clock;
}

/** Of a job that changes its targets at all. */
export function jobCustomisation(
  jobId: string,
  request: DeployRequest,
  { context, clock }: { context: { store: ConsoleStore; customisation: CustomisationContext }; clock: Clock },
): JobCustomisation | undefined {
  const { customisation } = request;
  if (customisation === undefined) return undefined;
  const { store } = context;
  return new JobCustomisation({
    ...{ jobId, request: { ...request, customisation }, store, clock },
    ...context.customisation,
  });
}

/** What the targets of one job are to become: the same for each of them, however often it is asked. */
export class JobCustomisation implements AsyncDisposable {
  readonly #options: JobCustomisationOptions;
  readonly #shares: ShareFiles;
  #files = new TargetFiles([]);

  constructor(options: JobCustomisationOptions) {
    this.#options = options;
    this.#shares = new ShareFiles(options.jobId, options.shares);
  }

  /**
   * Lists and hashes the files; after a restart those are taken that the job had.
   *
   * @throws TdError for a source that is missing; the signal's reason.
   */
  async prepare(signal: AbortSignal): Promise<void> {
    const { jobId, store, request } = this.#options;
    const { files, drivers } = request.customisation;
    const wanted = [
      ...files.map(({ source }) => ({ source, isDriver: false })),
      ...drivers.map(({ source }) => ({ source, isDriver: true })),
    ];
    const kept = keptSetsSchema.safeParse(store.jobFiles(jobId));
    if (kept.success) {
      for (const { source } of kept.data) await this.#findAgain(source, signal);
      this.#files = new TargetFiles(kept.data);
    } else {
      const find = (source: string) => this.#shares.find(source);
      this.#files = await gatherFiles(wanted, { find, signal });
      if (wanted.length > 0) store.setJobFiles(jobId, this.#files.sets);
    }
    const { words } = this.#files;
    if (words !== '') store.addEvent({ kind: 'job-files', jobId, text: `files for the computers: ${words}` });
  }

  /** Gives the computer its place, now or already; why it cannot be customised, or empty. */
  objection(computer: ConnectedComputer): string {
    try {
      this.#customisation(plannedComputer(computer), computer.computerId);
      return '';
    } catch (error) {
      return errorLine(error);
    }
  }

  /** Readable passwords are in it: it goes to that computer alone. */
  bytesFor(computer: ConnectedComputer): Buffer {
    const customisation = this.#customisation(plannedComputer(computer), computer.computerId);
    return Buffer.from(JSON.stringify(customisation));
  }

  /** @throws TdError as {@link TargetFiles.read}. */
  read(
    sha256: string,
    range: { first: number; last: number },
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    return this.#files.read(sha256, range);
  }

  /** The job has ended: what was kept for a restart is forgotten. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.store.setJobFiles(this.#options.jobId, undefined);
    await this.#shares[Symbol.asyncDispose]();
  }

  #customisation(computer: PlannedComputer, computerId: string) {
    const { request, store, jobId, open } = this.#options;
    const { template, countsOn, series } = request;
    const place = store.places.give({ series: series || jobId, template, countsOn, computerId });
    return targetCustomisation(request.customisation, {
      computer,
      place,
      open,
      filesOf: (source) => this.#files.setOf(source),
    });
  }

  async #findAgain(source: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const endMs = clock.nowMs() + SHARES_BACK_MS_MAX;
    for (;;) {
      try {
        await this.#shares.find(source);
        return;
      } catch (error) {
        const isPassing = error instanceof TdError && error.code === 'network';
        if (!isPassing || clock.nowMs() > endMs) throw error;
      }
      await sleep(SHARES_POLL_MS, signal);
    }
  }
}
