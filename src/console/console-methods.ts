import type { Identity } from '../control/identity.ts';
import type { ConsoleCore } from './console-core.ts';
import type { SettingsStore } from './console-settings.ts';
import type { ConsoleStatus } from './console-status.ts';
import type { CustomOffers } from './custom-offers.ts';
import type { Licences } from './licences.ts';
import { exportMethods } from './methods/export-methods.ts';
import { imageMethods } from './methods/image-methods.ts';
import { jobMethods } from './methods/job-methods.ts';
import { licenceMethods } from './methods/licence-methods.ts';
import { logMethods } from './methods/log-methods.ts';
import { logSaveMethods } from './methods/log-save-methods.ts';
import { reportMethods } from './methods/report-methods.ts';
import { settingsMethods } from './methods/settings-methods.ts';
import { storageMethods } from './methods/storage-methods.ts';
import { templateMethods } from './methods/template-methods.ts';
import type { RpcMethods } from './rpc-server.ts';
import type { Secrets } from './secrets.ts';
import type { Storages } from './storages.ts';
import type { TemplateStore } from './template-store.ts';

export type { ConsoleStatus } from './console-status.ts';

/** What the calls work on; each area's method table takes what it needs. */
export interface ConsoleParts {
  core: ConsoleCore;
  status: ConsoleStatus;
  settings: SettingsStore;
  storages: Storages;
  licences: Licences;
  identity: Identity;
  templates: TemplateStore;
  offers: CustomOffers;
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
    ...logSaveMethods(core),
    ...imageMethods(core),
    ...parts.offers.following(templateMethods(parts)),
    ...licenceMethods(parts),
    ...reportMethods(parts),
    ...jobMethods(parts),
    status: async () => status,
  };
}
