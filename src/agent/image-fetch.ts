import type { Deployment } from '../control/messages.ts';
import type { GetOptions } from '../control/service-client.ts';
import { ImageIndex, imageRoot } from '../image/chunk-index.ts';
import { MANIFEST_RAW_BYTES_MAX } from '../image/image-format.ts';
import { checkPlaces, decodeManifest } from '../image/manifest-codec.ts';
import { usedExtent } from '../image/restore.ts';
import { sleep } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';
import { diskNumber, type ImageManifest } from '../schema/image-manifest.ts';

const ATTEMPTS_MAX = 4;
const FIRST_WAIT_MS = 500;

export interface FetchedImage {
  manifest: ImageManifest;
  /** Which of the image's disks the target takes, from 0. */
  disk: number;
  layout: DiskLayout;
  index: ImageIndex;
  /** Equal to the announced one. */
  root: string;
  /** The end of the last block: a target must be at least this big. */
  endBytes: number;
  /** Raw bytes of all its blocks. */
  totalBytes: number;
}

/** Reads a path of the image service over the connection that stands now. */
export type GetFromConsole = (path: string, options: GetOptions) => Promise<Buffer>;

/**
 * Fetches manifest and index over the pinned connection and proves that they are the announced image.
 *
 * @throws TdError `damaged` when they are not; `invalid`, `refused`, `network`, `timeout`, `cancelled`.
 */
export async function fetchImage(
  announced: Deployment['image'],
  options: { get: GetFromConsole; signal: AbortSignal; disk?: number },
): Promise<FetchedImage> {
  const { name, path } = announced;
  const manifestBytes = await getAgain(`${path}/manifest`, { ...options, bytesMax: MANIFEST_RAW_BYTES_MAX });
  const indexBytes = await getAgain(`${path}/index`, options);
  const what = `image "${name}" from the console`;
  return checkImageParts(announced, { manifestBytes, indexBytes, what, disk: options.disk ?? 0 });
}

/** Decodes and compares with what was announced; pure. */
export function checkImageParts(
  announced: Deployment['image'],
  parts: { manifestBytes: Buffer; indexBytes: Buffer; what: string; disk: number },
): FetchedImage {
  const { what, manifestBytes, indexBytes, disk } = parts;
  const manifest = decodeManifest(manifestBytes, `manifest of ${what}`);
  const index = ImageIndex.decode(indexBytes, `index of ${what}`);
  checkPlaces(index, manifest);
  const root = imageRoot(manifestBytes, index).toString('hex');
  const isAnnounced =
    root === announced.root &&
    index.chunkCount === announced.chunkCount &&
    manifest.imageId === announced.imageId;
  if (!isAnnounced) {
    throw new TdError(
      'damaged',
      `Cannot use ${what}: it is not the one that was announced (root ${root.slice(0, 12)}, announced ${announced.root.slice(0, 12)}); check the image at the console`,
    );
  }
  const layout = manifest.disks[disk];
  if (layout === undefined) {
    throw new TdError(
      'invalid',
      `Cannot use ${what}: it has no disk ${diskNumber(disk)}, it holds ${manifest.disks.length}`,
    );
  }
  const extent = usedExtent({ index, manifest }, disk);
  return {
    manifest,
    disk,
    layout,
    index,
    root,
    endBytes: extent.endBytes,
    totalBytes: extent.bytes,
  };
}

/** Asks again after what passes: a lost connection, a late answer. */
export async function getAgain(
  path: string,
  options: { get: GetFromConsole; signal: AbortSignal; bytesMax?: number },
): Promise<Buffer> {
  const { get, signal, bytesMax } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await get(path, { signal, ...(bytesMax === undefined ? {} : { bytesMax }) });
    } catch (error) {
      const isPassing = error instanceof TdError && ['network', 'timeout', 'incomplete'].includes(error.code);
      if (!isPassing || attempt >= ATTEMPTS_MAX) throw error;
      await sleep(FIRST_WAIT_MS * 2 ** (attempt - 1), signal);
    }
  }
}
