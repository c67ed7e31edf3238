import { z } from 'zod';
import type { Identity } from '../control/identity.ts';
import { sleep } from '../lib/clock.ts';
import { checked } from './checked-params.ts';
import type { ConsoleCore } from './console-core.ts';
import type { SettingsStore } from './console-settings.ts';
import type { ConsoleStatus } from './console-status.ts';
import { deployRequestOf } from './deploy-preparation.ts';
import type { Licences } from './licences.ts';
import { imageMethods } from './methods/image-methods.ts';
import { exportMethods } from './methods/export-methods.ts';
import { licenceMethods } from './methods/licence-methods.ts';
import { logMethods } from './methods/log-methods.ts';
import { reportMethods } from './methods/report-methods.ts';
import { settingsMethods } from './methods/settings-methods.ts';
import { storageMethods } from './methods/storage-methods.ts';
import { templateMethods } from './methods/template-methods.ts';
import type { RpcMethods } from './rpc-server.ts';
import type { Secrets } from './secrets.ts';
import type { Storages } from './storages.ts';
import { isEnded } from './store.ts';
import type { TemplateStore } from './template-store.ts';

export type { ConsoleStatus } from './console-status.ts';

const WATCH_INTERVAL_MS = 500;

const jobParams = z.strictObject({ jobId: z.string().max(40) });
const cancelParams = jobParams.extend({
  computer: z.string().max(300).exactOptional(),
  reason: z.string().min(1).max(500).default('cancelled at the console'),
});

/** What the calls work on; each area's method table takes what it needs. */
export interface ConsoleParts {
  core: ConsoleCore;
  status: ConsoleStatus;
  settings: SettingsStore;
  storages: Storages;
  licences: Licences;
  identity: Identity;
  templates: TemplateStore;
  secrets: Secrets;
}

/** The calls of the console: of its Unix socket and of the screens in the same process. */
export function consoleMethods(parts: ConsoleParts): RpcMethods {
  const { core, status } = parts;
  return {
    ...settingsMethods(parts),
    ...storageMethods(parts),
    ...exportMethods(parts),
    ...logMethods(core),
    ...imageMethods(core),
    ...templateMethods(parts),
    ...licenceMethods(parts),
    ...reportMethods(parts),
    status: async () => status,
    computers: async () => core.computerViews(),
    jobs: async () => core.jobs(),
    deploy: async ({ params }) => ({ jobId: core.deploy(await deployRequestOf(parts, params)).id }),
    cancel: async ({ params }) => {
      const { jobId, ...options } = checked(cancelParams, params);
      await core.cancel(jobId, options);
    },
    /** Sends the job's snapshot whenever it changed, and the last one as the result. */
    watch: async ({ params, emit, signal }) => {
      const { jobId } = checked(jobParams, params);
      let told = '';
      for (;;) {
        const snapshot = core.job(jobId);
        if (isEnded(snapshot.state)) return snapshot.kind === 'deploy' ? core.deployEnded(jobId) : snapshot;
        const text = JSON.stringify(snapshot);
        if (text !== told) emit(snapshot);
        told = text;
        const pause = sleep(WATCH_INTERVAL_MS, signal);
        await (snapshot.kind === 'deploy' ? Promise.race([pause, core.deployEnded(jobId)]) : pause);
      }
    },
  };
}
