import type { Customisation } from '../schema/customisation.ts';
import type { EditResult } from '../schema/edit-result.ts';
import type { Edit } from './edit.ts';
import type { OpenFile } from './file-source.ts';
import type { MachineFacts } from './machine-facts.ts';

export type SystemFamily = 'windows' | 'linux';

export interface CustomiseOptions {
  customisation: Customisation;
  /** The computer that the system will start on. */
  machine: MachineFacts;
  openFile: OpenFile;
  signal?: AbortSignal;
  /** Told before each edit. */
  onEdit?: (text: string) => void;
  /** It is unmounted afterwards, and {@link DeployedSystem.afterUnmount} is called. */
  isUnmountedAfter: boolean;
}

/** A mounted, stopped system and what is to become of it. */
export interface DeployedSystem {
  /** For people, e.g. `Windows 10 Pro`. */
  readonly name: string;
  /** In order, in words, without secrets. */
  readonly plan: readonly string[];
  /** Outside paths of what was written. */
  readonly written: ReadonlySet<string>;
  /** Does it; what fails is a result. @throws only the signal's reason, with nothing secret left behind. */
  apply(): Promise<EditResult[]>;
  /** What is done to volumes that are mounted nowhere. */
  afterUnmount(volumes: readonly { device: string; where: string }[]): Promise<EditResult[]>;
}

/** The same edits, each told when its turn comes. */
export function announced<Context>(
  edits: readonly Edit<Context>[],
  onEdit: CustomiseOptions['onEdit'],
): Edit<Context>[] {
  return edits.map(({ text, apply }) => ({
    text,
    async apply(context) {
      onEdit?.(text);
      return await apply(context);
    },
  }));
}
