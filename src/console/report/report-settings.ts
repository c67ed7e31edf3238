import { z } from 'zod';
import type { JobRecord } from '../store.ts';

export interface ReportSettings {
  template: string;
  rows: { label: string; value: string }[];
  notApplied: string[];
}

const text = z.string().catch('').default('');

/** What of a job's options a report shows; options of an older program may lack any of them. */
const optionsSchema = z.object({
  template: text,
  retryOf: text,
  settings: z
    .array(z.object({ label: z.string(), value: z.string() }))
    .catch([])
    .default([]),
  targets: z
    .union([z.literal('all'), z.array(z.string())])
    .catch('all')
    .default('all'),
  diskRule: text,
  after: text,
  waitFor: z.number().catch(0).default(0),
  waitSeconds: z.number().catch(0).default(0),
  rateMbit: z.number().catch(0).default(0),
  allOrNothing: z.boolean().catch(false).default(false),
  lostWaitSeconds: z.number().catch(0).default(0),
  notApplied: z.array(z.string()).catch([]).default([]),
});

export function reportSettings(job: Pick<JobRecord, 'kind' | 'options'>): ReportSettings {
  const options = optionsSchema.parse(job.options);
  if (job.kind === 'capture') return { template: '', rows: [], notApplied: [] };
  const { targets, diskRule, after, waitFor, waitSeconds, rateMbit, allOrNothing, lostWaitSeconds } = options;
  const run: [label: string, value: string][] = [
    ['Tries again', options.retryOf],
    ['Target computers', targets === 'all' ? 'all that are connected and free' : targets.join(', ')],
    [
      'Wait for',
      waitFor === 0 || options.settings.length > 0 ? '' : `${waitFor} computers, up to ${waitSeconds} s`,
    ],
    ['Target disk', diskRule],
    ['All or nothing', allOrNothing ? 'yes' : ''],
    ['Rate limit', rateMbit === 0 ? '' : `${rateMbit} Mbit/s`],
    ['Lost computers', lostWaitSeconds === 0 ? '' : `may come back for ${lostWaitSeconds} s`],
    ['After deployment', after],
  ];
  return {
    template: options.template,
    // A template's own words say more, and of the waiting too.
    rows: [
      ...options.settings,
      ...run
        .filter(([label, value]) => value !== '' && !options.settings.some((row) => row.label === label))
        .map(([label, value]) => ({ label, value })),
    ],
    notApplied: options.notApplied,
  };
}
