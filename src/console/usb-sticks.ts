import { type BlockDevice, openBlockDevice } from '../disk/block-device.ts';
import { listDisks } from '../disk/disk-inventory.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import { run } from '../lib/spawn.ts';
import type { MachineDisk } from '../schema/machine.ts';
import type { UsbStick } from './console-api.ts';

const STEP_BYTES = 1024 * 1024;
/** A GPT's copy at the end of the stick would bring back what was there before. */
const END_BYTES = 1024 * 1024;

export interface StickOptions {
  /** Size in bytes, as the person confirmed it. */
  confirmBytes: number | undefined;
  onProgress(step: string, doneBytes: number, totalBytes: number): void;
  signal?: AbortSignal;
  /** Replaced in tests. */
  disks?: () => Promise<MachineDisk[]>;
}

/** Removable USB disks that are no boot medium and hold no mounted filesystem. */
export async function listSticks(disks: () => Promise<MachineDisk[]> = listDisks): Promise<UsbStick[]> {
  const sticks: UsbStick[] = [];
  for (const disk of await disks()) {
    if (disk.bus !== 'usb' || !disk.removable || disk.readOnly || disk.bootMedium) continue;
    const { model, serial, sizeBytes } = disk;
    const device = `/dev/${disk.name}`;
    sticks.push({ device, model, serial, sizeBytes, contents: await contentsOf(device) });
  }
  return sticks;
}

/**
 * Looks at what is to be written to before anything is made.
 *
 * @throws TdError `refused` when it is no stick or not of the size the person confirmed; `no-space`.
 */
export async function checkStick(device: string, options: StickOptions): Promise<UsbStick> {
  const stick = (await listSticks(options.disks)).find((one) => one.device === device);
  if (stick === undefined) {
    throw new TdError(
      'refused',
      `Cannot write to "${device}": it is not a USB stick that is free to use; one that is mounted or was booted from is not`,
    );
  }
  if (stick.sizeBytes === options.confirmBytes) return stick;
  throw new TdError(
    'refused',
    `Cannot write to "${device}": it has ${stick.sizeBytes} bytes (${formatBytes(stick.sizeBytes)}), and not that size was confirmed; look again which stick it is`,
  );
}

/**
 * Writes a stick's image to it, flushes, reads all of it back and compares. The partition table comes last: what was broken
 * off before is an empty stick, never half a medium.
 *
 * @throws TdError `no-space`, `refused`, `io`, `damaged` when the stick does not keep what is written; `cancelled`.
 */
export async function writeStick(imagePath: string, device: string, options: StickOptions): Promise<void> {
  await using image = await openBlockDevice(imagePath);
  {
    await using stick = await openBlockDevice(device, { write: true });
    if (stick.sizeBytes < image.sizeBytes) {
      throw new TdError(
        'no-space',
        `Cannot write to "${device}": ${formatBytes(image.sizeBytes)} are needed, it has ${formatBytes(stick.sizeBytes)}; take a larger one`,
      );
    }
    await copy(image, stick, options);
  }
  // What is read back must come from the stick.
  await run('blockdev', ['--flushbufs', device], { timeoutMs: 60_000 });
  await using written = await openBlockDevice(device);
  await compare(image, written, options);
}

async function copy(image: BlockDevice, stick: BlockDevice, options: StickOptions): Promise<void> {
  const { sizeBytes } = image;
  const step = 'Writing the stick';
  await stick.write(0, Buffer.alloc(Math.min(STEP_BYTES, sizeBytes)));
  const endBytes = Math.min(END_BYTES, stick.sizeBytes - sizeBytes);
  if (endBytes > 0) await stick.write(stick.sizeBytes - endBytes, Buffer.alloc(endBytes));
  await stick.flush();
  for (let at = STEP_BYTES; at < sizeBytes; at += STEP_BYTES) {
    checkCancelled(stick.path, options.signal);
    await stick.write(at, await image.read(at, Math.min(STEP_BYTES, sizeBytes - at)));
    options.onProgress(step, at, sizeBytes);
  }
  await stick.flush();
  checkCancelled(stick.path, options.signal);
  await stick.write(0, await image.read(0, Math.min(STEP_BYTES, sizeBytes)));
  await stick.flush();
  options.onProgress(step, sizeBytes, sizeBytes);
}

async function compare(image: BlockDevice, stick: BlockDevice, options: StickOptions): Promise<void> {
  const { sizeBytes } = image;
  for (let at = 0; at < sizeBytes; at += STEP_BYTES) {
    if (options.signal?.aborted) {
      throw new TdError('cancelled', `"${stick.path}" is written, but reading it back was cancelled`);
    }
    const lengthBytes = Math.min(STEP_BYTES, sizeBytes - at);
    const [wanted, found] = await Promise.all([image.read(at, lengthBytes), stick.read(at, lengthBytes)]);
    if (!wanted.equals(found)) {
      throw new TdError(
        'damaged',
        `The stick "${stick.path}" does not keep what is written to it (in the MiB at ${at}); take another one`,
      );
    }
    options.onProgress('Reading it back', at + lengthBytes, sizeBytes);
  }
}

function checkCancelled(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new TdError('cancelled', `Writing "${path}" was cancelled; the stick is empty now`);
  }
}

async function contentsOf(device: string): Promise<string[]> {
  try {
    await using opened = await openBlockDevice(device);
    const layout = await readDiskLayout(opened);
    const parts = layout.partitions.map(({ number, sizeBytes, filesystem, name }) => {
      const label = filesystem.label || name;
      return `${number}: ${formatBytes(sizeBytes)} ${filesystem.kind}${label === '' ? '' : ` "${label}"`}`;
    });
    return parts.length === 0 ? ['nothing that is known'] : parts;
  } catch (error) {
    return [`cannot be read: ${errorLine(error)}`];
  }
}
