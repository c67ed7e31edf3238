import { errorLine } from '../../lib/errors.ts';
import type { AnyHost } from '../../lib/tui/field.ts';
import { poll } from '../../lib/tui/poll.ts';
import type { ConsoleApi } from '../console-api.ts';
import type { ComputerView, JobSnapshot } from '../console-core.ts';
import type { TargetView } from '../deploy-view.ts';
import { isEnded } from '../store.ts';

/** Computers and jobs of a console as they are now, asked for once a second. */
export class LiveConsole {
  readonly #api: ConsoleApi;
  computers: readonly ComputerView[] = [];
  jobs: readonly JobSnapshot[] = [];
  /** Why nothing newer is known; else empty. */
  problem = '';
  #targets = new Map<string, TargetView>();

  constructor(api: ConsoleApi) {
    this.#api = api;
  }

  /** Keeps up to date until the signal aborts. */
  follow(host: AnyHost, options: { signal: AbortSignal; onNews: () => void }): void {
    const work = async () => {
      await this.update();
      if (!options.signal.aborted) options.onNews();
    };
    void poll(host, { signal: options.signal, work });
  }

  async update(): Promise<void> {
    try {
      const [computers, jobs] = await Promise.all([
        this.#api.call('computers', {}),
        this.#api.call('jobs', {}),
      ]);
      this.computers = computers;
      this.jobs = jobs;
      this.problem = '';
    } catch (error) {
      this.problem = errorLine(error);
    }
    this.#targets = new Map();
    for (const job of this.running()) {
      if (job.kind === 'deploy')
        for (const target of job.targets) this.#targets.set(target.computerId, target);
    }
  }

  running(): JobSnapshot[] {
    return this.jobs.filter((job) => !isEnded(job.state));
  }

  /** What a computer does in a running deployment. */
  target(computerId: string): TargetView | undefined {
    return this.#targets.get(computerId);
  }
}
