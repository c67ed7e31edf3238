import { z } from 'zod';
import { PROGRAM_VERSION } from '../../lib/version.ts';
import type { EditResult } from '../../schema/edit-result.ts';
import { type TargetReport, targetReportSchema } from '../../schema/job.ts';
import { computerLabel } from '../computers.ts';
import type { JobSnapshot } from '../console-core.ts';
import type { ConsoleEvent, JobRecord, TargetRecord } from '../store.ts';
import { REPORT_VERSION, type Report, type ReportComputer, type ReportStep } from './report.ts';
import { type ReportSettings, reportSettings } from './report-settings.ts';
import { stepsByComputer } from './report-steps.ts';

export interface ReportSource {
  job: JobRecord;
  targets: readonly TargetRecord[];
  /** Oldest first. */
  events: readonly ConsoleEvent[];
  /** The multicast's rate, `atMs` after the job began. */
  samples: readonly { atMs: number; bytesPerSecond: number }[];
  /** While the console still knows the job. */
  live?: JobSnapshot;
  now: Date;
}

/** As a job's summary keeps them; what an older program left out is zero. */
const keptTargetSchema = z.object({
  computerId: z.string(),
  name: z.string().default(''),
  address: z.string().default(''),
  state: z.string().default(''),
  reason: z.string().default(''),
  disk: z.string().default(''),
  doneBytes: z.number().min(0).default(0),
  bytesPerSecond: z.number().min(0).default(0),
  report: targetReportSchema.nullable().default(null),
});
type KeptTarget = z.output<typeof keptTargetSchema>;

const keptSummarySchema = z.object({
  sessions: z.array(z.record(z.string(), z.unknown())).catch([]).default([]),
  targets: z.array(keptTargetSchema).catch([]).default([]),
  storedBytes: z.number().min(0).default(0),
});
type KeptSummary = z.output<typeof keptSummarySchema>;

/** Puts together all that is known of a job: running, ended or interrupted, deployment or capture. */
export function buildReport(source: ReportSource): Report {
  const { job, events, samples, live, now } = source;
  const summary = keptSummarySchema.parse(job.summary);
  const endedAt = job.endedAt ?? '';
  const endAt = [endedAt || now.toISOString(), events.at(-1)?.at ?? ''].sort().at(-1)!;
  const steps = stepsByComputer(events, endAt);
  const settings: ReportSettings = reportSettings(job);
  const sessions = live?.kind === 'deploy' && live.sessions.length > 0 ? live.sessions : summary.sessions;
  return {
    version: REPORT_VERSION,
    program: PROGRAM_VERSION,
    createdAt: now.toISOString(),
    job: {
      id: job.id,
      kind: job.kind,
      image: job.image,
      template: settings.template,
      state: live?.state ?? job.state,
      error: live?.error || job.error,
      startedAt: job.createdAt,
      endedAt,
      seconds: secondsBetween(job.createdAt, endedAt || now.toISOString()),
    },
    settings: settings.rows,
    notApplied: settings.notApplied,
    sessions: sessions.map((session) => sessionOf(session as Record<string, unknown>)),
    computers:
      job.kind === 'capture'
        ? [captureComputer(source, summary, steps)]
        : deployTargets(source, summary).map((target) =>
            computerOf(target, {
              steps: steps.get(target.computerId) ?? [],
              edits: source.targets.find((one) => one.computerId === target.computerId)?.report?.edits,
            }),
          ),
    rates: samples.map(({ atMs, bytesPerSecond }) => ({
      at: new Date(Date.parse(job.createdAt) + atMs).toISOString(),
      bytesPerSecond,
    })),
    events: events.map(({ at, level, kind, computerId, text }) => ({
      ...{ at, level, kind, text },
      computer: computerId === null ? '' : computerLabel(computerId),
    })),
  };
}

/** The store knows every target's end; snapshot and summary know more of it, as far as they go. */
function deployTargets({ targets, live }: ReportSource, summary: KeptSummary): KeptTarget[] {
  const known = new Map(summary.targets.map((target) => [target.computerId, target]));
  for (const { computerId, step, reason, disk, report } of targets) {
    const before = known.get(computerId) ?? keptTargetSchema.parse({ computerId });
    known.set(computerId, { ...before, state: step, reason, disk: disk || before.disk, report });
  }
  if (live?.kind === 'deploy') {
    for (const target of live.targets) known.set(target.computerId, keptTargetSchema.parse(target));
  }
  return [...known.values()].sort((a, b) => a.computerId.localeCompare(b.computerId));
}

/** @param known `edits` as they are stored: screens and summaries keep only what was not done. */
function computerOf(
  target: KeptTarget,
  { steps, edits = [] }: { steps: ReportStep[]; edits?: EditResult[] | undefined },
): ReportComputer {
  const { computerId, address, state, reason, disk, report } = target;
  const bytes = report?.writtenBytes ?? target.doneBytes;
  const seconds = report === null ? stepSeconds(steps) : report.durationMs / 1000;
  return {
    ...{ computerId, address, state, reason, disk, bytes, seconds, steps, edits },
    name: target.name || computerLabel(computerId),
    bytesPerSecond: target.bytesPerSecond || (seconds > 0 ? bytes / seconds : 0),
    lostFragments: report?.lostFragments ?? 0,
    lostPercent: report === null ? 0 : lostPercent(report),
    multicastChunks: report?.multicastChunks ?? 0,
    tcpChunks: report?.tcpChunks ?? 0,
  };
}

function lostPercent({ datagrams, lostFragments }: TargetReport): number {
  const sent = datagrams + lostFragments;
  return sent === 0 ? 0 : (100 * lostFragments) / sent;
}

function captureComputer(
  { job, live }: ReportSource,
  summary: KeptSummary,
  steps: ReadonlyMap<string, ReportStep[]>,
): ReportComputer {
  const asked = (job.options as { computerId?: unknown }).computerId;
  const computerId = typeof asked === 'string' ? asked : ([...steps.keys()][0] ?? '');
  const own = steps.get(computerId) ?? [];
  const receivedBytes = live?.kind === 'capture' ? live.receivedBytes : 0;
  return computerOf(
    keptTargetSchema.parse({
      computerId,
      state: live?.kind === 'capture' ? live.step : job.state,
      reason: live?.error || job.error,
      doneBytes: summary.storedBytes || receivedBytes,
      bytesPerSecond: live?.kind === 'capture' ? live.bytesPerSecond : 0,
    }),
    { steps: own },
  );
}

function sessionOf(session: Record<string, unknown>): Report['sessions'][number] {
  const count = (name: string) => {
    const value = session[name];
    return typeof value === 'number' && value >= 0 ? value : 0;
  };
  const seconds = count('durationMs') / 1000;
  const bytes = count('bytes');
  return {
    bytes,
    seconds,
    bytesPerSecond: seconds > 0 ? bytes / seconds : 0,
    datagrams: count('datagrams'),
    repairDatagrams: count('repairDatagrams'),
  };
}

function stepSeconds(steps: readonly ReportStep[]): number {
  const [first, last] = [steps[0], steps.at(-1)];
  return first === undefined || last === undefined ? 0 : secondsBetween(first.startedAt, last.endedAt);
}

function secondsBetween(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
