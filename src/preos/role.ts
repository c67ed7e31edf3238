import type { Dialog, Present } from '../lib/dialog.ts';
import type { HostNetwork } from '../lib/host-network.ts';
import type { Logger } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import type { AfterAction } from '../schema/after-action.ts';
import type { BootParams } from '../schema/boot-params.ts';
import type { Site } from '../schema/site.ts';
import type { Power } from './power.ts';
import type { ScreenProgram } from './screen-face.ts';

/** What every role gets from the Pre-OS. */
export interface RoleContext {
  params: BootParams;
  /** Undefined on media that were not exported by a console. */
  site: Site | undefined;
  screen: Screen;
  logger: Logger;
  signal: AbortSignal;
  power: Power;
  network: HostNetwork;
  /** Runs a program of the role's own on every terminal that shows screens; the returned function ends it. */
  useScreens(program: ScreenProgram): () => void;
}

export interface BackupRequest {
  /** A device or a disk rule. */
  disk: string;
  /** `console:NAME` or a path. */
  to: string;
  /** Numbers; missing takes what the boot parameters say, empty takes all. */
  partitions?: readonly number[];
  name?: string;
  comment?: string;
  level?: number;
  /** `HOST:PORT` of the console that was chosen. */
  console?: string;
  /** Reads an image that was stored in a file once more. */
  check?: boolean;
  /** Also takes filesystems that were not unmounted cleanly. */
  force?: boolean;
  after?: AfterAction;
}

/** What a person decides about a backup, kept from one attempt to the next. */
export interface BackupWizard extends AsyncDisposable {
  /** Asks for everything a backup needs; undefined when it was left. `problem` is why the last one failed. */
  dialog(problem: string): Dialog<BackupRequest | 'left'>;
  /** Names the share in place of the folder where it is mounted. */
  inWords(text: string): string;
}

/** The roles and what they ask for; `main.ts` passes them in, so that layers stay apart. */
export interface PreosRoles {
  agent(context: RoleContext): Promise<void>;
  /** @returns what a person reads when it is done, a line each. */
  backup(context: RoleContext, request: BackupRequest): Promise<readonly string[]>;
  console(context: RoleContext): Promise<void>;
  openBackupWizard(
    context: Pick<RoleContext, 'params' | 'site' | 'logger' | 'signal'> & { given: Partial<BackupRequest> },
  ): Promise<BackupWizard>;
}

export type { Present };
