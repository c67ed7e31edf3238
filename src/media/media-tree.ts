import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, TdError } from '../lib/errors.ts';

/** The volume label of every ISO and stick; stage 1 and the boot loaders search for it. */
export const MEDIA_LABEL = 'TOTALDEPLOY';

/**
 * The time of every file and volume on exported media (2026-01-01 00:00:00 UTC), so that equal contents give
 * equal bytes. Not zero: FAT begins in 1980.
 */
export const MEDIA_TIME_SECONDS = 1_767_225_600;

export const SETTINGS_PATH = 'boot/grub/settings.cfg';
export const SITE_IMAGE_PATH = 'boot/site.img';
export const PXE_LOADER_PATH = 'boot/pxeboot.com';

/** What a computer reads while it starts, from the network or from a medium. */
const BOOT_FILES = [
  'boot/grub/grub.cfg',
  PXE_LOADER_PATH,
  'boot/stage1.img',
  'boot/totaldeploy.wim',
  'boot/vmlinuz',
  'grub/grub.cfg',
  'grubx64.efi',
  'shimx64.efi',
] as const;

/** What is only needed to make an ISO or a stick; carried along so that every medium can make further ones. */
export const LOADER_PARTS = {
  /** MBR boot record of a stick. */
  diskBootRecord: 'boot/loaders/boot.img',
  /** MBR boot record of an ISO written to a stick. */
  hybridBootRecord: 'boot/loaders/boot_hybrid.img',
  /** First stage of GRUB on a CD. */
  cdBootImage: 'boot/loaders/cdboot.img',
  /** GRUB for BIOS with its modules, for CD and stick. */
  biosCore: 'boot/loaders/core.img',
  /** FAT image with shim and signed GRUB for a CD. */
  efiSystemPartition: 'boot/loaders/esp.img',
  /** Signed GRUB that reads its menu from the medium. */
  mediumGrub: 'boot/loaders/gcdx64.efi',
} as const;

const OPTIONAL_FILES = ['manifest.json', 'mmx64.efi'] as const;

/** Every file that a further export needs, by its place in the tree; the optional ones may be missing. */
export const MEDIA_PATHS: readonly { path: string; isOptional: boolean }[] = [
  ...[...BOOT_FILES, ...Object.values(LOADER_PARTS)].map((path) => ({ path, isOptional: false })),
  ...OPTIONAL_FILES.map((path) => ({ path, isOptional: true })),
];

/** A file of the media, relative to the tree's root with `/` as separator. */
export interface MediaFile {
  path: string;
  source: string;
  sizeBytes: number;
}

/**
 * The files of a media tree that every export copies, sorted by path; without settings and site image, which each
 * export writes itself.
 *
 * @throws TdError `not-found` naming the first missing file.
 */
export async function listMediaFiles(mediaDir: string): Promise<MediaFile[]> {
  const files: MediaFile[] = [];
  for (const { path, isOptional } of MEDIA_PATHS) {
    const file = await mediaFile(mediaDir, path);
    if (file !== undefined) files.push(file);
    else if (!isOptional) {
      throw new TdError(
        'not-found',
        `Cannot use the boot media in "${mediaDir}": "${path}" is missing; start the console from TotalDeploy media or name the folder made by the build`,
      );
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function mediaFile(mediaDir: string, path: string): Promise<MediaFile | undefined> {
  const source = join(mediaDir, path);
  try {
    const found = await stat(source);
    return found.isFile() && found.size > 0 ? { path, source, sizeBytes: found.size } : undefined;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw new TdError('io', `Cannot read "${source}": ${errno ?? String(cause)}`, { cause });
  }
}
