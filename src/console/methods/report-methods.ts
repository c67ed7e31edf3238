import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { checked } from '../checked-params.ts';
import type { ConsoleCore } from '../console-core.ts';
import { jobReport } from '../report/job-report.ts';
import { formatReport } from '../report/report-formats.ts';
import { saveReport } from '../report/report-save.ts';
import type { RpcMethods } from '../rpc-server.ts';

const reportParams = z.strictObject({
  jobId: z.string().max(40),
  format: z.enum(['text', 'json', 'html']),
});
const saveParams = reportParams.extend({
  path: z.string().min(1).max(4096).refine(isAbsolute, 'must begin with /'),
});

/** The calls `report` and `report.save`. */
export function reportMethods({ core }: { core: Pick<ConsoleCore, 'store' | 'jobs'> }): RpcMethods {
  const textOf = ({ jobId, format }: z.output<typeof reportParams>) => {
    const live = core.jobs().find((one) => one.id === jobId);
    return formatReport(jobReport(core.store, jobId, live), format);
  };
  return {
    report: async ({ params }) => ({ text: textOf(checked(reportParams, params)) }),
    'report.save': async ({ params }) => {
      const { path, ...asked } = checked(saveParams, params);
      await saveReport(path, textOf(asked));
    },
  };
}
