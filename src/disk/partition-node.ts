import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import type { Partition } from '../schema/disk-layout.ts';
import type { BlockDevice } from './block-device.ts';

/** A path at which programs find one partition as if it were a device of its own. */
export interface PartitionNode extends AsyncDisposable {
  readonly path: string;
}

/**
 * Finds the kernel's node of a partition; where there is none (a plain file, a disk whose table the kernel
 * has not read) a read-only loop device is set up over its bytes, which needs root, and taken down again.
 */
export async function openPartitionNode(device: BlockDevice, partition: Partition): Promise<PartitionNode> {
  if (partition.startBytes === 0 && partition.sizeBytes === device.sizeBytes) return keptNode(device.path);
  const known = await kernelNode(device, partition);
  if (known !== undefined) return keptNode(known);
  return await loopOverPartition(device, partition, { readOnly: true });
}

/**
 * A loop device over a partition's bytes, whether or not the disk has its partition table yet. Needs root; what was
 * written is on the disk when it is disposed of.
 *
 * @throws TdError `tool-failed`.
 */
export async function loopOverPartition(
  device: Pick<BlockDevice, 'path' | 'logicalSectorBytes'>,
  { startBytes, sizeBytes }: Pick<Partition, 'startBytes' | 'sizeBytes'>,
  { readOnly }: { readOnly: boolean },
): Promise<PartitionNode> {
  const args = ['--find', '--show', ...(readOnly ? ['--read-only'] : []), '--offset', String(startBytes)];
  args.push('--sizelimit', String(sizeBytes), '--sector-size', String(device.logicalSectorBytes));
  const path = (await run('losetup', [...args, device.path])).stdout.trim();
  if (!path.startsWith('/dev/'))
    throw new TdError('tool-failed', `losetup gave no device for "${device.path}"`);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await run('losetup', ['--detach', path]);
    },
  };
}

function keptNode(path: string): PartitionNode {
  return { path, [Symbol.asyncDispose]: async () => {} };
}

/** The node whose place and size are the partition's; its number alone could be of an older table. */
async function kernelNode(device: BlockDevice, partition: Partition): Promise<string | undefined> {
  if (device.kernelName === undefined) return undefined;
  const folder = join('/sys/class/block', device.kernelName);
  const number = async (file: string) => Number((await readFile(file, 'utf8').catch(() => 'NaN')).trim());
  for (const name of await readdir(folder).catch(() => [])) {
    if ((await number(join(folder, name, 'partition'))) !== partition.number) continue;
    const startBytes = (await number(join(folder, name, 'start'))) * 512;
    const sizeBytes = (await number(join(folder, name, 'size'))) * 512;
    if (startBytes === partition.startBytes && sizeBytes === partition.sizeBytes)
      return `/dev/${name.replaceAll('!', '/')}`;
  }
  return undefined;
}
