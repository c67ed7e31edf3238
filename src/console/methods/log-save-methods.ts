import { open, rm } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { errnoOf, errorLine, TdError } from '../../lib/errors.ts';
import { checked } from '../checked-params.ts';
import { logLine } from '../log-line.ts';
import type { RpcMethods } from '../rpc-server.ts';
import type { ConsoleStore } from '../store.ts';

const LINES_MAX = 500_000;

const saveParams = z.strictObject({
  path: z.string().min(1).max(4096),
  jobId: z.string().max(40).exactOptional(),
  computer: z.string().min(1).max(300).exactOptional(),
  level: z.enum(['info', 'warn', 'error']).exactOptional(),
  text: z.string().max(500).exactOptional(),
  limit: z.number().int().min(1).max(LINES_MAX).default(LINES_MAX),
});

/** The call `log.save`. */
export function logSaveMethods({ store }: { store: ConsoleStore }): RpcMethods {
  return {
    'log.save': async ({ params }) => {
      const { path, ...filter } = checked(saveParams, params);
      if (!isAbsolute(path))
        throw new TdError('usage', `Cannot write "${path}": write a path that begins with /`);
      const events = store.events(filter);
      await writeLines(path, events.map(logLine));
      return { lines: events.length };
    },
  };
}

async function writeLines(path: string, lines: readonly string[]): Promise<void> {
  let made = false;
  try {
    await using file = await open(path, 'wx', 0o600);
    made = true;
    await file.writeFile(lines.map((line) => `${line}\n`).join(''));
    await file.sync();
  } catch (cause) {
    if (made) await rm(path, { force: true }).catch(() => {});
    const full = errnoOf(cause) === 'ENOSPC';
    const why = errnoOf(cause) === 'EEXIST' ? 'it is there already; choose another name' : errorLine(cause);
    throw new TdError(
      full ? 'no-space' : 'io',
      `Cannot write "${path}": ${full ? 'the disk is full' : why}`,
      {
        cause,
      },
    );
  }
}
