import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Identity, siteOf } from '../control/identity.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { EXPORT_KINDS, type ExportOptions, exportMedia } from '../media/export.ts';
import { parseHostPort } from '../schema/boot-params.ts';
import type { MachineDisk } from '../schema/machine.ts';
import { type BootMediaSystem, findBootMedia } from './boot-media.ts';
import type { ExportParams } from './console-api.ts';
import { checkStick, writeStick } from './usb-sticks.ts';

export interface MediaExportOptions {
  identity: Identity;
  /** For what is made on the way; a folder of the console's data directory. */
  workDir: string;
  /** Boot files named by a person. */
  mediaDir?: string;
  logger?: Logger;
  onProgress?: (step: string, doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
  /** Replaced in tests. */
  system?: Partial<BootMediaSystem>;
  disks?: () => Promise<MachineDisk[]>;
}

/**
 * Makes boot media that trust this console: a PXE tree, an ISO, a stick's image, or a stick when the destination is a
 * device. Whatever goes wrong, nothing half is left.
 *
 * @throws TdError as findBootMedia, exportMedia, checkStick and writeStick.
 */
export async function runMediaExport(
  params: ExportParams,
  options: MediaExportOptions,
): Promise<{ path: string; sizeBytes: number }> {
  const { kind, console: address = '' } = params;
  if (!EXPORT_KINDS.includes(kind)) {
    throw new TdError('usage', `Cannot export "${kind}": use ${EXPORT_KINDS.join(', ')}`);
  }
  if (address !== '' && parseHostPort(address) === undefined) {
    throw new TdError('usage', `Cannot use "${address}" as the console's address: write HOST or HOST:PORT`);
  }
  const tell = options.onProgress ?? (() => {});
  const toStick = params.dest.startsWith('/dev/');
  if (toStick && kind !== 'usb') {
    throw new TdError(
      'usage',
      `Cannot write "${kind}" to "${params.dest}": only a stick is written to a device`,
    );
  }
  const stickOptions = {
    confirmBytes: params.confirmBytes,
    onProgress: tell,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.disks === undefined ? {} : { disks: options.disks }),
  };
  if (toStick) await checkStick(params.dest, stickOptions);
  await mkdir(options.workDir, { recursive: true, mode: 0o700 });
  const exported = await exportOptions(params, options);
  if (!toStick) {
    const dest = resolve(params.dest);
    await exportMedia(kind, dest, exported);
    return { path: dest, sizeBytes: await sizeOf(dest) };
  }
  const work = await mkdtemp(join(options.workDir, 'stick-'));
  try {
    const image = join(work, 'stick.img');
    await exportMedia('usb', image, exported);
    // It may have been pulled out, and another one plugged in, meanwhile.
    await checkStick(params.dest, stickOptions);
    await writeStick(image, params.dest, stickOptions);
    return { path: params.dest, sizeBytes: (await stat(image)).size };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function exportOptions(params: ExportParams, options: MediaExportOptions): Promise<ExportOptions> {
  const { identity, workDir, mediaDir, signal, system, logger } = options;
  const tell = options.onProgress ?? (() => {});
  let step = 'Looking for the boot files';
  tell(step, 0, 0);
  const common = signal === undefined ? {} : { signal };
  const found = await findBootMedia({
    workDir,
    ...common,
    ...(mediaDir === undefined ? {} : { given: mediaDir }),
    ...(system === undefined ? {} : { system }),
    onStep: (text) => {
      step = text;
    },
    onProgress: (doneBytes, totalBytes) => tell(step, doneBytes, totalBytes),
  });
  return {
    mediaDir: found,
    site: siteOf(identity, params.console ?? ''),
    extraParams: params.params ?? [],
    onProgress: (doneBytes, totalBytes) => tell('Writing the boot files', doneBytes, totalBytes),
    ...common,
    ...(logger === undefined ? {} : { logger }),
    ...(params.mode === undefined ? {} : { defaultMode: params.mode }),
    ...(params.timeoutSeconds === undefined ? {} : { timeoutSeconds: params.timeoutSeconds }),
    ...(params.serverAddress === undefined ? {} : { serverAddress: params.serverAddress }),
  };
}

/** Below the data directory: the disk with room. */
export function workDirOf(dataDir: string): string {
  return join(dataDir, 'work');
}

/** Where the console runs is not where a person stands: only paths that mean the same everywhere. */
export function checkDestination(dest: string): void {
  if (isAbsolute(dest) && dirname(dest) !== dest && !/[\x00-\x1f\x7f]/.test(dest)) return;
  throw new TdError(
    'usage',
    `Cannot write to ${JSON.stringify(dest)}: write a new file's or folder's path that begins with /`,
  );
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  let sizeBytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sizeBytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return sizeBytes;
}
