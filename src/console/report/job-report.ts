import { TdError } from '../../lib/errors.ts';
import type { JobSnapshot } from '../console-core.ts';
import type { ConsoleStore } from '../store.ts';
import type { Report } from './report.ts';
import { buildReport } from './report-build.ts';

const EVENTS_MAX = 50_000;

/** The report of one job, from the store and, while it runs, its snapshot. @throws TdError `not-found`. */
export function jobReport(store: ConsoleStore, jobId: string, live?: JobSnapshot): Report {
  const job = store.job(jobId);
  if (job === undefined) {
    throw new TdError(
      'not-found',
      `There is no job "${jobId}" in this console's log; "totaldeploy log" names them`,
    );
  }
  return buildReport({
    job,
    targets: store.targets(jobId),
    events: store.events({ jobId, limit: EVENTS_MAX }),
    samples: store.samples(jobId),
    ...(live === undefined ? {} : { live }),
    now: new Date(),
  });
}
