import { checkOpenImage, type DamagedChunk, type ImageCheck } from '../../image/check.ts';
import { openImage } from '../../image/image-reader.ts';
import { TdError } from '../../lib/errors.ts';
import type { ImageManifest } from '../../schema/image-manifest.ts';
import type { ImageCommandContext } from './image-command-context.ts';
import { printable } from './image-info.ts';

const LINES_MAX = 50;

export interface ImageCheckOptions {
  quick: boolean;
  json: boolean;
  context: Pick<ImageCommandContext, 'out' | 'progress' | 'progressEnd' | 'signal'>;
}

/**
 * Verifies an image and prints what is damaged and which partition it touches.
 *
 * @throws TdError `damaged` after the result was printed; as openImage when it cannot be opened.
 */
export async function runImageCheck(path: string, options: ImageCheckOptions): Promise<void> {
  const { context, quick } = options;
  await using reader = await openImage(path);
  let result: ImageCheck;
  try {
    result = await checkOpenImage(reader, {
      quick,
      signal: context.signal,
      onProgress: (doneBytes, totalBytes) => context.progress('Checking', doneBytes, totalBytes),
    });
  } finally {
    context.progressEnd();
  }
  const touched = (damaged: DamagedChunk) =>
    damaged.placements.map((place) => ({ ...place, where: describePlace(reader.manifest, place) }));
  if (options.json) {
    const damaged = result.damaged.map((one) => ({ ...one, placements: touched(one) }));
    context.out(`${JSON.stringify({ path, quick, ...result, damaged }, undefined, 2)}\n`);
  } else {
    context.out(checkText(path, { result, quick, touched }));
  }
  if (result.ok) return;
  throw new TdError(
    'damaged',
    `"${path}" is damaged: ${result.damaged.length} of ${result.checkedChunks} checked chunks and ${result.problems.length} other places; copy it from its source again or capture the master again`,
  );
}

interface CheckView {
  result: ImageCheck;
  quick: boolean;
  touched: (damaged: DamagedChunk) => { where: string }[];
}

function checkText(path: string, { result, quick, touched }: CheckView): string {
  const lines: string[] = [];
  for (const damaged of result.damaged.slice(0, LINES_MAX)) {
    const places = [...new Set(touched(damaged).map((place) => place.where))];
    const more = places.length > 3 ? ` and ${places.length - 3} more places` : '';
    lines.push(`Chunk ${damaged.chunk}: ${damaged.reason} (${places.slice(0, 3).join('; ')}${more})`);
  }
  if (result.damaged.length > LINES_MAX) lines.push(`… and ${result.damaged.length - LINES_MAX} more chunks`);
  lines.push(...result.problems.slice(0, LINES_MAX));
  if (result.ok) {
    const what = quick
      ? `its structure and ${result.checkedChunks} of ${result.chunkCount} chunks`
      : `all ${result.chunkCount} chunks`;
    lines.push(`"${path}" is good: ${what} were verified`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

/** `partition 2 (ext4 "root") of disk 0 at byte 4096`, as an administrator would look for it. */
export function describePlace(manifest: ImageManifest, place: { disk: number; offsetBytes: number }): string {
  const layout = manifest.disks[place.disk];
  const inside = (area: { startBytes: number; sizeBytes: number }) =>
    place.offsetBytes >= area.startBytes && place.offsetBytes < area.startBytes + area.sizeBytes;
  const partition = layout?.partitions.find(inside);
  if (partition !== undefined) {
    const { kind, label } = partition.filesystem;
    const name = label === '' ? kind : `${kind} "${label}"`;
    return `partition ${partition.number} (${name}) of disk ${place.disk} at byte ${place.offsetBytes - partition.startBytes}`;
  }
  const area = layout?.bootAreas.find(inside);
  const what = { head: 'boot area', ebr: 'partition table', 'gpt-backup': 'backup partition table' };
  return `${area === undefined ? 'space outside of partitions' : what[area.kind]} of disk ${place.disk} at byte ${place.offsetBytes}`;
}
