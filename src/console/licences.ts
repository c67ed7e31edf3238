import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorLine, TdError } from '../lib/errors.ts';
import { writeJsonFile } from '../lib/json-file.ts';
import type { Logger } from '../lib/log.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import { computerLabel } from './computers.ts';
import type { LicenceStatus } from './console-api.ts';
import { type LicenceFile, readLicence, VENDOR_KEY } from './licence-file.ts';
import type { NewEvent } from './store.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS uses (
  computer TEXT PRIMARY KEY, computer_id TEXT NOT NULL, kind TEXT NOT NULL, since TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;

type Kind = 'server' | 'workstation';
/** `none`: nothing on the disk can be an operating system. */
export type ImageKind = Kind | 'unknown' | 'none';

interface Use {
  computerId: string;
  kind: Kind;
  /** ISO 8601, UTC. */
  since: string;
}

export interface LicencesOptions {
  addEvent(event: NewEvent): void;
  logger: Logger;
  /** Replaced in tests. */
  vendorKey?: string;
}

/** What kind of system an image holds. Nothing is recognised yet, and what is not recognised is a workstation. */
export function imageKind(manifest: Pick<ImageManifest, 'disks'>): ImageKind {
  const plain = ['fat12', 'fat16', 'fat32', 'exfat', 'swap'];
  const hasNoSystem = manifest.disks.every(
    ({ table, partitions }) =>
      table !== 'none' && partitions.every(({ filesystem }) => plain.includes(filesystem.kind)),
  );
  return hasNoSystem ? 'none' : 'unknown';
}

/**
 * Counts the computers that were deployed to against the licences bought. Off, and without a file of its own, until a
 * licence is loaded.
 */
export class Licences implements Disposable {
  readonly #dataDir: string;
  readonly #options: LicencesOptions;
  readonly #uses = new Map<string, Use>();
  #db: DatabaseSync | undefined;
  #licence: LicenceFile | undefined;
  #substitute: LicenceStatus['substitute'] = 'ask';
  #problem = '';

  private constructor(dataDir: string, options: LicencesOptions) {
    this.#dataDir = dataDir;
    this.#options = options;
  }

  /** Never throws: what is wrong with a licence is in its status, and keeps no console from starting. */
  static async open(dataDir: string, options: LicencesOptions): Promise<Licences> {
    const one = new Licences(dataDir, options);
    try {
      one.#licence = await readLicence(one.#path, options.vendorKey ?? VENDOR_KEY);
      if (one.#licence !== undefined) one.#openUses();
    } catch (error) {
      one.#problem = errorLine(error);
      options.addEvent({ level: 'error', kind: 'licence-damaged', text: one.#problem });
    }
    return one;
  }

  [Symbol.dispose](): void {
    this.#db?.close();
    this.#db = undefined;
  }

  status(): LicenceStatus {
    const { holder = '', server = 0, workstation = 0 } = this.#licence ?? {};
    const computers = [...this.#uses.values()].map((use) => ({
      ...use,
      name: computerLabel(use.computerId),
    }));
    return {
      enforced: this.#licence !== undefined || this.#problem !== '',
      holder,
      server: { bought: server, used: this.#used('server') },
      workstation: { bought: workstation, used: this.#used('workstation') },
      substitute: this.#substitute,
      computers: computers.sort((a, b) => a.name.localeCompare(b.name)),
      ...(this.#problem === '' ? {} : { problem: this.#problem }),
    };
  }

  /**
   * Takes a licence file into the data directory; computers that use a licence keep it.
   *
   * @throws TdError as {@link readLicence}; `not-found`; `no-space`, `io` when it cannot be kept.
   */
  async load(path: string): Promise<LicenceStatus> {
    const licence = await readLicence(path, this.#options.vendorKey ?? VENDOR_KEY);
    if (licence === undefined)
      throw new TdError('not-found', `Cannot read the licence "${path}": it does not exist`);
    this.#openUses();
    await writeJsonFile(this.#path, licence);
    this.#licence = licence;
    this.#problem = '';
    const { holder, id, server, workstation } = licence;
    const text = `licence ${id} of "${holder}": ${server} servers, ${workstation} workstations`;
    this.#options.addEvent({ kind: 'licence-loaded', text, details: { id, server, workstation } });
    return this.status();
  }

  /** Whether a server licence may stand in for a workstation one. @throws TdError `damaged`, `io`. */
  setSubstitute(substitute: LicenceStatus['substitute']): LicenceStatus {
    this.#openUses();
    this.#write('INSERT OR REPLACE INTO settings VALUES (:name, :value)', {
      name: 'substitute',
      value: substitute,
    });
    this.#substitute = substitute;
    return this.status();
  }

  /**
   * Asks for a computer just before it is written to, and counts it. A computer that has a licence is free.
   *
   * @returns empty, or why it may not be deployed and what to do.
   */
  mayDeploy(computerId: string, kind: ImageKind): string {
    if (this.#problem !== '') return this.#problem;
    if (this.#licence === undefined) return '';
    const computer = licensedAs(computerId);
    const wanted: Kind = kind === 'server' ? 'server' : 'workstation';
    const has = this.#uses.get(computer)?.kind;
    if (has === wanted || has === 'server') return '';
    if (this.#used(wanted) < this.#licence[wanted]) return this.#take(computer, computerId, wanted);
    const used = `${this.#used(wanted)} of ${this.#licence[wanted]} ${wanted} licences are used`;
    if (wanted === 'server' || this.#used('server') >= this.#licence.server) {
      return `${used}; load a licence for more computers ("totaldeploy licence load FILE")`;
    }
    if (this.#substitute === 'auto') return this.#take(computer, computerId, 'server');
    return `${used}; a server licence may stand in if you allow it with "totaldeploy licence substitute auto"`;
  }

  get #path(): string {
    return join(this.#dataDir, 'licence.json');
  }

  #used(kind: Kind): number {
    return [...this.#uses.values()].filter((use) => use.kind === kind).length;
  }

  #take(computer: string, computerId: string, kind: Kind): '' {
    const use = { computerId, kind, since: new Date().toISOString() };
    this.#uses.set(computer, use);
    this.#write('INSERT OR REPLACE INTO uses VALUES (:computer, :computerId, :kind, :since)', {
      computer,
      ...use,
    });
    const text = `${computerLabel(computerId)} takes a ${kind} licence, ${this.#used(kind)} of ${this.#licence![kind]}`;
    this.#options.addEvent({ kind: 'licence-taken', computerId, text, details: { kind } });
    return '';
  }

  /** Opens what was counted. @throws TdError `damaged` when it cannot be read. */
  #openUses(): void {
    if (this.#db !== undefined) return;
    const path = join(this.#dataDir, 'licences.db');
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path);
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${SCHEMA}`);
      for (const row of db.prepare('SELECT * FROM uses').all()) {
        const kind = row.kind === 'server' ? 'server' : 'workstation';
        const use: Use = { computerId: String(row.computer_id), kind, since: String(row.since) };
        this.#uses.set(String(row.computer), use);
      }
      const set = db.prepare("SELECT value FROM settings WHERE name = 'substitute'").get();
      this.#substitute = set?.value === 'auto' ? 'auto' : 'ask';
      this.#db = db;
    } catch (cause) {
      db?.close();
      throw new TdError(
        'damaged',
        `Cannot read which computers use a licence from "${path}": ${errorLine(cause)}; restore it from a copy`,
        { cause },
      );
    }
  }

  /** A full disk costs no deployment: the count goes on in memory. */
  #write(sql: string, values: Record<string, string>): void {
    try {
      this.#db?.prepare(sql).run(values);
    } catch (error) {
      this.#options.logger.error({ error: errorLine(error) }, 'cannot write which computers use a licence');
    }
  }
}

/** A new network card does not make a new computer, unless its firmware gives it no number. */
function licensedAs(computerId: string): string {
  const uuid = computerId.split('/')[0]!;
  return uuid === 'no-uuid' ? computerId : uuid;
}
