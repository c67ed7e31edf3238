import { errorLine } from '../lib/errors.ts';
import type { EditResult } from '../schema/edit-result.ts';
import { announced, type CustomiseOptions, type DeployedSystem } from './customise-system.ts';
import { applyEdits, type Edit } from './edit.ts';
import { sidFileEdits, sidVolumeEdit } from './windows/sid-edits.ts';
import { windowsEdits } from './windows/windows-edits.ts';
import { abandonWindows, openWindows, saveWindows } from './windows/windows-root.ts';
import type { WindowsSystem } from './windows/windows-system.ts';

const SAVE_TEXT = 'Write the changed registry';
const SID_TEXT = 'Give the computer a new SID';
const SID_NEEDS_UNMOUNT =
  'permissions can only be changed where the volume is mounted nowhere, and a registry with another SID would not fit them';

/** A Windows: its registry is edited in memory, written whole, and what follows from a new SID comes last. */
export class CustomisedWindows implements DeployedSystem {
  readonly #system: WindowsSystem;
  readonly #options: CustomiseOptions;
  readonly #edits: Edit<WindowsSystem>[];
  readonly #fileEdits: Edit<WindowsSystem>[];

  private constructor(system: WindowsSystem, options: CustomiseOptions) {
    this.#system = system;
    this.#options = options;
    const { customisation, isUnmountedAfter, machine } = options;
    const keepsSid = !isUnmountedAfter && customisation.sid === 'new' && !system.facts.sysprepped;
    const wanted = keepsSid ? { ...customisation, sid: 'keep' as const } : customisation;
    this.#edits = [
      ...windowsEdits(wanted, system.facts, machine),
      ...(keepsSid ? [{ text: SID_TEXT, apply: async () => SID_NEEDS_UNMOUNT }] : []),
    ];
    this.#fileEdits = sidFileEdits(wanted, system.facts);
  }

  /** Undefined when there is no Windows. @throws as `openWindows`. */
  static async open(dir: string, options: CustomiseOptions): Promise<CustomisedWindows | undefined> {
    const system = await openWindows(dir, options);
    return system === undefined ? undefined : new CustomisedWindows(system, options);
  }

  get name(): string {
    const { productName, release } = this.#system.facts;
    return productName || `Windows ${release.major}.${release.minor}`;
  }

  get plan(): string[] {
    return [...this.#edits, ...this.#fileEdits].map(({ text }) => text);
  }

  get written(): ReadonlySet<string> {
    return this.#system.root.written;
  }

  async apply(): Promise<EditResult[]> {
    const { onEdit } = this.#options;
    try {
      const results = await this.#apply(this.#edits);
      onEdit?.(SAVE_TEXT);
      const saved = await this.#save();
      if (saved.result === 'failed') return [...results, saved];
      const following = await this.#apply(this.#fileEdits);
      await this.#system.hives.commit();
      return [...results, saved, ...following];
    } catch (error) {
      // Passwords for the first start must not stay on a disk that nobody starts.
      await abandonWindows(this.#system);
      throw error;
    }
  }

  async afterUnmount(volumes: readonly { device: string; where: string }[]): Promise<EditResult[]> {
    if (this.#system.sidChange === undefined) return [];
    const edits = volumes.map(({ device, where }) => {
      const text = `Give the permissions of all files on ${where} the new SID`;
      return { ...sidVolumeEdit(device), text };
    });
    return await this.#apply(edits);
  }

  async #save(): Promise<EditResult> {
    try {
      await saveWindows(this.#system);
      return { text: SAVE_TEXT, result: 'done', reason: '' };
    } catch (error) {
      delete this.#system.sidChange;
      const reason = `${errorLine(error).slice(0, 900)}; none of its changes was kept`;
      return { text: SAVE_TEXT, result: 'failed', reason };
    }
  }

  #apply(edits: readonly Edit<WindowsSystem>[]): Promise<EditResult[]> {
    const { signal, onEdit } = this.#options;
    return applyEdits(announced(edits, onEdit), this.#system, signal === undefined ? {} : { signal });
  }
}
