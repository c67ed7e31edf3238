import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Hive } from '../../registry-hive/hive.ts';
import {
  phonySam,
  phonySecurity,
  phonySoftware,
  phonySystem,
  phonyUser,
  type RegistryTree,
} from './phony-registry.ts';

export type PhonyRelease = 'xp' | '7' | '10';

export interface PhonyWindowsOptions {
  release: PhonyRelease;
  /** Generalised by sysprep; default false. */
  sysprepped?: boolean;
}

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

const DRIVERS = ['atapi', 'pciide', 'intelide'];

const LAYOUTS = {
  xp: {
    systemDir: 'WINDOWS',
    system32: 'system32',
    users: 'Documents and Settings',
    files: [
      'boot.ini',
      'ntldr',
      'Program Files/readme.txt',
      ...DRIVERS.map((name) => `WINDOWS/system32/drivers/${name}.sys`),
    ],
  },
  '7': {
    systemDir: 'Windows',
    system32: 'System32',
    users: 'Users',
    files: [
      'Program Files/readme.txt',
      'ProgramData/readme.txt',
      'Windows/System32/WindowsPowerShell/v1.0/powershell.exe',
      ...[...DRIVERS, 'msahci', 'iaStorV'].map((name) => `Windows/System32/drivers/${name}.sys`),
    ],
  },
  '10': {
    systemDir: 'Windows',
    system32: 'System32',
    users: 'Users',
    files: [
      'Program Files/readme.txt',
      'ProgramData/readme.txt',
      'Windows/System32/WindowsPowerShell/v1.0/powershell.exe',
      ...[...DRIVERS, 'storahci', 'stornvme', 'iaStorV'].map(
        (name) => `Windows/System32/drivers/${name}.sys`,
      ),
    ],
  },
};

async function put(dir: string, path: string, bytes: Buffer): Promise<void> {
  const host = join(dir, path);
  await mkdir(dirname(host), { recursive: true });
  await writeFile(host, bytes);
}
