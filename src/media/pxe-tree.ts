import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  MEDIA_TIME_SECONDS,
  type MediaFile,
  PXE_LOADER_PATH,
  SETTINGS_PATH,
  SITE_IMAGE_PATH,
} from './media-tree.ts';
import { withServerAddress } from './pxe-server-address.ts';

/** What an export adds to the files all media share. */
export interface MediaContents {
  files: readonly MediaFile[];
  /** The text of `boot/grub/settings.cfg`. */
  settings: string;
  siteImage?: Buffer;
}

export interface PxeTreeOptions {
  /** TFTP server's IPv4 address to write into the BIOS boot file; see `withServerAddress`. */
  serverAddress?: string;
  signal?: AbortSignal;
  /** Called with the sum of what is copied so far. */
  onProgress?: (doneBytes: number) => void;
}

/** Fills an empty folder with what a TFTP or HTTP server offers as its root. */
export async function writePxeTree(
  dir: string,
  contents: MediaContents,
  options: PxeTreeOptions = {},
): Promise<void> {
  const written: string[] = [];
  let doneBytes = 0;
  for (const file of contents.files) {
    options.signal?.throwIfAborted();
    const target = join(dir, file.path);
    await mkdir(dirname(target), { recursive: true });
    if (file.path === PXE_LOADER_PATH) {
      await writeFile(target, withServerAddress(await readFile(file.source), options.serverAddress));
    } else {
      // Not copyFile: it keeps the mode, and a file that a CD marks read-only cannot be finished on a share.
      await pipeline(createReadStream(file.source), createWriteStream(target));
    }
    written.push(target);
    doneBytes += file.sizeBytes;
    options.onProgress?.(doneBytes);
  }
  await writeFile(join(dir, SETTINGS_PATH), contents.settings);
  written.push(join(dir, SETTINGS_PATH));
  if (contents.siteImage !== undefined) {
    await writeFile(join(dir, SITE_IMAGE_PATH), contents.siteImage);
    written.push(join(dir, SITE_IMAGE_PATH));
  }
  for (const path of written) await finishFile(path);
}

/** Readable for a TFTP server that runs as its own user, safe on the disk, and with the same time every time. */
async function finishFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.chmod(0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await utimes(path, MEDIA_TIME_SECONDS, MEDIA_TIME_SECONDS);
}
