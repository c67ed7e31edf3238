import { z } from 'zod';
import type { Identity } from '../../control/identity.ts';
import { EXPORT_KINDS } from '../../media/export.ts';
import { BOOT_MODES } from '../../schema/boot-params.ts';
import { checked } from '../checked-params.ts';
import type { ExportParams } from '../console-api.ts';
import type { ConsoleStatus } from '../console-status.ts';
import { checkDestination, runMediaExport, workDirOf } from '../media-export.ts';
import type { RpcMethods } from '../rpc-server.ts';
import { listSticks } from '../usb-sticks.ts';

const exportParams = z.strictObject({
  kind: z.enum(EXPORT_KINDS),
  dest: z.string().min(1).max(4096),
  confirmBytes: z.number().int().min(0).exactOptional(),
  console: z.string().max(300).exactOptional(),
  timeoutSeconds: z.number().int().min(0).max(3600).nullable().exactOptional(),
  mode: z.enum(BOOT_MODES).exactOptional(),
  params: z.array(z.string().max(1024)).max(32).exactOptional(),
  serverAddress: z.string().max(100).exactOptional(),
}) satisfies z.ZodType<ExportParams>;

/** Boot media that trust this console; an export ends when its caller goes away. */
export function exportMethods(parts: {
  identity: Identity;
  status: Pick<ConsoleStatus, 'dataDir'>;
}): RpcMethods {
  return {
    export: async ({ params, emit, signal }) => {
      const asked = checked(exportParams, params);
      checkDestination(asked.dest);
      return runMediaExport(asked, {
        identity: parts.identity,
        workDir: workDirOf(parts.status.dataDir),
        signal,
        onProgress: (step, doneBytes, totalBytes) => emit({ step, doneBytes, totalBytes }),
      });
    },
    'usb.sticks': async () => listSticks(),
  };
}
