import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { OpenFile } from '../../file-source.ts';
import { Hive } from '../../registry-hive/hive.ts';
import { numberOf, textOf, textsOf, VALUE_TYPE } from '../../registry-hive/value-data.ts';
import { openWindows } from '../windows-root.ts';
import type { WindowsSystem } from '../windows-system.ts';
import {
  type PhonyWindowsOptions,
  phonySam,
  phonySecurity,
  phonySoftware,
  phonySystem,
  phonyUser,
  type RegistryTree,
} from './phony-registry.ts';

export type { PhonyRelease } from './phony-registry.ts';

/** A folder laid out like a Windows volume, with hives of our own making; nothing in it is Microsoft's. */
export async function makePhonyWindows(dir: string, options: PhonyWindowsOptions): Promise<void> {
  const layout = LAYOUTS[options.release];
  const config = `${layout.systemDir}/${layout.system32}/config`;
  const hives: Record<string, RegistryTree> = {
    [`${config}/SYSTEM`]: phonySystem(options),
    [`${config}/SOFTWARE`]: phonySoftware(options),
    [`${config}/SAM`]: phonySam(),
    [`${config}/SECURITY`]: phonySecurity(),
    [`${config}/DEFAULT`]: phonyUser(),
    [`${layout.users}/eve/NTUSER.DAT`]: phonyUser(),
  };
  for (const [path, tree] of Object.entries(hives)) await put(dir, path, phonyHive(tree).toBuffer());
  for (const path of layout.files) await put(dir, path, Buffer.from(`phony ${path}\n`));
}

export function phonyHive(tree: RegistryTree): Hive {
  const hive = Hive.create();
  for (const [path, values] of Object.entries(tree)) {
    const key = hive.root.ensure(path);
    for (const [name, content] of Object.entries(values)) key.set(name, content);
  }
  return hive;
}

const IDE_DRIVERS = ['atapi', 'pciide', 'intelide'];

const LAYOUTS = {
  xp: {
    systemDir: 'WINDOWS',
    system32: 'system32',
    users: 'Documents and Settings',
    files: ['boot.ini', 'ntldr', 'Program Files/readme.txt', ...driverFiles('WINDOWS/system32', IDE_DRIVERS)],
  },
  '7': vistaOrLater(['msahci', 'iaStorV']),
  '10': vistaOrLater(['storahci', 'stornvme', 'iaStorV']),
};

function vistaOrLater(drivers: readonly string[]) {
  return {
    systemDir: 'Windows',
    system32: 'System32',
    users: 'Users',
    files: [
      'Program Files/readme.txt',
      'ProgramData/readme.txt',
      'Windows/System32/WindowsPowerShell/v1.0/powershell.exe',
      ...driverFiles('Windows/System32', [...IDE_DRIVERS, ...drivers]),
    ],
  };
}

function driverFiles(system32: string, names: readonly string[]): string[] {
  return names.map((name) => `${system32}/drivers/${name}.sys`);
}

async function put(dir: string, path: string, bytes: Buffer): Promise<void> {
  const host = join(dir, path);
  await mkdir(dirname(host), { recursive: true });
  await writeFile(host, bytes);
}

export interface PhonyWindows extends AsyncDisposable {
  dir: string;
  windows: WindowsSystem;
  /** The one value as text, number or texts, from the hives in memory. */
  read(hive: string, path: string): Promise<string | number | string[] | undefined>;
}

/** One in a temporary folder, opened. */
export async function openPhonyWindows(
  options: PhonyWindowsOptions & { openFile?: OpenFile },
): Promise<PhonyWindows> {
  const dir = await mkdtemp(join(tmpdir(), 'td-windows-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    await makePhonyWindows(dir, options);
    const windows = await openWindows(dir, { openFile: options.openFile ?? noFiles });
    if (windows === undefined) throw new Error('no Windows was made');
    const read = async (name: string, path: string) => readValue(await windows.hives.open(name), path);
    return { dir, windows, read, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function noFiles(): never {
  throw new Error('this test offers no files');
}

/** @param path of the key, an exclamation mark, the value's name. */
export function readValue(hive: Hive, path: string): string | number | string[] | undefined {
  const [key = '', name = ''] = path.split('!');
  const value = hive.key(key)?.value(name);
  if (value === undefined) return undefined;
  if (value.type === VALUE_TYPE.REG_DWORD) return numberOf(value);
  if (value.type === VALUE_TYPE.REG_MULTI_SZ) return textsOf(value);
  return value.type === VALUE_TYPE.REG_NONE ? value.data.toString('hex') : textOf(value);
}
