import { z } from 'zod';
import { DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN } from '../multicast/limits.ts';
import { imageNameSchema } from '../schema/image-manifest.ts';
import { afterSchema, diskRuleSchema } from '../schema/job.ts';
import { targetSettingsSchema } from '../schema/template.ts';

const SECONDS_MAX = 7 * 24 * 3600;

const IMAGE_PATH = /^(?:[^/.\x00-\x1f][^/\x00-\x1f]*)?\/[^\x00-\x1f]{1,4000}$/;

/** What a deployment runs with; every field has a default but the image. It is stored: no readable secret may be in it. */
export const deployRequestSchema = z.strictObject({
  /** A name in the image library, one with its place (`place/name`), or the full path of a file. */
  image: z.union([imageNameSchema, z.string().regex(IMAGE_PATH, 'use a name or a full path')]),
  /** Which of the image's disks, from 0. */
  disk: z.number().int().min(0).max(15).default(0),
  /** The partitions that are written beside the boot areas. */
  partitions: z
    .union([z.literal('all'), z.array(z.number().int().min(1).max(256)).min(1).max(256)])
    .default('all'),
  /** Refused: it would clear the rest of the disk. */
  targetPartition: z.number().int().exactOptional(),
  /** Every waiting computer, or computer ids, names and MAC addresses. */
  targets: z.union([z.literal('all'), z.array(z.string().min(1).max(300)).min(1).max(2000)]).default('all'),
  /** Start when so many computers are connected; 0 starts with those that are there. */
  waitFor: z.number().int().min(0).max(2000).default(0),
  /** Start with those that are there after this long. */
  waitSeconds: z.number().min(0).max(SECONDS_MAX).default(600),
  /** Wakes the named computers first; with `all` every one that was ever seen. */
  wake: z.boolean().default(false),
  /** Computers that connect while it runs join it; only with targets `all`. */
  joinLate: z.boolean().default(false),
  diskRule: diskRuleSchema.default('auto'),
  after: afterSchema.default('shutdown'),
  /** Upper limit of the multicast rate in Mbit/s; 0 leaves it to the session. */
  rateMbit: z.number().min(0).max(100_000).default(0),
  /** UDP payload of a datagram; 0 fills one frame of the narrowest card in the session. */
  datagramBytes: z
    .union([z.literal(0), z.number().int().min(DATAGRAM_BYTES_MIN).max(DATAGRAM_BYTES_MAX)])
    .default(0),
  /** One computer that cannot stops all of them before any byte is written. */
  allOrNothing: z.boolean().default(false),
  /** How long a computer that was lost may take to come back. */
  lostWaitSeconds: z.number().min(0).max(SECONDS_MAX).default(90),
  /** The template it was made from; empty for none. */
  template: z.string().max(120).default(''),
  /** The template's settings in the words of the summary, without secrets. */
  settings: z
    .array(z.strictObject({ label: z.string().max(200), value: z.string().max(4000) }))
    .max(200)
    .default([]),
  /** Settings that this version does not apply, in so many words. */
  notApplied: z.array(z.string().max(2000)).max(100).default([]),
  /** What each deployed system is changed by, passwords sealed; absent for nothing. */
  customisation: targetSettingsSchema.exactOptional(),
  /** Names and addresses go on where earlier jobs of the template ended. */
  countsOn: z.boolean().default(false),
  /** The job whose failed computers it tries again. */
  retryOf: z.string().max(40).default(''),
  /** The first of the jobs that try its computers again: they share names and addresses. */
  series: z.string().max(40).default(''),
});

export type DeployRequest = z.infer<typeof deployRequestSchema>;
export type DeployRequestInput = z.input<typeof deployRequestSchema>;

/** Times a deployment never exceeds, so that it always ends. */
export interface DeployLimits {
  preflightMs: number;
  /** A target that says nothing new for this long has failed. */
  stalledMs: number;
  /** After the last written byte a target still flushes and reports. */
  jobMs: number;
  /** How often times are looked at. */
  tickMs: number;
}

export const DEPLOY_LIMITS: DeployLimits = {
  preflightMs: 60_000,
  stalledMs: 15 * 60_000,
  jobMs: 48 * 3_600_000,
  tickMs: 250,
};
