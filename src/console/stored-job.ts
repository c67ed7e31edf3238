import { z } from 'zod';
import type { CaptureSnapshot } from './capture-job.ts';
import { computerLabel } from './computers.ts';
import { deployRequestSchema } from './deploy-request.ts';
import { restoredTarget } from './deploy-target.ts';
import { type DeploySnapshot, deploySnapshot, targetView } from './deploy-view.ts';
import type { JobRecord, TargetRecord } from './store.ts';
import { wantedCount } from './target-selection.ts';

const captureOptionsSchema = z.object({ computerId: z.string().catch('') });
const summarySchema = z.object({
  sessions: z.array(z.record(z.string(), z.unknown())).catch([]),
  storedBytes: z.number().catch(0),
});

/** A job that this console no longer has in memory, as it would show it. */
export function storedJob(
  record: JobRecord,
  targets: readonly TargetRecord[],
): DeploySnapshot | CaptureSnapshot {
  const { id, image, state, error } = record;
  const { sessions, storedBytes } = summarySchema.parse(record.summary);
  if (record.kind === 'capture') {
    const { computerId } = captureOptionsSchema.parse(record.options);
    return {
      ...{ id, kind: 'capture', image, state, error, computerId, name: computerLabel(computerId) },
      ...{
        step: state,
        detail: '',
        receivedBytes: storedBytes,
        doneBytes: 0,
        totalBytes: 0,
        bytesPerSecond: 0,
      },
    };
  }
  const request = deployRequestSchema.safeParse(record.options).data ?? {
    ...deployRequestSchema.parse({ image: 'unknown' }),
    image,
  };
  const views = targets.map((target) => targetView(restoredTarget(target, 0)));
  const counts = { connected: 0, wanted: wantedCount(request), bytesPerSecond: 0 };
  const startedAt = record.createdAt;
  return deploySnapshot(request, { id, state, error, startedAt, ...counts, targets: views, sessions });
}
