import type { Partition } from '../schema/disk-layout.ts';
import type { BlockDevice } from './block-device.ts';
import { swapHeader } from './filesystems.ts';
import { usesOfDisk } from './mounts.ts';
import { readNtfsVolume } from './ntfs-volume.ts';

/** Something that makes a captured filesystem need repair, or lose data, on every target. */
export interface ConsistencyProblem {
  /** `Partition 2 (ext4) was not unmounted cleanly`. */
  problem: string;
  /** What to do about it. */
  cure: string;
}

const EXT_SUPER_AT = 1024;
const EXT_STATE_CLEAN = 0x1;
const EXT_STATE_ERRORS = 0x2;
const EXT_INCOMPAT_RECOVER = 0x4;

/** Looks for mounted disks, open journals, dirty volumes and hibernated systems; reads only. */
export async function findConsistencyProblems(
  device: BlockDevice,
  partitions: readonly Partition[],
): Promise<ConsistencyProblem[]> {
  const problems: ConsistencyProblem[] = [];
  const uses = device.kernelName === undefined ? [] : await usesOfDisk(device.kernelName);
  if (uses.length > 0) {
    problems.push({
      problem: `"${device.path}" is in use (${uses.slice(0, 5).join(', ')})`,
      cure: 'start this computer from the boot medium instead',
    });
  }
  for (const partition of partitions) {
    const found = await partitionProblem(device, partition);
    if (found === undefined) continue;
    const name = `Partition ${partition.number} (${partition.filesystem.kind})`;
    problems.push({ problem: `${name} ${found.problem}`, cure: found.cure });
  }
  return problems;
}

async function partitionProblem(
  device: BlockDevice,
  partition: Partition,
): Promise<ConsistencyProblem | undefined> {
  switch (partition.filesystem.kind) {
    case 'ext2':
    case 'ext3':
    case 'ext4':
      return extProblem(await device.read(partition.startBytes + EXT_SUPER_AT, 1024));
    case 'ntfs':
      return await ntfsProblem(device, partition);
    case 'swap': {
      const head = await device.read(partition.startBytes, Math.min(partition.sizeBytes, 65_536));
      const cure = 'start the master and shut it down';
      return swapHeader(head)?.hibernated ? { problem: 'holds a hibernated system', cure } : undefined;
    }
    default:
      return undefined;
  }
}

/** @param superblock the 1024 bytes of an ext2, ext3 or ext4 superblock. */
export function extProblem(superblock: Buffer): ConsistencyProblem | undefined {
  const state = superblock.readUInt16LE(58);
  const incompat = superblock.readUInt32LE(96);
  if ((state & EXT_STATE_ERRORS) !== 0) {
    return { problem: 'has recorded errors', cure: 'run "e2fsck -f" on it first' };
  }
  if ((incompat & EXT_INCOMPAT_RECOVER) !== 0 || (state & EXT_STATE_CLEAN) === 0) {
    return {
      problem: 'was not unmounted cleanly',
      cure: 'start the master and shut it down, or run "e2fsck" on it',
    };
  }
  return undefined;
}

async function ntfsProblem(
  device: BlockDevice,
  partition: Partition,
): Promise<ConsistencyProblem | undefined> {
  const volume = await readNtfsVolume(async (offsetBytes, lengthBytes) => {
    const bytes = Buffer.alloc(lengthBytes);
    const inside = Math.min(lengthBytes, partition.sizeBytes - offsetBytes);
    if (inside > 0) (await device.read(partition.startBytes + offsetBytes, inside)).copy(bytes);
    return bytes;
  });
  if (volume === undefined) {
    return { problem: 'has a damaged master file table', cure: 'run "chkdsk /f" on it in Windows first' };
  }
  if (!volume.dirty) return undefined;
  return {
    problem: 'was not unmounted cleanly',
    cure: 'start Windows, run "chkdsk /f" and shut it down with "shutdown /s /t 0"',
  };
}
