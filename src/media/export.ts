import { TdError } from '../lib/errors.ts';
import { type Logger, silentLog } from '../lib/log.ts';
import type { BootMode } from '../schema/boot-params.ts';
import type { Site } from '../schema/site.ts';
import { grubSettings } from './grub-settings.ts';
import { writeIso } from './iso.ts';
import { listMediaFiles } from './media-tree.ts';
import { type MediaContents, writePxeTree } from './pxe-tree.ts';
import { encodeSiteImage } from './site-image.ts';
import { whileGrowing, writeUnfinished } from './unfinished-output.ts';
import { usbImageBytes, writeUsbImage } from './usb.ts';

export const EXPORT_KINDS = ['pxe', 'backup-iso', 'agent-iso', 'console-iso', 'usb'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];

/** ISO 9660 and Joliet tables, and the EFI partition at the end. */
const ISO_OVERHEAD_BYTES = 16 * 1024 * 1024;

const DEFAULT_MODES: Record<ExportKind, BootMode> = {
  pxe: 'agent',
  'backup-iso': 'backup',
  'agent-iso': 'agent',
  'console-iso': 'console',
  usb: 'menu',
};

export interface ExportOptions {
  /** The tree made by the build, or the medium the console was started from. */
  mediaDir: string;
  /** The console that agents started from these media trust; without one they search the network. */
  site?: Site;
  /** Default: what the kind's name says; PXE starts agents, USB asks. */
  defaultMode?: BootMode;
  /** Seconds until the default entry starts; null waits for a key. Default 10. */
  timeoutSeconds?: number | null;
  /** As `td.name=value`, without secrets. */
  extraParams?: readonly string[];
  /** PXE only: the TFTP server's IPv4 address, for networks where another machine is the DHCP server. */
  serverAddress?: string;
  /** Called some times a second. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  logger?: Logger;
  signal?: AbortSignal;
}

/**
 * Writes boot media: a folder for a PXE server, an ISO, or the image of a USB stick. Equal input gives equal bytes; on any
 * error nothing is left behind.
 *
 * @param dest must not exist (a PXE folder may be there, but empty).
 * @throws TdError `usage`, `not-found`, `no-space`, `io`, `cancelled`, `tool-failed`.
 */
export async function exportMedia(kind: ExportKind, dest: string, options: ExportOptions): Promise<void> {
  const logger = (options.logger ?? silentLog).child({ subsystem: 'media' });
  if (!EXPORT_KINDS.includes(kind)) {
    throw new TdError('usage', `Cannot export "${kind}": use ${EXPORT_KINDS.join(', ')}`);
  }
  if (options.serverAddress !== undefined && kind !== 'pxe') {
    throw new TdError('usage', `Cannot use a server address for "${kind}": only the PXE export has one`);
  }
  const contents = await mediaContents(kind, options);
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const fileBytes = contents.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  logger.info({ kind, dest, fileBytes }, 'writing boot media');
  const tell = options.onProgress ?? (() => {});
  if (kind === 'pxe') {
    const more = {
      ...signal,
      ...(options.serverAddress === undefined ? {} : { serverAddress: options.serverAddress }),
      onProgress: (doneBytes: number) => tell(doneBytes, fileBytes),
    };
    const write = (partial: string) => writePxeTree(partial, contents, more);
    await writeUnfinished(dest, write, { kind: 'folder', neededBytes: fileBytes, ...signal });
  } else {
    const neededBytes = kind === 'usb' ? usbImageBytes(contents) : fileBytes + ISO_OVERHEAD_BYTES;
    const writer = kind === 'usb' ? writeUsbImage : writeIso;
    const write = (partial: string) =>
      // The programs that write it say nothing themselves.
      whileGrowing(
        partial,
        (doneBytes) => tell(Math.min(doneBytes, fileBytes), fileBytes),
        () => writer(partial, contents, signal),
      );
    await writeUnfinished(dest, write, { kind: 'file', neededBytes, ...signal });
  }
  logger.info({ kind, dest }, 'boot media written');
}

async function mediaContents(kind: ExportKind, options: ExportOptions): Promise<MediaContents> {
  const settings = grubSettings({
    defaultMode: options.defaultMode ?? DEFAULT_MODES[kind],
    timeoutSeconds: options.timeoutSeconds === undefined ? 10 : options.timeoutSeconds,
    extraParams: options.extraParams ?? [],
    hasSite: options.site !== undefined,
  });
  const siteImage = options.site === undefined ? {} : { siteImage: encodeSiteImage(options.site) };
  return { files: await listMediaFiles(options.mediaDir), settings, ...siteImage };
}
