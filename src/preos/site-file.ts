import { readFile } from 'node:fs/promises';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { type Site, siteSchema } from '../schema/site.ts';

export const SITE_PATH = '/etc/totaldeploy/site.json';
const SITE_BYTES_MAX = 65_536;

/**
 * Reads the site file that exported media carry.
 *
 * @returns undefined when there is none.
 * @throws TdError `invalid` when it is not a site file; `io` when it cannot be read.
 */
export async function readSite(path: string = SITE_PATH): Promise<Site | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new TdError('io', `Cannot read "${path}": ${errorLine(error)}`, { cause: error });
  }
  return parseSite(text, path);
}

/** @throws TdError `invalid` naming the first wrong field. */
export function parseSite(text: string, path: string): Site {
  const advice = 'export the boot media again at the console';
  let json: unknown;
  try {
    json = text.length > SITE_BYTES_MAX ? undefined : JSON.parse(text);
  } catch {
    json = undefined;
  }
  if (json === undefined) throw new TdError('invalid', `Cannot read "${path}": it is no JSON; ${advice}`);
  const result = siteSchema.safeParse(json);
  if (result.success) return result.data;
  const field = result.error.issues[0]?.path.join('.') || 'contents';
  throw new TdError('invalid', `Cannot read "${path}": its ${field} is wrong; ${advice}`);
}
