import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { PIECE_BYTES, readLocalPiece } from '../customise/file-source.ts';
import { shareKindOf } from '../disk/share-source.ts';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import { type FileSet, type OfferedFile, offeredFileSchema } from '../schema/customisation.ts';
import { plural } from './commands/text-table.ts';

/** Of one job. */
const FILES_MAX = 20_000;
const DEPTH_MAX = 64;

/** One file as it was when the job began, and where the console reads it. */
const keptFileSchema = offeredFileSchema.extend({
  /** Path at the console, below the source's folder where it is on a share. */
  from: z.string(),
  changedMs: z.number(),
});
const keptSetSchema = z.strictObject({
  source: z.string(),
  /** What `from` of its files is below. */
  place: z.string(),
  name: z.string(),
  isFolder: z.boolean(),
  files: z.array(keptFileSchema),
});
export const keptSetsSchema = z.array(keptSetSchema);
type KeptFile = z.output<typeof keptFileSchema>;
export type KeptSet = z.output<typeof keptSetSchema>;

/** Finds the local path of what a template names: `//server/share/path` becomes one below a mount. */
export type FindSource = (source: string) => Promise<string>;

export interface WantedSource {
  source: string;
  /** Of a single driver file the folder it lies in is taken, without other drivers' files. */
  isDriver: boolean;
}

/** The files that a job has for its targets, as they were when it began. */
export class TargetFiles {
  readonly #sets: ReadonlyMap<string, KeptSet>;
  readonly #bySha256 = new Map<string, KeptFile & { place: string }>();

  constructor(sets: readonly KeptSet[]) {
    this.#sets = new Map(sets.map((set) => [set.source, set]));
    for (const { place, files } of sets) {
      for (const file of files) this.#bySha256.set(file.sha256, { ...file, place });
    }
  }

  get sets(): KeptSet[] {
    return [...this.#sets.values()];
  }

  /** `12 files, 3.4 MB`; empty without any. */
  get words(): string {
    const files = this.sets.flatMap((set) => set.files);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return files.length === 0 ? '' : `${plural(files.length, 'file')}, ${formatBytes(bytes)}`;
  }

  /** As targets know them. */
  setOf(source: string): FileSet {
    const { name, isFolder, files } = this.#sets.get(source)!;
    return { name, isFolder, entries: files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })) };
  }

  /**
   * A part of a file.
   *
   * @throws TdError `not-found` for one the job has not; `refused` when it was changed since; `invalid` for too much.
   */
  async read(
    sha256: string,
    { first, last }: { first: number; last: number },
  ): Promise<{ bytes: Buffer; sizeBytes: number }> {
    const file = this.#bySha256.get(sha256);
    if (file === undefined) throw new TdError('not-found', 'the job has no such file');
    if (last - first >= PIECE_BYTES || first > last || last >= file.bytes) {
      throw new TdError('invalid', `ask for up to ${PIECE_BYTES} bytes within ${file.bytes}`);
    }
    const path = join(file.place, file.from);
    const changed = (cause?: unknown) =>
      new TdError('refused', `"${path}" was changed since the job began; start a new one`, { cause });
    try {
      const found = await stat(path);
      if (found.size !== file.bytes || found.mtimeMs !== file.changedMs) throw changed();
      const bytes = await readLocalPiece(path, { first, last });
      return { bytes, sizeBytes: file.bytes };
    } catch (cause) {
      throw cause instanceof TdError ? cause : changed(cause);
    }
  }
}

/**
 * Lists and hashes what a template's lines name.
 *
 * @throws TdError naming the source that is missing, is no plain file, or holds too much.
 */
export async function gatherFiles(
  wanted: readonly WantedSource[],
  options: { find: FindSource; signal?: AbortSignal },
): Promise<TargetFiles> {
  const sets: KeptSet[] = [];
  const budget = { filesLeft: FILES_MAX };
  for (const one of new Map(wanted.map((each) => [each.source, each])).values()) {
    try {
      const path = await options.find(one.source);
      sets.push(await gatherSet({ ...one, path }, { budget, signal: options.signal }));
    } catch (cause) {
      options.signal?.throwIfAborted();
      throw sourceError(one.source, cause);
    }
  }
  return new TargetFiles(sets);
}

/** Why a source of this computer cannot be used; empty when it can, or when only its server knows. */
export async function sourceProblem(source: string): Promise<string> {
  if (shareKindOf(source) !== undefined) return '';
  try {
    if (!isAbsolute(source)) throw notAbsolute();
    await stat(source);
    return '';
  } catch (error) {
    return errorLine(sourceError(source, error));
  }
}

export function notAbsolute(): TdError {
  return new TdError('usage', 'write the full path at the console, or //server/share/path');
}

interface GatherState {
  budget: { filesLeft: number };
  signal: AbortSignal | undefined;
}

async function gatherSet(
  { source, path, isDriver }: WantedSource & { path: string },
  state: GatherState,
): Promise<KeptSet> {
  const real = await realpath(path);
  const isFolder = (await stat(real)).isDirectory();
  if (isFolder) {
    const files = await gatherFolder(real, state);
    return { source, place: real, name: basename(path), isFolder, files };
  }
  const place = dirname(real);
  const name = basename(path);
  if (isDriver && extname(name).toLowerCase() === '.inf') {
    const isOther = (file: string) => extname(file).toLowerCase() === '.inf' && file !== basename(real);
    const files = await gatherFolder(place, state, isOther);
    return { source, place, name: basename(place) || 'drivers', isFolder: true, files };
  }
  const file = await keptFile(place, { path: name, from: basename(real) }, state);
  return { source, place, name, isFolder, files: [file] };
}

async function gatherFolder(
  top: string,
  state: GatherState,
  isLeftOut: (path: string) => boolean = () => false,
): Promise<KeptFile[]> {
  const files: KeptFile[] = [];
  const walk = async (below: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw new TdError('refused', `its folders are deeper than ${DEPTH_MAX}`);
    for (const entry of (await readdir(join(top, below), { withFileTypes: true })).sort(byName)) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (isLeftOut(path)) continue;
      if (entry.isDirectory()) await walk(path, depth + 1);
      else files.push(await keptFile(top, { path, from: path }, state));
    }
  };
  await walk('', 1);
  return files;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

async function keptFile(
  place: string,
  { path, from }: { path: string; from: string },
  { budget, signal }: GatherState,
): Promise<KeptFile> {
  signal?.throwIfAborted();
  budget.filesLeft -= 1;
  if (budget.filesLeft < 0) throw new TdError('refused', `a job may have ${FILES_MAX} files at most`);
  const host = join(place, from);
  const before = await stat(host);
  if (!before.isFile())
    throw new TdError('refused', `"${host}" is no plain file; links to folders are not followed`);
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(host, { highWaterMark: PIECE_BYTES, signal })) {
    hash.update(piece);
    bytes += piece.length;
  }
  const file: OfferedFile = { path, bytes, sha256: hash.digest('hex') };
  const problem = offeredFileSchema.safeParse(file).error?.issues[0]?.message;
  if (problem !== undefined) throw new TdError('refused', `the name "${path.slice(0, 200)}" ${problem}`);
  return { ...file, from, changedMs: before.mtimeMs };
}

function sourceError(source: string, cause: unknown): TdError {
  const missing = errnoOf(cause) === 'ENOENT';
  const why = missing ? 'it is not there' : errorLine(cause);
  const code = missing ? 'not-found' : cause instanceof TdError ? cause.code : 'io';
  return new TdError(code, `Cannot transfer "${source}": ${why}`, { cause });
}
