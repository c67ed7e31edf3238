import { TdError } from '../lib/errors.ts';
import { diskNumber, type ImageManifest, imageManifestSchema } from '../schema/image-manifest.ts';
import type { ImageIndex } from './chunk-index.ts';

/** The manifest as the JSON bytes that are hashed, compressed and stored. */
export function encodeManifest(manifest: ImageManifest): Buffer {
  return Buffer.from(JSON.stringify(manifest), 'utf8');
}

/** @throws TdError `invalid` naming the first field that is wrong. */
export function decodeManifest(bytes: Uint8Array, what: string): ImageManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new TdError('invalid', `Cannot read ${what}: it is no JSON`, { cause });
  }
  const result = imageManifestSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = issue?.path.join('.') || 'it';
    throw new TdError('invalid', `Cannot read ${what}: ${field}: ${issue?.message ?? 'is wrong'}`);
  }
  return result.data;
}

/** @throws TdError `invalid` when a placement is not on a disk of the manifest. */
export function checkPlaces(index: ImageIndex, manifest: ImageManifest): void {
  for (const { disk, offsetBytes, rawBytes } of index.placements()) {
    const sizeBytes = manifest.disks[disk]?.sizeBytes ?? 0;
    if (offsetBytes + rawBytes > sizeBytes) {
      throw new TdError(
        'invalid',
        `The image has a block at ${offsetBytes} of disk ${diskNumber(disk)}, which has ${sizeBytes} bytes`,
      );
    }
  }
}
