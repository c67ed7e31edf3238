import { copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { exportMedia } from '../src/media/export.ts';
import { grubSettings } from '../src/media/grub-settings.ts';
import { SETTINGS_PATH } from '../src/media/media-tree.ts';
import { BUILD_LOCK_PATH, takeBuildLock } from './build-lock.ts';
import { buildLoaders } from './loaders.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const DIST = join(PROJECT, 'dist');
const MENUS = join(PROJECT, 'src/media/grub');
const TIMEOUT_SECONDS = 20;

/** Made by the Pre-OS steps of the build. */
const PRE_OS_FILES = ['boot/vmlinuz', 'boot/stage1.img', 'boot/totaldeploy.wim'];

export interface BuildMediaOptions {
  /** The unpacked boot loader packages; default `dist/cache/loaders`. */
  loadersDir?: string;
  /** Holds kernel, stage 1 and payload already; default `dist/media`. */
  mediaDir?: string;
  /** Default `dist/totaldeploy.iso`; replaced when it exists. */
  isoPath?: string;
  signal?: AbortSignal;
}

/**
 * Completes the media tree with boot loaders and the boot menu, and makes the ISO from it with the code that the console's
 * export uses. The same packages and Pre-OS give the same bytes.
 *
 * @returns the paths of the tree and the ISO.
 * @throws TdError `not-found` when a step of the build before this one is missing.
 */
export async function buildMedia(
  options: BuildMediaOptions = {},
): Promise<{ mediaDir: string; isoPath: string }> {
  const mediaDir = options.mediaDir ?? join(DIST, 'media');
  const isoPath = options.isoPath ?? join(DIST, 'totaldeploy.iso');
  for (const path of PRE_OS_FILES) await requireFile(join(mediaDir, path));
  await buildLoaders(options.loadersDir ?? join(DIST, 'cache/loaders'), mediaDir);
  const menus = [
    ['grub.cfg', 'boot/grub/grub.cfg'],
    ['network-stub.cfg', 'grub/grub.cfg'],
  ] as const;
  for (const [menu, path] of menus) {
    await mkdir(dirname(join(mediaDir, path)), { recursive: true });
    await copyFile(join(MENUS, menu), join(mediaDir, path));
  }
  const settings = grubSettings({ defaultMode: 'menu', timeoutSeconds: TIMEOUT_SECONDS, hasSite: false });
  await writeFile(join(mediaDir, SETTINGS_PATH), settings);
  await rm(isoPath, { force: true });
  await exportMedia('console-iso', isoPath, {
    mediaDir,
    defaultMode: 'menu',
    timeoutSeconds: TIMEOUT_SECONDS,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return { mediaDir, isoPath };
}

async function requireFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return;
  throw new TdError('not-found', `Cannot make boot media: "${path}" is missing; run npm run appliance`);
}

if (import.meta.main) {
  await using _lock = await takeBuildLock(BUILD_LOCK_PATH, console.error);
  const { mediaDir, isoPath } = await buildMedia();
  console.log(`${mediaDir}\n${isoPath}`);
}
