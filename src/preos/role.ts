import type { Logger } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import type { BootParams } from '../schema/boot-params.ts';
import type { MachineDisk } from '../schema/machine.ts';
import type { Site } from '../schema/site.ts';
import type { Power } from './power.ts';

/** What every role gets from the Pre-OS. */
export interface RoleContext {
  params: BootParams;
  /** Undefined on media that were not exported by a console. */
  site: Site | undefined;
  screen: Screen;
  logger: Logger;
  signal: AbortSignal;
  power: Power;
}

export interface BackupRequest {
  /** A device or a disk rule. */
  disk: string;
  /** `console:NAME` or a path. */
  to: string;
}

/** The roles and what they know of disks; `main.ts` passes them in, so that layers stay apart. */
export interface PreosRoles {
  agent(context: RoleContext): Promise<void>;
  backup(context: RoleContext, request: BackupRequest): Promise<void>;
  console(context: RoleContext): Promise<void>;
  listDisks(): Promise<MachineDisk[]>;
}
