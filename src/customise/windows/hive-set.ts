import { open } from 'node:fs/promises';
import { TdError } from '../../lib/errors.ts';
import { Hive, type HiveSnapshot } from '../registry-hive/hive.ts';
import type { SystemRoot } from '../system-root.ts';
import { hiveDifference } from './hive-set-difference.ts';

/** Hives of one system are kept in memory at once; SOFTWARE of a server is the largest, at about 200 MiB. */
const HIVE_BYTES_MAX = 512 * 1024 * 1024;
const HIVES_MAX = 500;
const LOG_SUFFIXES = ['.LOG', '.LOG1', '.LOG2'];
const BACKUP_SUFFIX = '.td-bak';

/** A state of all open hives to go back to. */
export type HiveSetSnapshot = ReadonlyMap<string, HiveSnapshot>;

/**
 * The registry hives of a stopped Windows, opened when they are first asked for. Nothing is written before `save()`;
 * from then on every old hive lies beside the new one until `commit()` removes it or `discard()` brings it back.
 */
export class HiveSet {
  readonly #root: SystemRoot;
  readonly #configDir: string;
  readonly #open = new Map<string, { path: string; hive: Hive }>();
  readonly #saved = new Set<string>();

  /** @param options.systemDir e.g. `Windows`. */
  constructor(root: SystemRoot, options: { systemDir: string }) {
    this.#root = root;
    this.#configDir = `${options.systemDir}/System32/config`;
  }

  /** The path of a hive: a name alone is one of the system's own. */
  pathOf(name: string): string {
    return /[/\\]/.test(name) ? name.replaceAll('\\', '/') : `${this.#configDir}/${name}`;
  }

  async exists(name: string): Promise<boolean> {
    return this.#root.exists(this.pathOf(name));
  }

  /**
   * @param name `SYSTEM`, or the path of another hive such as `Users/eve/NTUSER.DAT`.
   * @throws TdError `not-found`; `invalid`; `refused` when it was not closed and its logs do not complete it.
   */
  async open(name: string): Promise<Hive> {
    const path = this.pathOf(name);
    const key = path.toLowerCase();
    const known = this.#open.get(key);
    if (known !== undefined) return known.hive;
    if (this.#open.size >= HIVES_MAX) {
      throw new TdError('invalid', `Cannot open "${path}": more than ${HIVES_MAX} hives are open`);
    }
    await this.#bringBack(path);
    const hive = await this.#parse(path);
    this.#open.set(key, { path, hive });
    return hive;
  }

  snapshot(): HiveSetSnapshot {
    return new Map([...this.#open].map(([key, { hive }]) => [key, hive.snapshot()]));
  }

  /** Brings back the content of every hive; those opened since are forgotten. */
  restore(snapshot: HiveSetSnapshot): void {
    for (const [key, { hive }] of this.#open) {
      const state = snapshot.get(key);
      if (state === undefined) this.#open.delete(key);
      else hive.restore(state);
    }
  }

  /** Writes every hive that was changed, after what will be written was read again and compared. */
  async save(): Promise<void> {
    for (const { path, hive } of this.#open.values()) {
      if (hive.isChanged) await this.#save(path, hive);
    }
  }

  /** The new hives are to stay. */
  async commit(): Promise<void> {
    for (const path of this.#saved) await this.#root.remove(path + BACKUP_SUFFIX);
    this.#saved.clear();
  }

  /** Every hive is again what it was before `save()`, and nothing is open. */
  async discard(): Promise<void> {
    this.#open.clear();
    for (const path of this.#saved) await this.#bringBack(path);
    this.#saved.clear();
  }

  async #parse(path: string): Promise<Hive> {
    const bytes = await this.#root.read(path, { bytesMax: HIVE_BYTES_MAX });
    const logs: Buffer[] = [];
    for (const suffix of LOG_SUFFIXES) {
      if (!(await this.#root.exists(path + suffix))) continue;
      const log = await this.#root.read(path + suffix, { bytesMax: HIVE_BYTES_MAX });
      if (log.length > 0) logs.push(log);
    }
    try {
      return Hive.parse(bytes, { logs });
    } catch (cause) {
      const { code, message } = cause instanceof TdError ? cause : new TdError('invalid', String(cause));
      throw new TdError(code, `Cannot use the registry hive "${path}": ${message}`, { cause });
    }
  }

  async #save(path: string, hive: Hive): Promise<void> {
    const bytes = hive.toBuffer();
    const difference = await hiveDifference(hive.root, Hive.parse(bytes).root);
    if (difference !== undefined) {
      throw new TdError('damaged', `Cannot write "${path}": read again, it differs at "${difference}"`);
    }
    const old = await this.#root.read(path, { bytesMax: HIVE_BYTES_MAX });
    await this.#root.write(path + BACKUP_SUFFIX, old, { mode: 0o600 });
    this.#saved.add(path);
    await this.#overwrite(path, bytes);
  }

  /** A backup that is there at the start is of a run that was cut off; what lies in its place may be half written. */
  async #bringBack(path: string): Promise<void> {
    if (!(await this.#root.exists(path + BACKUP_SUFFIX))) return;
    await this.#overwrite(path, await this.#root.read(path + BACKUP_SUFFIX, { bytesMax: HIVE_BYTES_MAX }));
    await this.#root.remove(path + BACKUP_SUFFIX);
  }

  /**
   * In place and not renamed into it, so that it keeps its own permissions: SAM and SYSTEM hold the password hashes, and a
   * new file gets what its folder gives. Until it is flushed and read again, the backup is there.
   */
  async #overwrite(path: string, bytes: Buffer): Promise<void> {
    const host = await this.#root.resolve(path);
    this.#root.written.add(host);
    {
      await using file = await open(host, 'r+');
      await file.writeFile(bytes);
      await file.truncate(bytes.length);
      await file.sync();
    }
    const written = await this.#root.read(path, { bytesMax: HIVE_BYTES_MAX });
    if (!written.equals(bytes)) {
      throw new TdError('damaged', `Cannot write "${path}": read again, it is not what was written`);
    }
  }
}
