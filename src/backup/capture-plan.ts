import type { BlockDevice } from '../disk/block-device.ts';
import { findConsistencyProblems } from '../disk/consistency.ts';
import type { Extent } from '../disk/domain-map.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import { usedBlocks } from '../disk/used-blocks.ts';
import { TdError } from '../lib/errors.ts';
import type { DiskLayout, Partition } from '../schema/disk-layout.ts';
import type { CapturedPart } from '../schema/image-manifest.ts';

export interface PlannedPart {
  part: CapturedPart;
  extents: Extent[];
}

/** What of a disk will be captured, found before the first byte is stored. */
export interface CapturePlan {
  layout: DiskLayout;
  /** Boot areas and chosen partitions by their place on the disk. */
  parts: PlannedPart[];
  usedBytes: number;
  /** The end of the last used byte. */
  lastUsedBytes: number;
  /** What a consistency guard found and `force` overrode. */
  flaws: string[];
  /** One line each, for the screen and the log. */
  warnings: string[];
}

export interface PlanOptions {
  /** Partition numbers; empty or missing takes all. */
  partitions?: readonly number[];
  /** Goes on although a filesystem is not clean; the image then says so. Default false. */
  force?: boolean;
  signal?: AbortSignal;
}

/** Each map reads the whole of a filesystem's bitmaps: more side by side only makes a disk seek. */
const MAPS_SIDE_BY_SIDE = 8;
const WARNINGS_MAX = 20;
const LINE_CHARS_MAX = 500;

/**
 * Reads the layout, guards against filesystems in use or unclean, and maps every chosen partition.
 *
 * @throws TdError `refused` with the cure when a filesystem is not clean; `usage` for a partition that is not
 *   there; `invalid` for a damaged table; `cancelled`, `io`.
 */
export async function planCapture(device: BlockDevice, options: PlanOptions = {}): Promise<CapturePlan> {
  const warnings: string[] = [];
  const layout = await readDiskLayout(device, { onWarning: (line) => warnings.push(line) });
  const tableWarnings = [...warnings];
  const chosen = choosePartitions(device, layout, options.partitions ?? []);
  const problems = await findConsistencyProblems(device, chosen);
  const [problem] = problems;
  if (problem !== undefined && !options.force) {
    throw new TdError(
      'refused',
      `Cannot capture "${device.path}": ${problem.problem}; ${problem.cure}, or capture it as it is with --force`,
    );
  }
  const flaws = problems.map((one) => `${one.problem}; captured by force`.slice(0, LINE_CHARS_MAX));
  const parts = await mapPartitions(device, chosen, options);
  for (const { part } of parts) warnings.push(...part.warnings);
  for (const area of layout.bootAreas) {
    parts.push({
      part: {
        disk: 0,
        partition: null,
        startBytes: area.startBytes,
        sizeBytes: area.sizeBytes,
        usedBytes: area.sizeBytes,
        method: 'raw',
        blockBytes: 0,
        warnings: area.kind === 'head' ? bounded(tableWarnings) : [],
      },
      extents: [{ startBytes: area.startBytes, sizeBytes: area.sizeBytes }],
    });
  }
  parts.sort((a, b) => a.part.startBytes - b.part.startBytes);
  return {
    layout,
    parts,
    usedBytes: parts.reduce((sum, { part }) => sum + part.usedBytes, 0),
    lastUsedBytes: Math.max(0, ...parts.map(({ extents }) => endOf(extents.at(-1)))),
    flaws: [...new Set(flaws)].slice(0, 100),
    warnings: [...warnings, ...flaws],
  };
}

function endOf(extent: Extent | undefined): number {
  return extent === undefined ? 0 : extent.startBytes + extent.sizeBytes;
}

function bounded(lines: readonly string[]): string[] {
  return lines.slice(0, WARNINGS_MAX).map((line) => line.slice(0, LINE_CHARS_MAX));
}

function choosePartitions(device: BlockDevice, layout: DiskLayout, numbers: readonly number[]): Partition[] {
  if (numbers.length === 0) return layout.partitions;
  for (const number of numbers) {
    if (layout.partitions.some((partition) => partition.number === number)) continue;
    const there = layout.partitions.map((partition) => partition.number).join(', ') || 'none';
    throw new TdError('usage', `Cannot capture partition ${number} of "${device.path}": it has ${there}`);
  }
  return layout.partitions.filter((partition) => numbers.includes(partition.number));
}

async function mapPartitions(
  device: BlockDevice,
  partitions: readonly Partition[],
  options: PlanOptions,
): Promise<PlannedPart[]> {
  const parts: PlannedPart[] = [];
  const waiting = [...partitions];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const found = await usedBlocks(device, next, {
        force: options.force === true,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      parts.push({
        part: {
          disk: 0,
          partition: next.number,
          startBytes: next.startBytes,
          sizeBytes: next.sizeBytes,
          usedBytes: found.usedBytes,
          method: found.method,
          blockBytes: found.blockBytes,
          warnings: bounded(found.warnings),
        },
        extents: found.extents,
      });
    }
  };
  // Every map is waited for even when one fails: the loop devices they use must be gone before we return.
  const done = await Promise.allSettled(Array.from({ length: MAPS_SIDE_BY_SIDE }, worker));
  const failed = done.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return parts;
}
