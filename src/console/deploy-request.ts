import { z } from 'zod';
import { imageNameSchema } from '../schema/image-manifest.ts';
import { afterSchema, diskRuleSchema } from '../schema/job.ts';

const SECONDS_MAX = 7 * 24 * 3600;

/** What a person asks for with `deploy`; every field has a default but the image. */
export const deployRequestSchema = z.strictObject({
  image: imageNameSchema,
  /** Every waiting computer, or computer ids and MAC addresses. */
  targets: z.union([z.literal('all'), z.array(z.string().min(1).max(300)).min(1).max(2000)]).default('all'),
  /** Start when so many computers are connected; 0 starts with those that are there. */
  waitFor: z.number().int().min(0).max(2000).default(0),
  /** Start with those that are there after this long. */
  waitSeconds: z.number().min(0).max(SECONDS_MAX).default(600),
  diskRule: diskRuleSchema.default('auto'),
  after: afterSchema.default('shutdown'),
  /** Upper limit of the multicast rate in Mbit/s; 0 leaves it to the session. */
  rateMbit: z.number().min(0).max(100_000).default(0),
  /** One computer that cannot stops all of them before any byte is written. */
  allOrNothing: z.boolean().default(false),
  /** How long a computer that was lost may take to come back. */
  lostWaitSeconds: z.number().min(0).max(SECONDS_MAX).default(90),
});

export type DeployRequest = z.infer<typeof deployRequestSchema>;

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
