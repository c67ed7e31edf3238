import { z } from 'zod';

/** What became of one edit of a deployed system, in the report of a target. */
export const editResultSchema = z.strictObject({
  /** What it does, in words without secrets. */
  text: z.string().max(1000),
  result: z.enum(['done', 'skipped', 'failed']),
  /** Why not, when it is not done. */
  reason: z.string().max(1000),
});

export type EditResult = z.output<typeof editResultSchema>;
