import { progressText } from '../../lib/tui/progress-spans.ts';
import { Table } from '../../lib/tui/table.ts';
import type { JobSnapshot } from '../console-core.ts';
import {
  jobFraction,
  jobLeftSeconds,
  jobStateText,
  jobTitle,
  leftText,
  rateText,
  stateTone,
} from './job-words.ts';

const BAR_COLUMNS = 10;

/** The jobs that run now, one a line. */
export function runningJobsTable(): Table<JobSnapshot> {
  return new Table<JobSnapshot>({
    id: ({ id }) => id,
    columns: [
      { title: 'Job', min: 24, max: 60, text: jobTitle },
      {
        title: 'State',
        min: 10,
        text: ({ state }) => jobStateText(state),
        tone: ({ state }) => stateTone(state),
      },
      {
        title: 'Progress',
        min: BAR_COLUMNS + 6,
        text: (job) => progressText(jobFraction(job), BAR_COLUMNS),
      },
      { title: 'Rate', min: 9, align: 'right', text: ({ bytesPerSecond }) => rateText(bytesPerSecond) },
      { title: 'Left', min: 5, align: 'right', text: (job) => leftText(jobLeftSeconds(job)) },
    ],
  });
}
