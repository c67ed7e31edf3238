import { z } from 'zod';
import { checkOpenImage } from '../../image/check.ts';
import { checked } from '../checked-params.ts';
import { checkSummary, damageLines } from '../commands/image-check.ts';
import { printable } from '../commands/image-info.ts';
import type { CheckProgress, CheckResult } from '../console-api.ts';
import { imageDetails } from '../image-details.ts';
import type { ImageLibrary } from '../image-library.ts';
import type { RpcMethods } from '../rpc-server.ts';

const PROBLEMS_MAX = 50;
const REPORT_INTERVAL_MS = 250;

/** Opening an encrypted image refuses by itself: this version cannot use a password. */
const detailsParams = z.strictObject({
  image: z.string().min(1).max(1000),
  password: z.string().max(256).exactOptional(),
});
const checkParams = detailsParams.extend({ quick: z.boolean().default(false) });

/** Looking at images and checking them. */
export function imageMethods({ library }: { library: ImageLibrary }): RpcMethods {
  return {
    images: async () => library.list(),
    'image.details': async ({ params }) => {
      const { image } = checked(detailsParams, params);
      await using lease = await library.lease(image);
      return imageDetails(lease.reader, image);
    },
    'image.check': async ({ params, emit, signal }): Promise<CheckResult> => {
      const { image, quick } = checked(checkParams, params);
      await using lease = await library.lease(image);
      const { reader } = lease;
      let toldAtMs = Number.NEGATIVE_INFINITY;
      const result = await checkOpenImage(reader, {
        quick,
        signal,
        onProgress: (doneBytes, totalBytes, damagedChunks) => {
          const nowMs = performance.now();
          if (nowMs - toldAtMs < REPORT_INTERVAL_MS && doneBytes < totalBytes) return;
          toldAtMs = nowMs;
          emit({ doneBytes, totalBytes, damagedChunks } satisfies CheckProgress);
        },
      });
      const problems = damageLines(reader.manifest, result).slice(0, PROBLEMS_MAX).map(printable);
      return { ok: result.ok, summary: printable(checkSummary(image, result)), problems };
    },
  };
}
