import { errorLine } from '../lib/errors.ts';
import type { EditResult } from '../schema/edit-result.ts';

/** One change of a deployed system: planned without a disk, applied to the `Context` of its system family. */
export interface Edit<Context> {
  /** What it does, in words for people; never a secret. */
  text: string;
  /** Does all of it or nothing; a returned text says why there was nothing to do. */
  apply(context: Context): Promise<string | undefined>;
}

const REASON_CHARS_MAX = 1000;

/** Applies edits in order. One that fails is a result, and those after it still run. */
export async function applyEdits<Context>(
  edits: readonly Edit<Context>[],
  context: Context,
  options: { signal?: AbortSignal; onResult?: (result: EditResult) => void } = {},
): Promise<EditResult[]> {
  const results: EditResult[] = [];
  for (const edit of edits) {
    options.signal?.throwIfAborted();
    const result = await applyOne(edit, context);
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}

async function applyOne<Context>(edit: Edit<Context>, context: Context): Promise<EditResult> {
  const { text } = edit;
  try {
    const skipped = await edit.apply(context);
    if (skipped !== undefined) return { text, result: 'skipped', reason: skipped.slice(0, REASON_CHARS_MAX) };
    return { text, result: 'done', reason: '' };
  } catch (error) {
    return { text, result: 'failed', reason: errorLine(error).slice(0, REASON_CHARS_MAX) };
  }
}
