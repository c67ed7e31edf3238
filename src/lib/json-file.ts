import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { errnoOf, errorLine, TdError } from './errors.ts';

const BYTES_MAX = 16 * 1024 * 1024;

/**
 * Reads a JSON file of our own.
 *
 * @param options.what what the file is, for messages, e.g. `the console's settings`.
 * @returns undefined when there is none.
 * @throws TdError `damaged` when it is no JSON, of a newer version or of another shape, with what to do; `io`.
 */
export async function readJsonFile<Schema extends z.ZodType>(
  path: string,
  options: { schema: Schema; what: string; version: number; advice: string },
): Promise<z.output<Schema> | undefined> {
  const { schema, what, version, advice } = options;
  const damaged = (why: string) =>
    new TdError('damaged', `Cannot read ${what} from "${path}": ${why}; ${advice}`);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw new TdError('io', `Cannot read ${what} from "${path}": ${errorLine(cause)}`, { cause });
  }
  let value: unknown;
  try {
    value = text.length > BYTES_MAX ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null) throw damaged('it is no JSON');
  const found = (value as { version?: unknown }).version;
  if (typeof found === 'number' && found > version) {
    throw damaged(`it is of version ${found}, this program knows version ${version}: use a newer program`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw damaged(`"${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'wrong'}`);
}

/**
 * Writes a JSON file for its owner only; a crash at any moment leaves the old file or the new one.
 *
 * @throws TdError `no-space`, `io`.
 */
export async function writeJsonFile(path: string, value: unknown): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await rm(partial, { force: true });
    {
      await using file = await open(partial, 'wx', 0o600);
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
      await file.sync();
    }
    await rename(partial, path);
    await using folder = await open(dirname(path), 'r');
    await folder.sync();
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    const full = errnoOf(cause) === 'ENOSPC';
    throw new TdError(
      full ? 'no-space' : 'io',
      `Cannot write "${path}": ${full ? 'the disk is full; make room' : errorLine(cause)}`,
      { cause },
    );
  }
}
