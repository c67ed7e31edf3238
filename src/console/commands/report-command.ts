import { resolve } from 'node:path';
import type { ReportFormat } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { jobReport } from '../report/job-report.ts';
import { formatReport } from '../report/report-formats.ts';
import { saveReport } from '../report/report-save.ts';
import { connectConsole, isConsoleAlive } from '../rpc-client.ts';
import { ConsoleStore } from '../store.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

export interface ReportFlags {
  data: string;
  format: ReportFormat;
  out?: string;
  json?: true;
}

/** `report`: what became of one job; works without a running console too. */
export async function runReport(
  jobId: string,
  { flags, context }: { flags: ReportFlags; context: ConsoleCommandContext },
): Promise<void> {
  const text = await reportOf(jobId, { ...flags, format: flags.json === true ? 'json' : flags.format });
  if (flags.out === undefined) {
    context.out(text);
    return;
  }
  const path = resolve(flags.out);
  await saveReport(path, text);
  context.out(`The report of job ${jobId} is in "${path}"\n`);
}

async function reportOf(jobId: string, { data, format }: ReportFlags): Promise<string> {
  const { socket, database } = consolePaths(data);
  if (await isConsoleAlive(socket)) {
    await using client = await connectConsole(socket);
    return ((await client.call('report', { jobId, format })) as { text: string }).text;
  }
  using store = ConsoleStore.open(database, { readOnly: true });
  return formatReport(jobReport(store, jobId), format);
}
