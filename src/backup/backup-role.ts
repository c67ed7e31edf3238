import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type BlockDevice, openBlockDevice } from '../disk/block-device.ts';
import { listDisks } from '../disk/disk-inventory.ts';
import { chooseDisk, describeDisk } from '../disk/disk-rule.ts';
import { createImageWriter, type ImageWriter, type WrittenImage } from '../image/image-writer.ts';
import { type Clock, monotonicClock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { formatBytes, formatSeconds, type ProgressState } from '../lib/progress.ts';
import type { Screen } from '../lib/screen.ts';
import { readMachine } from '../preos/inventory.ts';
import type { Machine, MachineDisk } from '../schema/machine.ts';
import type { Site } from '../schema/site.ts';
import { BackupScreen } from './backup-screen.ts';
import { captureDisk } from './capture.ts';
import { type CapturePlan, planCapture } from './capture-plan.ts';
import { ConsoleDestination, connectDestination } from './console-destination.ts';
import { type Destination, parseDestination } from './destination.ts';
import { FileDestination } from './file-destination.ts';

export interface BackupOptions {
  /** A disk rule (see `chooseDisk`), or the path of a device or file that is in no inventory. Default `only`. */
  disk?: string;
  /** Partition numbers; empty or missing takes all. */
  partitions?: readonly number[];
  /** `console:NAME` or a path. */
  to: string;
  /** Written into the image; default the name in `to`. */
  name?: string;
  comment?: string;
  /** zstd level, default 3. */
  level?: number;
  /** Captures a filesystem that is not clean too, and says so in the image. */
  force?: boolean;
  /** `HOST` or `HOST:PORT`; default the site's console, else found on the network. */
  console?: string;
  site?: Site;
  /** Found out when missing. */
  disks?: readonly MachineDisk[];
  /** Found out when missing. */
  machine?: Machine;
  screen: Screen;
  logger: Logger;
  clock?: Clock;
  onProgress?: (progress: ProgressState) => void;
  signal?: AbortSignal;
}

export interface BackupResult {
  name: string;
  /** The path, or `console:NAME`. */
  where: string;
  imageId: string;
  /** Merkle root, 64 hexadecimal digits. */
  root: string;
  usedBytes: number;
  storedBytes: number;
  fileBytes: number;
  durationMs: number;
  warnings: string[];
  flaws: string[];
}

/**
 * Takes an image of one disk and stores it at the console or on a path.
 *
 * @throws TdError; by then nothing that could be taken for an image is left, and the screen says why.
 */
export async function runBackup(options: BackupOptions): Promise<BackupResult> {
  const screen = new BackupScreen(options.screen);
  const logger = options.logger.child({ subsystem: 'backup' });
  try {
    const result = await backUp({ ...options, logger }, screen);
    logger.info({ result }, 'image stored');
    return result;
  } catch (error) {
    const failure = asTdError(error, options.signal);
    logger.error({ code: failure.code, error: failure.message }, 'capture failed');
    screen.failed(failure.message);
    throw failure;
  }
}

function asTdError(error: unknown, signal: AbortSignal | undefined): TdError {
  if (error instanceof TdError) return error;
  if (signal?.aborted) return new TdError('cancelled', 'The capture was cancelled', { cause: error });
  return new TdError('io', `Cannot capture: ${errorLine(error)}`, { cause: error });
}

async function backUp(options: BackupOptions, screen: BackupScreen): Promise<BackupResult> {
  const clock = options.clock ?? monotonicClock;
  const startedMs = clock.nowMs();
  const address = parseDestination(options.to);
  const disks = options.disks ?? (await listDisks());
  const source = await chooseSource(options.disk ?? 'only', disks);
  screen.row('Disk', source.title);
  await using device = await openBlockDevice(source.path);
  const machine = options.machine ?? (await readMachine({ disks }));
  await using destination = await openDestination(options, { address, machine, device });
  screen.row('To', destination.title);
  if (destination instanceof ConsoleDestination) screen.connected(destination.consoleName);
  const signal = AbortSignal.any([destination.signal, ...(options.signal ? [options.signal] : [])]);
  const name = options.name ?? address.name;
  screen.row('Image', name);
  screen.step('mapping', `Looking for the used blocks of ${source.title}`);
  const { partitions, force = false } = options;
  const plan = await planCapture(device, {
    force,
    signal,
    ...(partitions === undefined ? {} : { partitions }),
  });
  for (const line of plan.warnings) {
    options.logger.warn({ disk: source.path }, line);
    screen.warn(line);
  }
  const written = await store(device, {
    ...options,
    destination,
    plan,
    machine,
    name,
    clock,
    signal,
    screenView: screen,
  });
  const durationMs = Math.round(clock.nowMs() - startedMs);
  const seconds = durationMs / 1000;
  screen.done(
    `image ${name}: ${formatBytes(plan.usedBytes)} used, ${formatBytes(written.fileBytes)} stored, ${formatSeconds(seconds)}, ${formatBytes(plan.usedBytes / seconds)}/s`,
  );
  return {
    name,
    where: address.kind === 'console' ? `console:${address.name}` : destination.title,
    imageId: written.imageId,
    root: written.root.toString('hex'),
    usedBytes: plan.usedBytes,
    storedBytes: written.storedBytes,
    fileBytes: written.fileBytes,
    durationMs,
    warnings: plan.warnings,
    flaws: plan.flaws,
  };
}

interface Source {
  path: string;
  title: string;
}

async function chooseSource(rule: string, disks: readonly MachineDisk[]): Promise<Source> {
  // A path outside the inventory is a loop device, a mapping or a file: named by hand, so meant.
  if (rule.startsWith('/') && !disks.some((disk) => `/dev/${disk.name}` === rule)) {
    const found = await stat(rule).catch(() => undefined);
    if (found?.isFile() || found?.isBlockDevice()) return { path: rule, title: rule };
  }
  const choice = chooseDisk(disks, rule, { what: 'disk to capture' });
  if (!choice.ok) throw new TdError('refused', `Cannot choose the disk to capture: ${choice.reason}`);
  return { path: `/dev/${choice.disk.name.replaceAll('!', '/')}`, title: describeDisk(choice.disk) };
}

async function openDestination(
  options: BackupOptions,
  found: { address: ReturnType<typeof parseDestination>; machine: Machine; device: BlockDevice },
): Promise<Destination> {
  const { address, machine, device } = found;
  if (address.kind === 'file') {
    const destination = new FileDestination(address.path);
    await destination.checkApartFrom(device);
    return destination;
  }
  return await connectDestination({
    name: address.name,
    machine,
    logger: options.logger,
    signal: options.signal ?? new AbortController().signal,
    ...(options.console === undefined ? {} : { console: options.console }),
    ...(options.site === undefined ? {} : { site: options.site }),
  });
}

interface Storing extends BackupOptions {
  destination: Destination;
  plan: CapturePlan;
  machine: Machine;
  name: string;
  clock: Clock;
  signal: AbortSignal;
  screenView: BackupScreen;
}

async function store(device: BlockDevice, options: Storing): Promise<WrittenImage> {
  const { destination, plan, machine, signal, screenView } = options;
  let writer: ImageWriter | undefined;
  let failure: TdError | undefined;
  try {
    const sink = await destination.open(plan);
    // Its first bytes go out at once: it is made only when the image's bytes follow without a pause.
    writer = createImageWriter(sink, options.level === undefined ? {} : { level: options.level });
    tellStep('capturing', `${formatBytes(plan.usedBytes)} in use`, options);
    return await captureDisk(device, {
      plan,
      writer,
      name: options.name,
      comment: options.comment ?? '',
      createdAt: new Date().toISOString(),
      source: {
        hostname: hostname().slice(0, 256),
        model: `${machine.vendor} ${machine.model}`.trim().slice(0, 256),
        serial: machine.serial,
        firmware: machine.firmware,
      },
      clock: options.clock,
      onProgress: (progress) => {
        screenView.progress(progress);
        destination.progress(progress);
        options.onProgress?.(progress);
      },
      onFinishing: () => tellStep('finishing', 'The image is being completed and checked', options),
      signal,
    });
  } catch (error) {
    // When the destination went away that is the cause, whatever failed first because of it.
    failure = signal.aborted && signal.reason instanceof TdError ? signal.reason : asTdError(error, signal);
    await writer?.abort(failure);
    destination.state('failed', failure.message);
    throw failure;
  } finally {
    if (failure === undefined) destination.state('done', '');
    await destination.end(failure);
  }
}

function tellStep(step: 'capturing' | 'finishing', detail: string, options: Storing): void {
  options.screenView.step(step, detail);
  options.destination.state(step, detail);
}
