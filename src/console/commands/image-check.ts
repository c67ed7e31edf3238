import { checkOpenImage, type DamagedChunk, type ImageCheck } from '../../image/check.ts';
import { openImage } from '../../image/image-reader.ts';
import { TdError } from '../../lib/errors.ts';
import { diskNumber, type ImageManifest } from '../../schema/image-manifest.ts';
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
    const lines = damageLines(reader.manifest, result);
    if (result.ok) lines.push(checkSummary(path, result));
    context.out(`${lines.map(printable).join('\n')}\n`);
  }
  if (!result.ok) throw new TdError('damaged', checkSummary(path, result));
}

/** The check's outcome in one line. */
export function checkSummary(
  path: string,
  { ok, chunkCount, checkedChunks, damaged, problems }: ImageCheck,
): string {
  if (!ok) {
    return `"${path}" is damaged: ${damaged.length} of ${checkedChunks} checked chunks and ${problems.length} other places; copy it from its source again or capture the master again`;
  }
  const all = checkedChunks === chunkCount;
  const what = all
    ? `all ${chunkCount} chunks`
    : `its structure and ${checkedChunks} of ${chunkCount} chunks`;
  return `"${path}" is good: ${what} were verified`;
}

/** What is damaged and which partitions it touches. */
export function damageLines(manifest: ImageManifest, { damaged, problems }: ImageCheck): string[] {
  const lines = damaged.slice(0, LINES_MAX).map(({ chunk, reason, placements }) => {
    const places = [...new Set(placements.map((place) => describePlace(manifest, place)))];
    const more = places.length > 3 ? ` and ${places.length - 3} more places` : '';
    return `Chunk ${chunk}: ${reason} (${places.slice(0, 3).join('; ')}${more})`;
  });
  if (damaged.length > LINES_MAX) lines.push(`… and ${damaged.length - LINES_MAX} more chunks`);
  return [...lines, ...problems.slice(0, LINES_MAX)];
}

/** `partition 2 (ext4 "root") of disk 1 at byte 4096`, as an administrator would look for it. */
export function describePlace(manifest: ImageManifest, place: { disk: number; offsetBytes: number }): string {
  const layout = manifest.disks[place.disk];
  const inside = (area: { startBytes: number; sizeBytes: number }) =>
    place.offsetBytes >= area.startBytes && place.offsetBytes < area.startBytes + area.sizeBytes;
  const partition = layout?.partitions.find(inside);
  if (partition !== undefined) {
    const { kind, label } = partition.filesystem;
    const name = label === '' ? kind : `${kind} "${label}"`;
    return `partition ${partition.number} (${name}) of disk ${diskNumber(place.disk)} at byte ${place.offsetBytes - partition.startBytes}`;
  }
  const area = layout?.bootAreas.find(inside);
  const what = { head: 'boot area', ebr: 'partition table', 'gpt-backup': 'backup partition table' };
  return `${area === undefined ? 'space outside of partitions' : what[area.kind]} of disk ${diskNumber(place.disk)} at byte ${place.offsetBytes}`;
}
