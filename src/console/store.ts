import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { errorLine, TdError } from '../lib/errors.ts';
import { type Logger, silentLog } from '../lib/log.ts';
import type { TargetReport } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';
import { type KnownComputer, modelText, normalMac } from './computers.ts';
import { PlaceTable } from './place-table.ts';

const SCHEMA_VERSION = 3;
const EVENTS_MAX = 500_000;
const BUSY_MS_MAX = 5000;

const SCHEMA = `
CREATE TABLE computers (
  id TEXT PRIMARY KEY, address TEXT NOT NULL, role TEXT NOT NULL, machine TEXT NOT NULL,
  first_seen TEXT NOT NULL, last_seen TEXT NOT NULL
) STRICT;
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, image TEXT NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL,
  created_at TEXT NOT NULL, ended_at TEXT, options TEXT NOT NULL, summary TEXT NOT NULL
) STRICT;
CREATE TABLE targets (
  job_id TEXT NOT NULL REFERENCES jobs(id), computer_id TEXT NOT NULL, step TEXT NOT NULL,
  reason TEXT NOT NULL, disk TEXT NOT NULL, report TEXT, PRIMARY KEY (job_id, computer_id)
) STRICT;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL,
  job_id TEXT, computer_id TEXT, text TEXT NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_job ON events (job_id, id);
`;

const SAMPLES = `
CREATE TABLE samples (
  job_id TEXT NOT NULL, at_ms INTEGER NOT NULL, bytes_per_second INTEGER NOT NULL, permille TEXT NOT NULL,
  PRIMARY KEY (job_id, at_ms)
) STRICT, WITHOUT ROWID;
`;

/** Places in deployments (place-table.ts), and which files a running job has for its targets. */
const CUSTOMISATION = `
CREATE TABLE places (
  id INTEGER PRIMARY KEY AUTOINCREMENT, series TEXT NOT NULL, template TEXT NOT NULL, computer_id TEXT NOT NULL,
  place INTEGER NOT NULL, UNIQUE (series, computer_id)
) STRICT;
CREATE INDEX places_of_template ON places (template, id);
CREATE TABLE job_files (job_id TEXT PRIMARY KEY, files TEXT NOT NULL) STRICT;
`;

/** What leads from one version to the next, from version 0, an empty file. */
const MIGRATIONS = [SCHEMA, SAMPLES, CUSTOMISATION];

/** They change no data: databases of any version get them when they are opened. */
const EVENT_INDICES = `
CREATE INDEX IF NOT EXISTS events_of_computer ON events (computer_id, id);
CREATE INDEX IF NOT EXISTS events_of_trouble ON events (id) WHERE level <> 'info';
`;

export type JobKind = 'deploy' | 'capture';
export const JOB_STATES = [
  'waiting',
  'pre-flight',
  'running',
  'done',
  'partial',
  'failed',
  'cancelled',
  'interrupted',
] as const;
export type JobState = (typeof JOB_STATES)[number];

export function isEnded(state: JobState): boolean {
  return state !== 'waiting' && state !== 'pre-flight' && state !== 'running';
}

export interface JobRecord {
  id: string;
  kind: JobKind;
  image: string;
  state: JobState;
  error: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  endedAt: string | null;
  options: unknown;
  summary: unknown;
}

/** A job of the present or the past, as lists show it. */
export interface JobSummary {
  id: string;
  kind: JobKind;
  image: string;
  template: string;
  state: JobState;
  error: string;
  /** ISO 8601, UTC; empty while it runs. */
  createdAt: string;
  endedAt: string;
  done: number;
  failed: number;
  total: number;
}

export interface TargetRecord {
  computerId: string;
  step: string;
  reason: string;
  disk: string;
  report: TargetReport | null;
}

/** How a deployment stood at one moment. */
export interface JobSample {
  /** Since the job began. */
  atMs: number;
  /** Of the multicast. */
  bytesPerSecond: number;
  /** How much of each target was written, 0 to 1000, in the order of {@link ConsoleStore.targets}. */
  permille: number[];
}

export interface ConsoleEvent {
  id: number;
  /** ISO 8601, UTC. */
  at: string;
  level: 'info' | 'warn' | 'error';
  /** Stable word for machines, e.g. `job-started`. */
  kind: string;
  jobId: string | null;
  computerId: string | null;
  /** One line for people. */
  text: string;
  details: unknown;
}

export interface NewEvent {
  level?: ConsoleEvent['level'];
  kind: string;
  jobId?: string;
  computerId?: string;
  text: string;
  details?: object;
}

/** Everything given must hold. */
export interface EventFilter {
  jobId?: string;
  /** Computer id, name, or MAC address of any of its cards. */
  computer?: string;
  /** At least this bad. */
  level?: ConsoleEvent['level'];
  /** Part of the text; letter case does not matter for A to Z. */
  text?: string;
  /** Only events after this one. */
  afterId?: number;
  limit?: number;
}

type Row = Record<string, SQLInputValue>;

/**
 * Computers, jobs, targets and events of one console in one SQLite file (WAL). What cannot be written is logged and
 * never stops a job: a full disk must not cost a deployment that needs no disk here.
 */
export class ConsoleStore implements Disposable {
  readonly places: PlaceTable;
  readonly #db: DatabaseSync;
  readonly #logger: Logger;
  readonly #eventHandlers = new Set<(event: NewEvent) => void>();

  private constructor(db: DatabaseSync, logger: Logger) {
    this.#db = db;
    this.#logger = logger;
    this.places = new PlaceTable(db);
  }

  /**
   * @throws TdError `damaged` when the file is no database, `refused` when a newer program wrote it, `not-found` when
   *   it is to be read only and does not exist, `io`.
   */
  static open(path: string, options: { logger?: Logger; readOnly?: boolean } = {}): ConsoleStore {
    const { logger = silentLog, readOnly = false } = options;
    let db: DatabaseSync | undefined;
    try {
      db = new DatabaseSync(path, { readOnly, timeout: BUSY_MS_MAX });
      if (!readOnly)
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
      const found = Number(db.prepare('PRAGMA user_version').get()?.user_version);
      if (found > SCHEMA_VERSION) {
        throw new TdError(
          'refused',
          `Cannot open "${path}": it was written by a newer program (version ${found}, this one knows ${SCHEMA_VERSION})`,
        );
      }
      if (found < SCHEMA_VERSION && !readOnly) {
        const steps = MIGRATIONS.slice(found).join('');
        db.exec(`BEGIN; ${steps} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
      }
      if (!readOnly) db.exec(EVENT_INDICES);
      return new ConsoleStore(db, logger);
    } catch (cause) {
      db?.close();
      throw openError(path, cause);
    }
  }

  close(): void {
    this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Called with every event that is added from now on. */
  onEvent(handler: (event: NewEvent) => void): void {
    this.#eventHandlers.add(handler);
  }

  /** Stores an event and logs it. */
  addEvent(event: NewEvent): void {
    const { level = 'info', kind, jobId, computerId, text, details = {} } = event;
    const fields = { kind, ...(jobId === undefined ? {} : { jobId }), computer: computerId, ...details };
    this.#logger[level](fields, text);
    this.#write(
      `INSERT INTO events (at, level, kind, job_id, computer_id, text, details)
       VALUES (:at, :level, :kind, :jobId, :computerId, :text, :details)`,
      {
        at: new Date().toISOString(),
        level,
        kind,
        jobId: jobId ?? null,
        computerId: computerId ?? null,
        text: text.slice(0, 2000),
        details: JSON.stringify(details),
      },
    );
    for (const handler of this.#eventHandlers) handler(event);
  }

  /** Oldest first; the newest `limit` (default 1,000) when there are more. */
  events(filter: EventFilter = {}): ConsoleEvent[] {
    const { limit = 1000 } = filter;
    const { where, values } = eventCondition(filter);
    const rows = this.#db
      .prepare(`SELECT * FROM events ${where} ORDER BY id DESC LIMIT :limit`)
      .all({ ...values, limit }) as Row[];
    return rows.reverse().map((row) => ({
      id: Number(row.id),
      at: String(row.at),
      level: row.level as ConsoleEvent['level'],
      kind: String(row.kind),
      jobId: row.job_id as string | null,
      computerId: row.computer_id as string | null,
      text: String(row.text),
      details: JSON.parse(String(row.details)),
    }));
  }

  /** Keeps the newest half million events. */
  prune(): void {
    this.#write('DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - :max', { max: EVENTS_MAX });
  }

  recordComputer(computer: { id: string; address: string; role: string; machine: Machine }): void {
    this.#write(
      `INSERT INTO computers (id, address, role, machine, first_seen, last_seen)
       VALUES (:id, :address, :role, :machine, :now, :now)
       ON CONFLICT (id) DO UPDATE SET address = :address, role = :role, machine = :machine, last_seen = :now`,
      { ...computer, machine: JSON.stringify(computer.machine), now: new Date().toISOString() },
    );
  }

  createJob(job: { id: string; kind: JobKind; image: string; state: JobState; options: object }): void {
    this.#write(
      `INSERT INTO jobs (id, kind, image, state, error, created_at, options, summary)
       VALUES (:id, :kind, :image, :state, '', :now, :options, '{}')`,
      { ...job, options: JSON.stringify(job.options), now: new Date().toISOString() },
    );
  }

  setJob(id: string, change: { state: JobState; error?: string; summary?: object }): void {
    this.#write(
      `UPDATE jobs SET state = :state, error = coalesce(:error, error), summary = coalesce(:summary, summary),
       ended_at = :endedAt WHERE id = :id`,
      {
        id,
        state: change.state,
        error: change.error ?? null,
        summary: change.summary === undefined ? null : JSON.stringify(change.summary),
        endedAt: isEnded(change.state) ? new Date().toISOString() : null,
      },
    );
  }

  /** Oldest first. */
  jobs(): JobRecord[] {
    const rows = this.#db.prepare('SELECT * FROM jobs ORDER BY created_at, id').all() as Row[];
    return rows.map(jobOf);
  }

  job(id: string): JobRecord | undefined {
    const row = this.#db.prepare('SELECT * FROM jobs WHERE id = :id').get({ id });
    return row === undefined ? undefined : jobOf(row as Row);
  }

  /** Newest first; `limit` defaults to 100. */
  jobSummaries(limit = 100): JobSummary[] {
    const rows = this.#db
      .prepare(
        `SELECT jobs.*, json_extract(options, '$.template') AS template, count(computer_id) AS total,
         coalesce(sum(step = 'done'), 0) AS done, coalesce(sum(step = 'failed'), 0) AS failed
         FROM jobs LEFT JOIN targets ON job_id = id GROUP BY id ORDER BY created_at DESC, id DESC LIMIT :limit`,
      )
      .all({ limit }) as Row[];
    return rows.map((row) => {
      const { id, kind, image, state, error, createdAt, endedAt } = jobOf(row);
      const common = { id, kind, image, template: String(row.template ?? ''), state, error, createdAt };
      const counts =
        kind === 'deploy'
          ? { done: Number(row.done), failed: Number(row.failed), total: Number(row.total) }
          : { done: Number(state === 'done'), failed: Number(state === 'failed'), total: 1 };
      return { ...common, endedAt: endedAt ?? '', ...counts };
    });
  }

  setTarget(jobId: string, target: TargetRecord): void {
    this.#write(
      `INSERT INTO targets (job_id, computer_id, step, reason, disk, report)
       VALUES (:jobId, :computerId, :step, :reason, :disk, :report)
       ON CONFLICT (job_id, computer_id) DO UPDATE
       SET step = :step, reason = :reason, disk = :disk, report = :report`,
      { jobId, ...target, report: target.report === null ? null : JSON.stringify(target.report) },
    );
  }

  /** In the order in which they came to the job. */
  targets(jobId: string): TargetRecord[] {
    const rows = this.#db
      .prepare('SELECT * FROM targets WHERE job_id = :jobId ORDER BY rowid')
      .all({ jobId }) as Row[];
    return rows.map((row) => ({
      computerId: String(row.computer_id),
      step: String(row.step),
      reason: String(row.reason),
      disk: String(row.disk),
      report: row.report === null ? null : JSON.parse(String(row.report)),
    }));
  }

  /** Every computer that was ever connected. */
  knownComputers(): Omit<KnownComputer, 'name'>[] {
    const rows = this.#db
      .prepare('SELECT id, role, machine, last_seen FROM computers ORDER BY id')
      .all() as Row[];
    return rows.map((row) => {
      const machine = JSON.parse(String(row.machine)) as Machine;
      return {
        computerId: String(row.id),
        macs: machine.nics.map((nic) => nic.mac),
        model: modelText(machine),
        role: String(row.role),
        lastSeen: String(row.last_seen),
      };
    });
  }

  addSample(jobId: string, sample: JobSample): void {
    const { atMs, bytesPerSecond, permille } = sample;
    this.#write('INSERT OR REPLACE INTO samples VALUES (:jobId, :atMs, :bytesPerSecond, :permille)', {
      ...{ jobId, atMs, bytesPerSecond: Math.round(bytesPerSecond) },
      permille: JSON.stringify(permille),
    });
  }

  /** Oldest first. */
  samples(jobId: string): JobSample[] {
    const rows = this.#db
      .prepare('SELECT * FROM samples WHERE job_id = :jobId ORDER BY at_ms')
      .all({ jobId }) as Row[];
    return rows.map((row) => ({
      atMs: Number(row.at_ms),
      bytesPerSecond: Number(row.bytes_per_second),
      permille: JSON.parse(String(row.permille)),
    }));
  }

  removeSamples(jobId: string, atMs: readonly number[]): void {
    this.#write(
      'DELETE FROM samples WHERE job_id = :jobId AND at_ms IN (SELECT value FROM json_each(:atMs))',
      { jobId, atMs: JSON.stringify(atMs) },
    );
  }

  /** What a running job has for its targets, as {@link jobFiles} gives it back after a restart; undefined forgets it. */
  setJobFiles(jobId: string, files: object | undefined): void {
    if (files === undefined) this.#write('DELETE FROM job_files WHERE job_id = :jobId', { jobId });
    else {
      const values = { jobId, files: JSON.stringify(files) };
      this.#write('INSERT OR REPLACE INTO job_files VALUES (:jobId, :files)', values);
    }
  }

  jobFiles(jobId: string): unknown {
    const row = this.#db.prepare('SELECT files FROM job_files WHERE job_id = :jobId').get({ jobId });
    return row === undefined ? undefined : JSON.parse(String(row.files));
  }

  /** Jobs that a killed console left running, oldest first. */
  unfinishedJobs(): JobRecord[] {
    return this.jobs().filter((job) => !isEnded(job.state));
  }

  /** Ends a job that cannot go on after the console was killed. */
  interruptJob(job: JobRecord, why: string): void {
    this.setJob(job.id, { state: 'interrupted', error: why });
    this.addEvent({
      level: 'warn',
      kind: 'job-interrupted',
      jobId: job.id,
      text: `${job.kind} job ${job.id} of "${job.image}" was interrupted: ${why}; start it again`,
    });
  }

  #write(sql: string, values: Record<string, SQLInputValue>): void {
    try {
      this.#db.prepare(sql).run(values);
    } catch (error) {
      this.#logger.error({ error: errorLine(error) }, 'cannot write to the console database');
    }
  }
}

const COMPUTER_CONDITION = `computer_id IN (
  SELECT :computer UNION SELECT 'no-uuid/' || :mac UNION
  SELECT id FROM computers WHERE substr(id, -length(:mac) - 1) = '/' || :mac OR EXISTS (
    SELECT 1 FROM json_each(machine, '$.nics') WHERE json_extract(value, '$.mac') = :mac))`;

/** Only the conditions that are asked for: with `:x IS NULL OR …` SQLite would use no index. */
function eventCondition(filter: EventFilter): { where: string; values: Record<string, SQLInputValue> } {
  const { jobId, computer, level = 'info', text, afterId } = filter;
  const terms: string[] = [];
  const values: Record<string, SQLInputValue> = {};
  const add = (term: string, more: Record<string, SQLInputValue>) => {
    terms.push(term);
    Object.assign(values, more);
  };
  if (jobId !== undefined) add('job_id = :jobId', { jobId });
  if (computer !== undefined) add(COMPUTER_CONDITION, { computer, mac: normalMac(computer) });
  if (level !== 'info') add("level <> 'info'", {});
  if (level === 'error') add("level = 'error'", {});
  if (text) add(`text LIKE :text ESCAPE '!'`, { text: `%${text.replace(/[%_!]/g, '!$&')}%` });
  if (afterId !== undefined) add('id > :afterId', { afterId });
  return { where: terms.length === 0 ? '' : `WHERE ${terms.join(' AND ')}`, values };
}

function jobOf(row: Row): JobRecord {
  return {
    id: String(row.id),
    kind: row.kind as JobKind,
    image: String(row.image),
    state: row.state as JobState,
    error: String(row.error),
    createdAt: String(row.created_at),
    endedAt: row.ended_at as string | null,
    options: JSON.parse(String(row.options)),
    summary: JSON.parse(String(row.summary)),
  };
}

function openError(path: string, cause: unknown): TdError {
  if (cause instanceof TdError) return cause;
  const text = errorLine(cause);
  const errcode = Number((cause as { errcode?: unknown }).errcode) & 0xff;
  // SQLITE_CORRUPT and SQLITE_NOTADB: https://sqlite.org/rescode.html
  if (errcode === 11 || errcode === 26) {
    return new TdError(
      'damaged',
      `Cannot open "${path}": ${text}; restore it from a copy, or move it away to start with an empty log`,
      { cause },
    );
  }
  const missing = errcode === 14;
  return new TdError(
    missing ? 'not-found' : 'io',
    missing
      ? `Cannot open "${path}": no console has kept data there; give its folder with --data`
      : `Cannot open "${path}": ${text}`,
    { cause },
  );
}
