import type { z } from 'zod';
import { TdError } from '../lib/errors.ts';

/** What a caller sent, in the shape the schema promises. @throws TdError `usage` naming the first wrong field. */
export function checked<T>(schema: z.ZodType<T>, params: unknown): T {
  const parsed = schema.safeParse(params);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new TdError('usage', `Cannot use "${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'wrong'}`);
}
