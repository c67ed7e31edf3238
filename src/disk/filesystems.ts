import type { Filesystem, FilesystemKind } from '../schema/disk-layout.ts';
import { readNtfsVolume } from './ntfs-volume.ts';
import type { ReadAt } from './read-at.ts';

/** Farthest signature looked at: the Btrfs superblock at 64 KiB. */
const HEAD_BYTES = 72 * 1024;
const SWAP_PAGE_BYTES: readonly number[] = [4096, 8192, 16_384, 65_536];
const FAT_ROOT_BYTES_MAX = 65_536;

export const UNKNOWN_FILESYSTEM: Filesystem = { kind: 'unknown', label: '', uuid: '' };

/**
 * Finds what is on a partition by its signature, as blkid does; labels and UUIDs in blkid's form.
 * Contents that make no sense are `unknown`; only `read`'s own errors are thrown.
 *
 * @param read reads bytes relative to the partition's start; it is never asked beyond `sizeBytes`.
 */
export async function detectFilesystem(read: ReadAt, sizeBytes: number): Promise<Filesystem> {
  // Short partitions are padded, so that every probe may look at its fixed place.
  const head = Buffer.alloc(HEAD_BYTES);
  (await read(0, Math.min(sizeBytes, HEAD_BYTES))).copy(head);
  const simple =
    detectEncrypted(head) ??
    detectLvm(head) ??
    detectBtrfs(head) ??
    detectXfs(head) ??
    detectSwap(head) ??
    detectF2fs(head);
  if (simple !== undefined) return simple;
  const boundedRead: ReadAt = async (offset, length) => {
    const bytes = Buffer.alloc(length);
    if (offset < sizeBytes) (await read(offset, Math.min(length, sizeBytes - offset))).copy(bytes);
    return bytes;
  };
  const ext = detectExt(head);
  const booted =
    (await detectNtfs(head, boundedRead)) ??
    (await detectExfat(head, boundedRead)) ??
    (await detectFat(head, boundedRead));
  // One of them is left over from before and the map of the wrong one would lose data: raw is right for both.
  if (ext !== undefined && booted !== undefined) return UNKNOWN_FILESYSTEM;
  return ext ?? booted ?? UNKNOWN_FILESYSTEM;
}

function found(kind: FilesystemKind, label: string, uuid: string): Filesystem {
  return { kind, label: cleanText(label), uuid: cleanText(uuid) };
}

function cleanText(text: string): string {
  return (text.split('\0', 1)[0] ?? '')
    .replace(/[\u0000-\u001f\u007f\ufffd]/g, '')
    .trim()
    .slice(0, 256);
}

function hasText(bytes: Buffer, at: number, text: string): boolean {
  return bytes.toString('latin1', at, at + text.length) === text;
}

/** RFC 9562 form of 16 bytes in order. */
function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  if (/^0*$/.test(hex)) return '';
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** `1234-ABCD`, the serial number of FAT and exFAT. */
function serialText(serial: number): string {
  const hex = serial.toString(16).toUpperCase().padStart(8, '0');
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}

function detectEncrypted(head: Buffer): Filesystem | undefined {
  if (hasText(head, 0, 'LUKS\xba\xbe')) {
    const label = head.readUInt16BE(6) === 2 ? head.toString('utf8', 24, 72) : '';
    return found('luks', label, head.toString('latin1', 168, 208));
  }
  // BitLocker To Go looks like FAT32 but for the GUID of its metadata (4967D63B-2E29-4AD8-8399-F6A339E3D001).
  const toGo = head.subarray(0x1a8, 0x1b8).toString('hex') === '3bd66749292ed84a8399f6a339e3d001';
  if (hasText(head, 3, '-FVE-FS-') || (hasText(head, 3, 'MSWIN4.1') && toGo))
    return found('bitlocker', '', '');
  return undefined;
}

function detectLvm(head: Buffer): Filesystem | undefined {
  for (let at = 0; at < 2048; at += 512) {
    if (!hasText(head, at, 'LABELONE') || !hasText(head, at + 24, 'LVM2 001')) continue;
    const id = head.toString('latin1', at + 32, at + 64);
    const uuid = id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7');
    return found('lvm2', '', uuid);
  }
  return undefined;
}

const BTRFS_SUPER_AT = 65_536;

function detectBtrfs(head: Buffer): Filesystem | undefined {
  if (!hasText(head, BTRFS_SUPER_AT + 0x40, '_BHRfS_M')) return undefined;
  const label = head.toString('utf8', BTRFS_SUPER_AT + 0x12b, BTRFS_SUPER_AT + 0x12b + 256);
  return found('btrfs', label, uuidText(head.subarray(BTRFS_SUPER_AT + 0x20, BTRFS_SUPER_AT + 0x30)));
}

function detectXfs(head: Buffer): Filesystem | undefined {
  if (!hasText(head, 0, 'XFSB')) return undefined;
  return found('xfs', head.toString('utf8', 108, 120), uuidText(head.subarray(32, 48)));
}

/** Signatures a swap area ends its first page with; all but the first hold a hibernated system. */
const SWAP_SIGNATURES: readonly string[] = [
  'SWAPSPACE2',
  'S1SUSPEND\0',
  'S2SUSPEND\0',
  'ULSUSPEND\0',
  'LINHIB0001',
];

/** Where a swap area's first page ends, and whether a hibernated system is in it; undefined when it is none. */
export function swapHeader(head: Buffer): { pageBytes: number; hibernated: boolean } | undefined {
  for (const pageBytes of SWAP_PAGE_BYTES) {
    const index = SWAP_SIGNATURES.findIndex((text) => hasText(head, pageBytes - 10, text));
    if (index >= 0) return { pageBytes, hibernated: index > 0 };
  }
  return undefined;
}

function detectSwap(head: Buffer): Filesystem | undefined {
  if (swapHeader(head) === undefined) return undefined;
  return found('swap', head.toString('utf8', 1052, 1068), uuidText(head.subarray(1036, 1052)));
}

function detectF2fs(head: Buffer): Filesystem | undefined {
  if (head.readUInt32LE(1024) !== 0xf2f5_2010) return undefined;
  const label = head.toString('utf16le', 1024 + 124, 1024 + 124 + 1024);
  return found('f2fs', label, uuidText(head.subarray(1024 + 108, 1024 + 124)));
}

const EXT_SUPER_AT = 1024;
const EXT_COMPAT_JOURNAL = 0x4;
const EXT_INCOMPAT_JOURNAL_DEVICE = 0x8;
/** What ext3 knows: file types, recovery, meta block groups · sparse superblocks, large files, B-tree folders. */
const EXT3_INCOMPAT = 0x2 | 0x4 | 0x10;
const EXT3_RO_COMPAT = 0x1 | 0x2 | 0x4;

function detectExt(head: Buffer): Filesystem | undefined {
  if (head.readUInt16LE(EXT_SUPER_AT + 56) !== 0xef53) return undefined;
  const logBlockBytes = head.readUInt32LE(EXT_SUPER_AT + 24);
  const blocks = head.readUInt32LE(EXT_SUPER_AT + 4);
  const incompat = head.readUInt32LE(EXT_SUPER_AT + 96);
  // Two bytes of magic occur by chance; these fields then make no sense.
  if (logBlockBytes > 6 || blocks === 0 || (incompat & EXT_INCOMPAT_JOURNAL_DEVICE) !== 0) return undefined;
  const journal = (head.readUInt32LE(EXT_SUPER_AT + 92) & EXT_COMPAT_JOURNAL) !== 0;
  const roCompat = head.readUInt32LE(EXT_SUPER_AT + 100);
  const beyondExt3 = (incompat & ~EXT3_INCOMPAT) !== 0 || (roCompat & ~EXT3_RO_COMPAT) !== 0;
  const kind = beyondExt3 ? 'ext4' : journal ? 'ext3' : 'ext2';
  const label = head.toString('utf8', EXT_SUPER_AT + 120, EXT_SUPER_AT + 136);
  return found(kind, label, uuidText(head.subarray(EXT_SUPER_AT + 104, EXT_SUPER_AT + 120)));
}

async function detectNtfs(head: Buffer, read: ReadAt): Promise<Filesystem | undefined> {
  if (!hasText(head, 3, 'NTFS    ')) return undefined;
  const volume = await readNtfsVolume(read);
  const serial = head.readBigUInt64LE(0x48).toString(16).toUpperCase().padStart(16, '0');
  return found('ntfs', volume?.label ?? '', serial);
}

async function detectExfat(head: Buffer, read: ReadAt): Promise<Filesystem | undefined> {
  if (!hasText(head, 3, 'EXFAT   ')) return undefined;
  const sectorBytes = 2 ** head.readUInt8(108);
  const clusterBytes = sectorBytes * 2 ** head.readUInt8(109);
  const rootCluster = head.readUInt32LE(96);
  let label = '';
  if (sectorBytes >= 512 && sectorBytes <= 4096 && clusterBytes <= 32 * 1024 * 1024 && rootCluster >= 2) {
    const rootAt = head.readUInt32LE(88) * sectorBytes + (rootCluster - 2) * clusterBytes;
    const folder = await read(rootAt, Math.min(clusterBytes, FAT_ROOT_BYTES_MAX));
    for (let at = 0; at + 32 <= folder.length && folder[at] !== 0; at += 32) {
      if (folder[at] !== 0x83) continue;
      label = folder.toString('utf16le', at + 2, at + 2 + 2 * Math.min(folder[at + 1] ?? 0, 11));
      break;
    }
  }
  return found('exfat', label, serialText(head.readUInt32LE(100)));
}

/** FAT by its BIOS parameter block; the kind by the count of clusters (Microsoft's FAT specification 1.03, page 14). */
async function detectFat(head: Buffer, read: ReadAt): Promise<Filesystem | undefined> {
  const sectorBytes = head.readUInt16LE(11);
  const clusterSectors = head.readUInt8(13);
  const reservedSectors = head.readUInt16LE(14);
  const fats = head.readUInt8(16);
  const media = head.readUInt8(21);
  const powerOfTwo = (n: number) => n > 0 && (n & (n - 1)) === 0;
  const plausible =
    head.readUInt16LE(510) === 0xaa55 &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    powerOfTwo(clusterSectors) &&
    reservedSectors > 0 &&
    (fats === 1 || fats === 2) &&
    (media === 0xf0 || media >= 0xf8);
  if (!plausible) return undefined;
  const rootEntries = head.readUInt16LE(17);
  const fatSectors = head.readUInt16LE(22) || head.readUInt32LE(36);
  const sectors = head.readUInt16LE(19) || head.readUInt32LE(32);
  const rootSectors = Math.ceil((rootEntries * 32) / sectorBytes);
  const dataAt = reservedSectors + fats * fatSectors + rootSectors;
  if (fatSectors === 0 || sectors <= dataAt) return undefined;
  const clusters = Math.floor((sectors - dataAt) / clusterSectors);
  // FAT32 is told by its missing fixed root folder, not by the count: small ones are made by many tools.
  const kind = rootEntries === 0 ? 'fat32' : clusters < 4085 ? 'fat12' : 'fat16';
  const extendedAt = kind === 'fat32' ? 64 : 36;
  const rootAt =
    kind === 'fat32'
      ? (dataAt + (Math.max(head.readUInt32LE(44), 2) - 2) * clusterSectors) * sectorBytes
      : (dataAt - rootSectors) * sectorBytes;
  const rootBytes = kind === 'fat32' ? clusterSectors * sectorBytes : rootEntries * 32;
  const label = fatLabel(await read(rootAt, Math.min(rootBytes, FAT_ROOT_BYTES_MAX)));
  return found(kind, label, serialText(head.readUInt32LE(extendedAt + 3)));
}

function fatLabel(folder: Buffer): string {
  for (let at = 0; at + 32 <= folder.length && folder[at] !== 0; at += 32) {
    const attributes = folder[at + 11] ?? 0;
    // A volume label, not a part of a long name (0x0f), not deleted (0xe5).
    if (folder[at] === 0xe5 || (attributes & 0x08) === 0 || (attributes & 0x0f) === 0x0f) continue;
    return folder.toString('latin1', at, at + 11).trim();
  }
  return '';
}
