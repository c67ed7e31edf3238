import { open } from 'node:fs/promises';
import type { SystemRoot } from '../system-root.ts';
import type { HiveSet } from './hive-set.ts';
import type { WindowsFacts } from './windows-system.ts';

const SYSTEM_HIVES = ['SYSTEM', 'SOFTWARE', 'SAM', 'SECURITY'];
/**
 * Signatures of a hibernation file with a session in it: written by Vista, by 7 and later, and while being resumed.
 * A used one says `wake`, or is zeros.
 */
const HIBERNATED = /^(?:hibr|rstr)$/i;

/** Why this volume must not be written to, in one line; undefined when it may be. */
export async function volumeRefusal(root: SystemRoot): Promise<string | undefined> {
  const signature = await firstBytes(root, 'hiberfil.sys');
  if (HIBERNATED.test(signature)) {
    return 'Windows is hibernated or was shut down with fast startup; shut the master down with "shutdown /s /t 0" and capture it again';
  }
  return undefined;
}

/** Why the registry must stay as it is, in one line: changes are missing that no log holds. */
export async function registryRefusal(hives: HiveSet): Promise<string | undefined> {
  for (const name of SYSTEM_HIVES) {
    if (!(await hives.open(name)).isComplete) {
      return `its registry hive ${name} was not closed and no log completes it; start and shut down the master and capture it again`;
    }
  }
  return undefined;
}

/** Why this Windows cannot be customised, in one line; undefined when it can be. */
export function releaseRefusal({ release, productName }: WindowsFacts): string | undefined {
  const { major, minor } = release;
  if (major > 5 || (major === 5 && minor >= 1)) return undefined;
  return `"${productName}" is Windows ${major}.${minor}; the oldest that can be customised is XP (5.1)`;
}

async function firstBytes(root: SystemRoot, path: string): Promise<string> {
  if (!(await root.stat(path))?.isFile()) return '';
  await using file = await open(await root.resolve(path), 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.toString('latin1', 0, bytesRead);
}
