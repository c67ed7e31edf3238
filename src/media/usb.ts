import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ByteWriter } from '../lib/bytes.ts';
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

const SECTOR_BYTES = 512;
const MIB = 1024 * 1024;
/** Partitions begin at 1 MiB; the gap before it holds GRUB. */
const PARTITION_START_SECTORS = 2048;
/** Room to put a newer, larger totaldeploy.wim onto the stick. */
const FREE_BYTES = 128 * MIB;
/** FAT32 begins at 65,525 clusters. */
const PARTITION_BYTES_MIN = 128 * MIB;
const PARTITION_TYPE_FAT32_LBA = 0x0c;
const ACTIVE = 0x80;
/** GRUB's sectors list (diskboot.S) ends the core's first sector: where the second begins, how many, load segment. */
const SECTOR_LIST_OFFSET = 0x1f4;
const CORE_START_SECTORS = 1;
const TIMEOUT_MS = 15 * 60_000;

/** Where shim and GRUB lie for UEFI on a removable medium. */
const UEFI_FILES: readonly [target: string, part: string][] = [
  ['EFI/BOOT/BOOTX64.EFI', 'shimx64.efi'],
  ['EFI/BOOT/grubx64.efi', LOADER_PARTS.mediumGrub],
  ['EFI/BOOT/mmx64.efi', 'mmx64.efi'],
];

export interface UsbOptions {
  signal?: AbortSignal;
}

/** How large the image becomes, in bytes: the files, room for an update and the tables. */
export function usbImageBytes(contents: MediaContents): number {
  const used = contents.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const partition = Math.max(PARTITION_BYTES_MIN, Math.ceil((used * 1.02 + FREE_BYTES) / MIB) * MIB);
  return PARTITION_START_SECTORS * SECTOR_BYTES + partition;
}

/**
 * Writes the image of a USB stick: MBR, GRUB for BIOS before the first partition, and one FAT32 partition that any
 * system can open, so that `boot/totaldeploy.wim` can be replaced by hand. Starts on BIOS and UEFI (Secure Boot on).
 * Equal contents give equal bytes.
 *
 * @throws TdError `tool-failed`, `not-found` from mtools; `invalid` when a loader does not fit.
 */
export async function writeUsbImage(
  path: string,
  contents: MediaContents,
  options: UsbOptions = {},
): Promise<void> {
  const source = (part: string) => contents.files.find((file) => file.path === part)?.source;
  const totalBytes = usbImageBytes(contents);
  const partitionSectors = totalBytes / SECTOR_BYTES - PARTITION_START_SECTORS;
  const head = usbBootArea(
    await readFile(source(LOADER_PARTS.diskBootRecord)!),
    await readFile(source(LOADER_PARTS.biosCore)!),
    partitionSectors,
  );
  const handle = await open(path, 'w');
  try {
    await handle.write(head, 0, head.length, 0);
    await handle.truncate(totalBytes);
  } finally {
    await handle.close();
  }
  const work = await mkdtemp(join(tmpdir(), 'totaldeploy-usb-'));
  try {
    const copies = contents.files.map((file): [string, string] => [file.path, file.source]);
    for (const [target, part] of UEFI_FILES) {
      const file = source(part);
      if (file !== undefined) copies.push([target, file]);
    }
    await writeFile(join(work, 'settings'), contents.settings);
    copies.push([SETTINGS_PATH, join(work, 'settings')]);
    if (contents.siteImage !== undefined) {
      await writeFile(join(work, 'site'), contents.siteImage);
      copies.push([SITE_IMAGE_PATH, join(work, 'site')]);
    }
    await fillPartition(path, partitionSectors, copies, options.signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fillPartition(
  path: string,
  partitionSectors: number,
  copies: readonly [target: string, source: string][],
  signal: AbortSignal | undefined,
): Promise<void> {
  const image = `${path}@@${PARTITION_START_SECTORS * SECTOR_BYTES}`;
  const mtools = (program: string, args: readonly string[]) =>
    run(program, args, {
      timeoutMs: TIMEOUT_MS,
      env: { SOURCE_DATE_EPOCH: String(MEDIA_TIME_SECONDS), TZ: 'UTC', MTOOLS_SKIP_CHECK: '1' },
      ...(signal === undefined ? {} : { signal }),
    });
  // biome-ignore format: one option a value
  await mtools('mformat', [
    '-i', image, '-F', '-v', MEDIA_LABEL, '-N', '54440001',
    '-T', String(partitionSectors), '-H', String(PARTITION_START_SECTORS), '-h', '255', '-s', '63', '-c', '4', '::',
  ]);
  const folders = new Set<string>();
  for (const [target] of copies) {
    for (let dir = dirname(target); dir !== '.'; dir = dirname(dir)) folders.add(dir);
  }
  await mtools('mmd', ['-i', image, ...[...folders].sort().map((dir) => `::/${dir}`)]);
  for (const [target, source] of copies) await mtools('mcopy', ['-i', image, source, `::/${target}`]);
}

/**
 * The bytes before the first partition: GRUB's boot record with a partition table of one entry, and its core.
 *
 * @throws TdError `invalid` when the core does not fit.
 */
export function usbBootArea(bootRecord: Buffer, core: Buffer, partitionSectors: number): Buffer {
  const coreSectors = Math.ceil(core.length / SECTOR_BYTES);
  if (bootRecord.length !== SECTOR_BYTES || CORE_START_SECTORS + coreSectors > PARTITION_START_SECTORS) {
    throw new TdError('invalid', `Cannot make a stick: the boot loader of ${core.length} bytes does not fit`);
  }
  const sectors = Buffer.from(core);
  sectors.writeUInt32LE(CORE_START_SECTORS + 1, SECTOR_LIST_OFFSET);
  sectors.writeUInt32LE(0, SECTOR_LIST_OFFSET + 4);
  sectors.writeUInt16LE(coreSectors - 1, SECTOR_LIST_OFFSET + 8);
  const cylinderHeadSector = Buffer.from([0xfe, 0xff, 0xff]); // beyond what CHS can say: use LBA
  return new ByteWriter((CORE_START_SECTORS + coreSectors) * SECTOR_BYTES)
    .bytes(bootRecord.subarray(0, 440))
    .u32le(0x54440001) // disk signature
    .u16le(0)
    .u8(ACTIVE)
    .bytes(cylinderHeadSector)
    .u8(PARTITION_TYPE_FAT32_LBA)
    .bytes(cylinderHeadSector)
    .u32le(PARTITION_START_SECTORS)
    .u32le(partitionSectors)
    .padTo(510)
    .u16le(0xaa55)
    .bytes(sectors)
    .finish();
}
