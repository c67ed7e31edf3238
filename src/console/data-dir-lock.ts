import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorLine, TdError } from '../lib/errors.ts';

/** SQLITE_BUSY and SQLITE_LOCKED: https://sqlite.org/rescode.html */
const BUSY_CODES = [5, 6];

/**
 * Holds a data directory for one console: an exclusive transaction on a database of its own, which the system ends with
 * the process however that dies. Two consoles that start at the same moment cannot both get it.
 *
 * @throws TdError `refused` when another console has it, `io`.
 */
export function lockDataDir(dir: string): Disposable {
  const path = join(dir, 'console.lock');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db?.close();
    const errcode = Number((cause as { errcode?: unknown }).errcode) & 0xff;
    if (BUSY_CODES.includes(errcode)) {
      throw new TdError(
        'refused',
        `Cannot start a console with "${dir}": another one is running with it; "totaldeploy tui --data ${dir}" shows that one, or give another --data`,
        { cause },
      );
    }
    throw new TdError('io', `Cannot lock "${path}": ${errorLine(cause)}`, { cause });
  }
  const held = db;
  return { [Symbol.dispose]: () => held.close() };
}
