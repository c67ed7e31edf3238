import { access, open, unlink } from 'node:fs/promises';
import { type BlockDevice, openBlockDevice } from '../../disk/block-device.ts';
import { listDisks } from '../../disk/disk-inventory.ts';
import { relocateGptBackup } from '../../disk/partition-table.ts';
import { type ImageReader, openImage } from '../../image/image-reader.ts';
import { type RestoreSummary, restoreImage, usedExtent } from '../../image/restore.ts';
import { errorLine, TdError } from '../../lib/errors.ts';
import { formatBytes } from '../../lib/progress.ts';
import type { DiskLayout } from '../../schema/disk-layout.ts';
import { diskNumber } from '../../schema/image-manifest.ts';
import type { ImageCommandContext } from './image-command-context.ts';

export interface ImageRestoreOptions {
  /** A disk's device file, or a file that does not exist yet. */
  device: string;
  /** Which of the image's disks, from 0. */
  disk: number;
  yes: boolean;
  verify: boolean;
  json: boolean;
  context: ImageCommandContext;
}

/**
 * Writes one disk of an image to a disk of this computer or to a new sparse file, and moves the backup GPT
 * to its end.
 *
 * @throws TdError `refused` before any byte is written when the target does not suit or the answer was no;
 *   `usage`; as openImage and restoreImage.
 */
export async function runImageRestore(path: string, options: ImageRestoreOptions): Promise<void> {
  const { context, disk } = options;
  await using reader = await openImage(path);
  const layout = reader.manifest.disks[disk];
  if (layout === undefined) {
    const count = reader.manifest.disks.length;
    throw new TdError('usage', `"${path}" has no disk ${diskNumber(disk)}; it holds ${count}`);
  }
  const isNew = await createFile(options.device, layout.sizeBytes);
  let wrote = false;
  try {
    await using target = await openBlockDevice(options.device, {
      write: true,
      fileSectorBytes: layout.logicalSectorBytes,
    });
    await checkTarget(target, { reader, layout, disk });
    if (!isNew && !options.yes) await confirm(target, context);
    wrote = true;
    const summary = await write(reader, target, options);
    const moved = await relocateGptBackup(target, layout);
    await target.flush();
    const result = { path, device: options.device, ...summary, gptBackupMoved: moved };
    context.out(options.json ? `${JSON.stringify(result)}\n` : summaryText(path, { options, summary }));
  } catch (error) {
    if (isNew && !wrote) await unlink(options.device).catch(() => {});
    throw error;
  }
}

async function write(
  reader: ImageReader,
  target: BlockDevice,
  { context, disk, verify }: ImageRestoreOptions,
): Promise<RestoreSummary> {
  const label = { writing: 'Writing', verifying: 'Comparing' };
  try {
    return await restoreImage(reader, target, {
      disk,
      verify,
      signal: context.signal,
      onProgress: ({ phase, doneBytes, totalBytes }) => context.progress(label[phase], doneBytes, totalBytes),
    });
  } finally {
    context.progressEnd();
  }
}

function summaryText(
  path: string,
  { options, summary }: { options: ImageRestoreOptions; summary: RestoreSummary },
): string {
  const compared = summary.verified ? ', read back and compared' : '';
  return `Restored disk ${diskNumber(summary.disk)} of "${path}" to "${options.device}": ${formatBytes(summary.writtenBytes)} written${compared}\n`;
}

/** Makes a sparse file of the disk's size; false when there is something at the path already. */
async function createFile(path: string, sizeBytes: number): Promise<boolean> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  // A mistyped disk must not become a file in the memory behind /dev.
  if (exists || path.startsWith('/dev/')) return false;
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.truncate(sizeBytes);
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    throw new TdError('io', `Cannot create "${path}": ${errorLine(cause)}`, { cause });
  }
}

interface Wanted {
  reader: ImageReader;
  layout: DiskLayout;
  disk: number;
}

async function checkTarget(target: BlockDevice, { reader, layout, disk }: Wanted): Promise<void> {
  const no = (reason: string) => new TdError('refused', `Cannot restore to "${target.path}": ${reason}`);
  const { endBytes } = usedExtent(reader, disk);
  if (target.sizeBytes < endBytes) {
    throw no(
      `it has ${target.sizeBytes} bytes, the image needs ${endBytes} (${formatBytes(endBytes)}); use a larger disk`,
    );
  }
  if (target.logicalSectorBytes !== layout.logicalSectorBytes) {
    throw no(
      `its sectors have ${target.logicalSectorBytes} bytes, the image's ${layout.logicalSectorBytes}; use a disk of the same kind`,
    );
  }
  const known = (await listDisks()).find((one) => one.name === target.kernelName);
  if (known?.bootMedium === true) throw no('this computer runs from it; name another disk');
}

async function confirm(target: BlockDevice, context: ImageCommandContext): Promise<void> {
  if (context.ask === undefined) {
    throw new TdError('usage', `Restoring overwrites "${target.path}": give --yes where nobody can be asked`);
  }
  const size = formatBytes(target.sizeBytes);
  const answer = await context.ask(
    `Everything on "${target.path}" will be overwritten. Type its size, ${size}, to go on: `,
  );
  const plain = (text: string) => text.replace(/\s/g, '').toLowerCase();
  if (plain(answer) !== plain(size)) {
    throw new TdError(
      'refused',
      `Not restored: "${answer.trim()}" is not the size of "${target.path}", ${size}`,
    );
  }
}
