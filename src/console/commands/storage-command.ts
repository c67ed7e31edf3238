import { resolve } from 'node:path';
import { shareKindOf } from '../../disk/share-source.ts';
import { TdError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import type { NewStorage, StoragePlace } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import { rpcApi } from '../rpc-api.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { passwordFrom } from './password-file.ts';
import { textTable } from './text-table.ts';

export interface StorageFlags {
  data: string;
  user?: string;
  domain?: string;
  passwordFile?: string;
  makeDefault?: true;
  json?: true;
}

/** `storage [list]`, `storage add SOURCE`, `storage remove ID`, `storage default ID`: each lists the places then. */
export async function runStorage(
  words: readonly string[],
  { flags, context }: { flags: StorageFlags; context: ConsoleCommandContext },
): Promise<void> {
  const [action = 'list', value = '', more] = words;
  const isList = action === 'list' && value === '';
  if (!isList && (!['add', 'remove', 'default'].includes(action) || value === '' || more !== undefined)) {
    throw new TdError(
      'usage',
      `Cannot do "storage ${words.join(' ')}": write storage list, add SOURCE, remove NAME or default NAME`,
    );
  }
  await using api = rpcApi(consolePaths(flags.data).socket);
  if (action === 'add') await api.call('storage.add', await newStorage(value, flags));
  if (action === 'remove') await api.call('storage.remove', { id: value });
  if (action === 'default') await api.call('storage.default', { id: value });
  const places = await api.call('storage.list', {});
  context.out(flags.json === true ? `${JSON.stringify(places, null, 2)}\n` : placesText(places));
}

async function newStorage(source: string, flags: StorageFlags): Promise<NewStorage> {
  const kind = shareKindOf(source) ?? 'folder';
  return {
    kind,
    source: kind === 'folder' ? resolve(source) : source,
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.domain === undefined ? {} : { domain: flags.domain }),
    ...(flags.passwordFile === undefined ? {} : { password: await passwordFrom(flags.passwordFile) }),
    ...(flags.makeDefault === true ? { makeDefault: true } : {}),
  };
}

function placesText(places: readonly StoragePlace[]): string {
  const rows = places.map((place) => [
    place.id,
    place.kind,
    place.source,
    place.problem === '' ? `${formatBytes(place.freeBytes)} of ${formatBytes(place.totalBytes)}` : '-',
    place.isDefault ? 'captures go here' : '',
    place.problem || (place.writable === false ? 'cannot be written to' : ''),
  ]);
  return textTable(['NAME', 'KIND', 'PLACE', 'FREE', '', 'PROBLEM'], rows);
}
