import { z } from 'zod';
import { editResultSchema } from '../../schema/edit-result.ts';

/** Raised when a field changes its meaning. */
export const REPORT_VERSION = 1;

const count = z.number().min(0);
const time = z.iso.datetime();

export const reportStepSchema = z.strictObject({
  /** As in the log: `receiving`, `lost contact` … */
  step: z.string(),
  startedAt: time,
  endedAt: time,
});

export const reportComputerSchema = z.strictObject({
  computerId: z.string(),
  name: z.string(),
  address: z.string(),
  state: z.string(),
  /** Why it failed or was cancelled; empty otherwise. */
  reason: z.string(),
  disk: z.string(),
  /** Written to its disk, or received from it for a capture. */
  bytes: count,
  bytesPerSecond: count,
  seconds: count,
  /** Parts of chunks that did not come by multicast, of all that were sent to it. */
  lostFragments: count,
  lostPercent: count,
  multicastChunks: count,
  tcpChunks: count,
  steps: z.array(reportStepSchema),
  /** What was changed in the deployed system. */
  edits: z.array(editResultSchema),
});

export const reportSessionSchema = z.strictObject({
  bytes: count,
  seconds: count,
  bytesPerSecond: count,
  datagrams: count,
  repairDatagrams: count,
});

/** What `totaldeploy report --format json` prints: one job from its beginning to its end, or to now. */
export const reportSchema = z.strictObject({
  version: z.literal(REPORT_VERSION),
  program: z.string(),
  /** When this was written; ISO 8601, UTC. */
  createdAt: time,
  job: z.strictObject({
    id: z.string(),
    kind: z.enum(['deploy', 'capture']),
    image: z.string(),
    /** Empty when it was started without one. */
    template: z.string(),
    state: z.string(),
    error: z.string(),
    startedAt: time,
    /** Empty while it runs. */
    endedAt: z.union([time, z.literal('')]),
    seconds: count,
  }),
  settings: z.array(z.strictObject({ label: z.string(), value: z.string() })),
  notApplied: z.array(z.string()),
  sessions: z.array(reportSessionSchema),
  computers: z.array(reportComputerSchema),
  /** The group's rate over time. */
  rates: z.array(z.strictObject({ at: time, bytesPerSecond: count })),
  events: z.array(
    z.strictObject({ at: time, level: z.string(), kind: z.string(), computer: z.string(), text: z.string() }),
  ),
});

export type Report = z.infer<typeof reportSchema>;
export type ReportComputer = z.infer<typeof reportComputerSchema>;
export type ReportStep = z.infer<typeof reportStepSchema>;
