import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorLine, TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import type { FilesystemKind, Partition } from '../schema/disk-layout.ts';
import type { CapturedPart } from '../schema/image-manifest.ts';
import type { BlockDevice } from './block-device.ts';
import { type Extent, extentsLength, parseDomainMap } from './domain-map.ts';
import { swapHeader } from './filesystems.ts';
import { openPartitionNode } from './partition-node.ts';

export interface UsedBlocks {
  /** Ascending, apart from each other, absolute on the disk. */
  extents: Extent[];
  method: CapturedPart['method'];
  /** Granularity of the map; 0 when the method is `raw`. */
  blockBytes: number;
  usedBytes: number;
  /** One line each: why it is raw, what else is odd. */
  warnings: string[];
}

export interface UsedBlocksOptions {
  signal?: AbortSignal;
  /** Maps a filesystem that was not unmounted cleanly too. Default false. */
  force?: boolean;
}

const PROGRAMS: Partial<Record<FilesystemKind, string>> = {
  ext2: 'partclone.ext2',
  ext3: 'partclone.ext3',
  ext4: 'partclone.ext4',
  ntfs: 'partclone.ntfs',
  fat12: 'partclone.fat12',
  fat16: 'partclone.fat16',
  fat32: 'partclone.fat32',
  exfat: 'partclone.exfat',
  xfs: 'partclone.xfs',
  btrfs: 'partclone.btrfs',
  f2fs: 'partclone.f2fs',
};

const RAW_REASONS: Partial<Record<FilesystemKind, string>> = {
  luks: 'it is encrypted (LUKS), so used and free blocks cannot be told apart',
  bitlocker:
    'it is encrypted (BitLocker), so used and free blocks cannot be told apart; suspend BitLocker and decrypt for a smaller image',
  ldm: 'it belongs to a Windows dynamic disk',
  lvm2: 'it holds LVM volumes',
  unknown: 'its filesystem is not known',
};

/** Partitions that never hold a filesystem: BIOS boot, Microsoft reserved, PReP boot (GPT and MBR). */
const RAW_BY_NATURE: readonly string[] = [
  '21686148-6449-6E6F-744E-656564454649',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE',
  '9E1A2D38-C612-4316-AA26-8B49521E5A8B',
  '41',
];

/** A map of a huge fragmented disk takes this much text; beyond it something is wrong. */
const MAP_BYTES_MAX = 512 * 1024 * 1024;
/** Reading the bitmaps of a large, slow disk takes its time. */
const MAP_TIMEOUT_MS = 60 * 60 * 1000;
const ANY_CODE = Array.from({ length: 256 }, (_, code) => code);

/**
 * Finds which bytes of a partition are in use; what the filesystem's map does not cover counts as used.
 * Never says less than what is used: what cannot be mapped is all used, with a warning that says why.
 *
 * @throws TdError `cancelled`; `io` when the disk cannot be read.
 */
export async function usedBlocks(
  device: BlockDevice,
  partition: Partition,
  options: UsedBlocksOptions = {},
): Promise<UsedBlocks> {
  const { kind } = partition.filesystem;
  if (kind === 'swap') return await swapBlocks(device, partition);
  const program = PROGRAMS[kind];
  if (program === undefined) {
    const used = allUsed(partition, RAW_REASONS[kind] ?? RAW_REASONS.unknown!);
    const expected = kind === 'unknown' && RAW_BY_NATURE.includes(partition.typeId);
    return expected ? { ...used, warnings: [] } : used;
  }
  try {
    return await partcloneBlocks(device, partition, { ...options, program });
  } catch (error) {
    if (options.signal?.aborted)
      throw new TdError('cancelled', 'The capture was cancelled', { cause: error });
    return allUsed(partition, `its ${kind} blocks could not be mapped (${errorLine(error)})`);
  }
}

function allUsed(partition: Partition, why: string): UsedBlocks {
  const { startBytes, sizeBytes } = partition;
  return {
    extents: [{ startBytes, sizeBytes }],
    method: 'raw',
    blockBytes: 0,
    usedBytes: sizeBytes,
    warnings: [`Partition ${partition.number} is captured whole: ${why}`.slice(0, 500)],
  };
}

async function swapBlocks(device: BlockDevice, partition: Partition): Promise<UsedBlocks> {
  const head = await device.read(partition.startBytes, Math.min(partition.sizeBytes, 65_536));
  const header = swapHeader(head);
  if (header === undefined) return allUsed(partition, 'its swap header has changed meanwhile');
  const sizeBytes = Math.min(header.pageBytes, partition.sizeBytes);
  return {
    extents: [{ startBytes: partition.startBytes, sizeBytes }],
    method: 'swap-header',
    blockBytes: header.pageBytes,
    usedBytes: sizeBytes,
    warnings: [],
  };
}

/** Its last line only says to look into the log; the reason is the line before. */
function reasonIn(log: string): string {
  const lines = log.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('Partclone fail')).at(-1) ?? '';
}

async function partcloneBlocks(
  device: BlockDevice,
  partition: Partition,
  options: UsedBlocksOptions & { program: string },
): Promise<UsedBlocks> {
  const { program, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), 'totaldeploy-map-'));
  try {
    await using node = await openPartitionNode(device, partition);
    const map = join(folder, 'map');
    // Each call has its own log: they run side by side, and the default is one file for all.
    const args = ['-D', '-s', node.path, '-O', map, '-L', join(folder, 'log')];
    args.push(`--offset_domain=${partition.startBytes}`);
    if (options.force) args.push('-I', '-F');
    const result = await run(program, args, {
      cwd: folder,
      timeoutMs: MAP_TIMEOUT_MS,
      okCodes: ANY_CODE,
      ...(signal === undefined ? {} : { signal }),
    });
    const log = await readFile(join(folder, 'log'), 'utf8').catch(() => '');
    if (result.code !== 0)
      throw new TdError('tool-failed', `${program}: ${reasonIn(log) || `exit code ${result.code}`}`);
    const { size } = await stat(map);
    if (size > MAP_BYTES_MAX) throw new TdError('invalid', `its map of ${size} bytes is too long`);
    const blockBytes = Number(/^Block size:\s+(\d+) Byte/m.exec(log)?.[1] ?? '0');
    const extents = parseDomainMap(await readFile(map), partition);
    return {
      extents,
      method: 'partclone',
      blockBytes: blockBytes > 0 ? blockBytes : device.logicalSectorBytes,
      usedBytes: extentsLength(extents),
      warnings: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
