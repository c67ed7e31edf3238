import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { openIdentity, siteOf } from '../../control/identity.ts';
import { TdError } from '../../lib/errors.ts';
import { EXPORT_KINDS, type ExportKind, exportMedia } from '../../media/export.ts';
import { BOOT_MODES, type BootMode, parseHostPort } from '../../schema/boot-params.ts';
import { consolePaths } from '../console-paths.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

export interface ExportFlags {
  data: string;
  media?: string;
  /** `HOST[:PORT]`; without it computers find the console by discovery. */
  console?: string;
  /** Default: what the kind's name says; pxe starts agents, usb asks. */
  mode?: string;
  timeout?: string;
  param?: string[];
  server?: string;
}

/** `export KIND DEST`: boot media that trust this console and no other. */
export async function runExport(
  kind: string,
  dest: string,
  options: { flags: ExportFlags; context: ConsoleCommandContext },
): Promise<void> {
  const { flags, context } = options;
  if (!EXPORT_KINDS.includes(kind as ExportKind)) {
    throw new TdError('usage', `Cannot export "${kind}": use ${EXPORT_KINDS.join(', ')}`);
  }
  const address = flags.console ?? '';
  if (address !== '' && parseHostPort(address) === undefined) {
    throw new TdError('usage', `Cannot use "${address}" as the console's address: write HOST or HOST:PORT`);
  }
  const mediaDir = await findMedia(flags.media);
  const identity = await openIdentity(consolePaths(flags.data).identity, { name: hostname() });
  await exportMedia(kind as ExportKind, dest, {
    mediaDir,
    site: siteOf(identity, address),
    extraParams: flags.param ?? [],
    signal: context.signal,
    ...(flags.mode === undefined ? {} : { defaultMode: bootMode(flags.mode) }),
    ...(flags.timeout === undefined ? {} : { timeoutSeconds: menuSeconds(flags.timeout) }),
    ...(flags.server === undefined ? {} : { serverAddress: flags.server }),
  });
  context.out(
    `Wrote "${dest}"; computers started from it trust this console (${identity.certificateSha256.slice(0, 16)}…)\n`,
  );
}

function bootMode(text: string): BootMode {
  const found = BOOT_MODES.find((mode) => mode === text);
  if (found === undefined) {
    throw new TdError('usage', `Cannot start "${text}" by default: use ${BOOT_MODES.join(', ')}`);
  }
  return found;
}

function menuSeconds(text: string): number | null {
  if (text === 'none') return null;
  if (!/^\d{1,4}$/.test(text)) {
    throw new TdError('usage', `Cannot use "${text}" as the menu's waiting time: write seconds, or none`);
  }
  return Number(text);
}

/** The media tree: as given, of the medium this system was started from, or beside the program. */
async function findMedia(given: string | undefined): Promise<string> {
  const places = [
    '/run/totaldeploy/medium',
    join(dirname(process.execPath), 'media'),
    join(process.cwd(), 'dist/media'),
  ];
  if (given !== undefined) return given;
  for (const place of places) {
    const found = await stat(join(place, 'boot')).catch(() => undefined);
    if (found?.isDirectory()) return place;
  }
  throw new TdError(
    'not-found',
    `Cannot find the boot files: none in ${places.join(', ')}; give their folder with --media`,
  );
}
