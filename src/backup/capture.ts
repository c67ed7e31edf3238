import type { BlockDevice } from '../disk/block-device.ts';
import type { ImageWriter, WrittenImage } from '../image/image-writer.ts';
import { orderedAhead } from '../image/ordered-ahead.ts';
import type { Clock } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import { ProgressMeter, type ProgressState } from '../lib/progress.ts';
import { PROGRAM_VERSION } from '../lib/version.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import { type Cell, cellsOf, readCell, usedBytesOf } from './capture-cells.ts';
import type { CapturePlan } from './capture-plan.ts';

/** Keeps a disk's queue filled; more only takes memory. */
const READS_IN_FLIGHT = 6;

export interface CaptureOptions {
  /** From `planCapture` on the same device. */
  plan: CapturePlan;
  writer: Pick<ImageWriter, 'chunkBytes' | 'add' | 'finish'>;
  name: string;
  comment: string;
  /** ISO 8601, UTC. */
  createdAt: string;
  /** The computer the disk is in. */
  source: ImageManifest['source'];
  clock: Clock;
  /** After every cell, counted in used bytes. */
  onProgress?: (progress: ProgressState) => void;
  /** When everything is read and the image is being finished. */
  onFinishing?: () => void;
  signal?: AbortSignal;
}

/**
 * Streams a disk into an image: cells in order, several reads under way, free blocks zeroed. Memory stays
 * at the reads in flight and the writer's own queue.
 *
 * @throws TdError `io` naming the disk and the place when it cannot be read; `cancelled`; what the writer
 *   throws. The writer is left as it is: the caller aborts it.
 */
export async function captureDisk(device: BlockDevice, options: CaptureOptions): Promise<WrittenImage> {
  const { plan, writer, signal } = options;
  const meter = new ProgressMeter(plan.usedBytes, options.clock);
  const reads = orderedAhead(allCells(plan, writer.chunkBytes), {
    aheadMax: READS_IN_FLIGHT,
    work: (cell) => readCell(device, cell),
  });
  for await (const { item: cell, result: raw } of reads) {
    throwIfCancelled(signal);
    await writer.add({ disk: 0, offsetBytes: cell.offsetBytes }, raw);
    meter.advance(usedBytesOf(cell));
    options.onProgress?.(meter.state());
  }
  throwIfCancelled(signal);
  options.onFinishing?.();
  return await writer.finish({
    name: options.name,
    comment: options.comment,
    createdAt: options.createdAt,
    programVersion: PROGRAM_VERSION,
    source: options.source,
    disks: [plan.layout],
    parts: plan.parts.map(({ part }) => part),
    usedBytes: plan.usedBytes,
    flaws: plan.flaws,
  });
}

function* allCells(plan: CapturePlan, chunkBytes: number): Generator<Cell> {
  for (const { part, extents } of plan.parts) {
    yield* cellsOf({ startBytes: part.startBytes, sizeBytes: part.sizeBytes, extents }, chunkBytes);
  }
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof TdError) throw signal.reason;
  throw new TdError('cancelled', 'The capture was cancelled', { cause: signal.reason });
}
