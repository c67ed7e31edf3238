import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import {
  LOADER_PARTS,
  MEDIA_LABEL,
  MEDIA_TIME_SECONDS,
  SETTINGS_PATH,
  SITE_IMAGE_PATH,
} from './media-tree.ts';
import type { MediaContents } from './pxe-tree.ts';

/** Made while writing: GRUB's CD boot image and core in one file, which xorriso marks with its place on the disc. */
const CD_IMAGE_PATH = 'boot/loaders/bios-cd.img';
/** Debian's signed GRUB searches for this file when its own partition has no menu. */
const DISC_INFO_PATH = '.disk/info';
const ESP_PARTITION_TYPE = '0xef';
/** 2 KiB blocks: the first partition begins behind the partition table, so that stage 1 can mount it on a stick. */
const PARTITION_OFFSET_BLOCKS = 16;
const TIMEOUT_MS = 15 * 60_000;

export interface IsoOptions {
  signal?: AbortSignal;
}

/**
 * Writes one ISO that starts on BIOS and UEFI (Secure Boot on), from CD and, copied onto a stick, as a disk.
 * Equal contents give equal bytes.
 *
 * @throws TdError `tool-failed`, `not-found` from xorriso.
 */
export async function writeIso(
  path: string,
  contents: MediaContents,
  options: IsoOptions = {},
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'totaldeploy-iso-'));
  try {
    const source = (part: string) => contents.files.find((file) => file.path === part)!.source;
    const made: [string, Uint8Array | string][] = [
      [CD_IMAGE_PATH, await cdImage(source)],
      [DISC_INFO_PATH, 'TotalDeploy\n'],
      [SETTINGS_PATH, contents.settings],
    ];
    if (contents.siteImage !== undefined) made.push([SITE_IMAGE_PATH, contents.siteImage]);
    const grafts = contents.files.map((file) => graft(file.path, file.source));
    for (const [index, [target, content]] of made.entries()) {
      const file = join(work, String(index));
      await writeFile(file, content);
      grafts.push(graft(target, file));
    }
    await runXorriso(isoArguments(path, grafts, source), options.signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Without the arguments in the error: they name every file. */
async function runXorriso(args: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  const result = await run('xorriso', args, {
    okCodes: Array.from({ length: 256 }, (_, code) => code),
    timeoutMs: TIMEOUT_MS,
    env: { SOURCE_DATE_EPOCH: String(MEDIA_TIME_SECONDS) },
    ...(signal === undefined ? {} : { signal }),
  });
  if (result.code === 0) return;
  const lines = result.stderr.split('\n');
  const reason = lines.find((line) => /FAILURE|FATAL|SORRY/.test(line)) ?? lines.at(-1) ?? '';
  throw new TdError(
    'tool-failed',
    `Cannot make the ISO: xorriso ended with ${result.code}: ${reason.trim()}`,
  );
}

async function cdImage(source: (part: string) => string): Promise<Buffer> {
  const parts = [LOADER_PARTS.cdBootImage, LOADER_PARTS.biosCore];
  return Buffer.concat(await Promise.all(parts.map((part) => readFile(source(part)))));
}

function isoArguments(path: string, grafts: readonly string[], source: (part: string) => string): string[] {
  // biome-ignore format: one line a purpose
  return [
    '-as', 'mkisofs', '-quiet', '-o', path, '-V', MEDIA_LABEL, '-r', '-J', '-joliet-long',
    '--set_all_file_dates', `=${MEDIA_TIME_SECONDS}`, `--modification-date=${isoTime(MEDIA_TIME_SECONDS)}`,
    // BIOS from CD
    '-b', CD_IMAGE_PATH, '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info',
    // BIOS from a stick
    '--grub2-mbr', source(LOADER_PARTS.hybridBootRecord), '-partition_offset', String(PARTITION_OFFSET_BLOCKS),
    // UEFI from both
    '-append_partition', '2', ESP_PARTITION_TYPE, source(LOADER_PARTS.efiSystemPartition),
    '-eltorito-alt-boot', '-e', '--interval:appended_partition_2:all::', '-no-emul-boot',
    '-graft-points', ...grafts,
  ];
}

/** `TARGET=SOURCE` of mkisofs, in which `=` and backslash are escaped. */
export function graft(target: string, source: string): string {
  const escaped = (text: string) => text.replace(/[\\=]/g, '\\$&');
  return `/${escaped(target)}=${escaped(source)}`;
}

/** YYYYMMDDhhmmsscc, as ISO 9660 has it. */
function isoTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace(/[-:T]/g, '').slice(0, 14)}00`;
}
