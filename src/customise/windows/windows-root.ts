import { TdError } from '../../lib/errors.ts';
import type { OpenFile } from '../file-source.ts';
import { SystemRoot } from '../system-root.ts';
import { HiveSet } from './hive-set.ts';
import { registryRefusal, releaseRefusal, volumeRefusal } from './refusals.ts';
import { findSystemDir, readWindowsFacts } from './windows-facts.ts';
import type { WindowsSystem } from './windows-system.ts';

/**
 * The Windows in a mounted volume; undefined when there is none.
 *
 * @throws TdError `refused` with the reason when it must stay as it is: hibernated, too old, a registry that was not
 *   closed; `invalid` when it is no Windows that can be used.
 */
export async function openWindows(
  dir: string,
  options: { openFile: OpenFile },
): Promise<WindowsSystem | undefined> {
  const root = new SystemRoot(dir, { caseInsensitive: true });
  const systemDir = await findSystemDir(root);
  if (systemDir === undefined) return undefined;
  const refuse = (reason: string | undefined) => {
    if (reason !== undefined) throw new TdError('refused', `Cannot customise this Windows: ${reason}`);
  };
  refuse(await volumeRefusal(root));
  const hives = new HiveSet(root, { systemDir });
  refuse(await registryRefusal(hives));
  const facts = await readWindowsFacts(root, { systemDir, hives });
  refuse(releaseRefusal(facts));
  return { root, hives, facts, openFile: options.openFile, undo: [] };
}

/**
 * Writes the edited registry. When that fails the volume's hives are what they were, and the files that hold secrets
 * are taken away again. `hives.commit()` ends the matter.
 */
export async function saveWindows(windows: WindowsSystem): Promise<void> {
  try {
    await windows.hives.save();
  } catch (error) {
    await abandonWindows(windows);
    throw error;
  }
}

/** Brings the registry back, and takes away the files that hold secrets. */
export async function abandonWindows({ hives, undo }: WindowsSystem): Promise<void> {
  try {
    for (const takeBack of undo.splice(0).reverse()) await takeBack();
  } finally {
    await hives.discard();
  }
}
