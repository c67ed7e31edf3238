import { z } from 'zod';
import { AFTER_ACTIONS } from './after-action.ts';
import { editResultSchema } from './edit-result.ts';

/** The steps of a deployment on one target, in order; the last three are ends. */
export const TARGET_STEPS = [
  'idle',
  'assigned',
  'pre-flight',
  'partitioning',
  'receiving',
  'checking',
  'growing',
  'customising',
  'boot-entry',
  'done',
  'failed',
  'cancelled',
] as const;

/** The steps of a capture. */
export const CAPTURE_STEPS = [
  'idle',
  'mapping',
  'capturing',
  'finishing',
  'done',
  'failed',
  'cancelled',
] as const;

export const stepSchema = z.enum([...new Set([...TARGET_STEPS, ...CAPTURE_STEPS])] as [string, ...string[]]);
export const afterSchema = z.enum(AFTER_ACTIONS);

/** How the target disk is chosen, as text: `auto` (the only or the first BIOS disk), a rule such as `serial=…`. */
export const diskRuleSchema = z.string().min(1).max(200);

export type TargetStep = (typeof TARGET_STEPS)[number];
export type CaptureStep = (typeof CAPTURE_STEPS)[number];

export const EDITS_MAX = 500;

/** What one target did, as the job's report shows it. */
export const targetReportSchema = z.strictObject({
  ok: z.boolean(),
  error: z.string().max(1000),
  disk: z.string().max(256),
  writtenBytes: z.number().int().min(0),
  /** Chunks that came by multicast and over TCP. */
  multicastChunks: z.number().int().min(0),
  tcpChunks: z.number().int().min(0),
  datagrams: z.number().int().min(0),
  lostFragments: z.number().int().min(0),
  badDatagrams: z.number().int().min(0),
  durationMs: z.number().int().min(0),
  /** Merkle root of the chunks written, equal to the image's when `ok`. */
  root: z.string().max(64),
  /** What was changed in the deployed system; absent where nothing was to be. */
  edits: z.array(editResultSchema).max(EDITS_MAX).exactOptional(),
});

export type TargetReport = z.infer<typeof targetReportSchema>;
