import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hive, type ParseOptions } from '../hive.ts';

/** Hives of real computers, which are no part of the project. */
export const REAL_HIVES = join(import.meta.dirname, '../../../../../shared/fixtures/hives');

export const hasRealHives = existsSync(REAL_HIVES);

export const REAL_HIVE_NAMES = [
  'win7-SYSTEM',
  'win10-SYSTEM',
  'SAM',
  'SECURITY',
  'BCD',
  'NTUSER.DAT',
  'UsrClass.dat',
  'ManySubkeysHive',
  'BigDataHive',
  'dirty',
  'dirty-old',
] as const;

export function realHiveBytes(name: string): Buffer {
  return readFileSync(join(REAL_HIVES, name));
}

/** A hive with its logs; edits are allowed also where logs are missing. */
export function realHive(name: string, options: ParseOptions = {}): Hive {
  const logs = ['.LOG1', '.LOG2']
    .map((suffix) => join(REAL_HIVES, name + suffix))
    .filter((path) => existsSync(path));
  return Hive.parse(realHiveBytes(name), {
    logs: logs.map((path) => readFileSync(path)),
    acceptLoss: true,
    ...options,
  });
}

/** Touches every kind of cell. @returns the paths of keys that are not as before, in capitals */
export function editEverything(hive: Hive): string[] {
  const { root } = hive;
  const [last] = root.subkeys().slice(-1);
  const edited = root.ensure('TotalDeploy é\\with spaces');
  edited.set('text', { type: 1, data: Buffer.from('Grüße\0', 'utf16le') });
  edited.set('', { type: 4, data: Buffer.from([1, 2, 3, 4]) });
  edited.set('large', { type: 3, data: Buffer.alloc(40_000, 'large') });
  edited.set('grown', { type: 3, data: Buffer.alloc(10, 1) });
  edited.set('grown', { type: 3, data: Buffer.alloc(20_000, 2) });
  edited.set('gone', { type: 3, data: Buffer.alloc(17_000, 3) });
  edited.delete('gone');
  for (let index = 0; index < 600; index += 1) root.ensure(`TotalDeploy é\\many\\${(index * 7) % 600}`);
  for (let index = 0; index < 600; index += 3) hive.key(`TotalDeploy é\\many\\${index}`)?.remove();
  edited.ensure('日本 Ω');
  const descriptor = root.securityDescriptor;
  edited.securityDescriptor = Buffer.concat([descriptor, Buffer.alloc(4)]);
  const paths = ['TOTALDEPLOY É'];
  if (last !== undefined) {
    paths.push(last.path.toUpperCase());
    last.rename(`${last.name} with a much longer name than before`);
    paths.push(last.path.toUpperCase());
  }
  return paths;
}
