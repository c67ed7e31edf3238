import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { errorLine } from '../lib/errors.ts';
import type { EditResult } from '../schema/edit-result.ts';
import { openDeployedSystem } from './customise.ts';
import type { CustomiseOptions, DeployedSystem } from './customise-system.ts';
import { MountedSystems, type MountedSystemsOptions } from './mounted-systems.ts';

/** Of a larger file only the length is compared: its content was compared while it was written. */
const COMPARED_BYTES_MAX = 256 * 1024 * 1024;
const REASON_CHARS_MAX = 1000;

export type CustomiseDiskOptions = Omit<CustomiseOptions, 'isUnmountedAfter' | 'signal'> &
  MountedSystemsOptions;

/**
 * Customises every system of a deployed disk: mounts it, applies its edits, unmounts it, and compares what was written
 * with what is there when it is mounted again. Needs root.
 *
 * @returns one result for each edit; what could not be changed and why is among them.
 * @throws TdError when something stays mounted; the signal's reason. The disk is not to be trusted then.
 */
export async function customiseDisk(options: CustomiseDiskOptions): Promise<EditResult[]> {
  let mounted: MountedSystems;
  try {
    mounted = await MountedSystems.open(options);
  } catch (error) {
    options.signal.throwIfAborted();
    return [failure('Reach the deployed partitions', error)];
  }
  await using _ = mounted;
  return await customiseAll(mounted, options);
}

async function customiseAll(mounted: MountedSystems, options: CustomiseDiskOptions): Promise<EditResult[]> {
  const results: EditResult[] = [];
  const changed: { system: DeployedSystem; where: string; marks: Map<string, string> }[] = [];
  for (const { dir, where } of mounted.systems) {
    try {
      const system = await openDeployedSystem(dir, { ...options, isUnmountedAfter: true });
      if (system === undefined) continue;
      results.push(...(await system.apply()));
      changed.push({ system, where, marks: await marksOf(system.written) });
    } catch (error) {
      options.signal.throwIfAborted();
      results.push(failure(`Change the system on ${where}`, error));
    }
  }
  await mounted.unmount();
  for (const { system } of changed) results.push(...(await system.afterUnmount(mounted.ntfsVolumes)));
  if (changed.length > 0) {
    options.onEdit?.('Compare what was written');
    await mounted.mountAgain();
    for (const one of changed) results.push(await compare(one));
  }
  results.push(...mounted.notes);
  await mounted.close();
  if (results.length > 0) return results;
  const reason = 'none of the deployed partitions holds a Windows or Linux';
  return [{ text: 'Change the deployed system', result: 'skipped', reason }];
}

async function compare({
  system,
  where,
  marks,
}: {
  system: DeployedSystem;
  where: string;
  marks: Map<string, string>;
}): Promise<EditResult> {
  const text = `Read again what was written on ${where} (${system.name})`;
  try {
    const now = await marksOf(marks.keys());
    const differing = [...marks].filter(([path, mark]) => now.get(path) !== mark).length;
    if (differing === 0) return { text, result: 'done', reason: '' };
    return { text, result: 'failed', reason: `${differing} of ${marks.size} files differ; replace the disk` };
  } catch (error) {
    return failure(text, error);
  }
}

/** What tells a file's content from another one, by path. */
async function marksOf(paths: Iterable<string>): Promise<Map<string, string>> {
  const marks = new Map<string, string>();
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) marks.set(path, 'gone');
    else if (found.size > COMPARED_BYTES_MAX) marks.set(path, `${found.size}`);
    else marks.set(path, `${found.size} ${await hashOf(path)}`);
  }
  return marks;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece);
  return hash.digest('hex');
}

function failure(text: string, error: unknown): EditResult {
  return { text, result: 'failed', reason: errorLine(error).slice(0, REASON_CHARS_MAX) };
}
