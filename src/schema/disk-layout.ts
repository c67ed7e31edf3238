import { z } from 'zod';

/** What is on a partition, as found by its signature. `unknown` and everything encrypted is captured raw. */
export const FILESYSTEM_KINDS = [
  'ext2',
  'ext3',
  'ext4',
  'ntfs',
  'fat12',
  'fat16',
  'fat32',
  'exfat',
  'xfs',
  'btrfs',
  'f2fs',
  'swap',
  'lvm2',
  'luks',
  'bitlocker',
  'ldm',
  'unknown',
] as const;

const byteCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const shortText = z.string().max(256);

export const filesystemSchema = z.strictObject({
  kind: z.enum(FILESYSTEM_KINDS),
  label: shortText,
  uuid: shortText,
});

export const partitionSchema = z.strictObject({
  /** As the kernel counts: GPT entry + 1; MBR primary 1 to 4, logical from 5. */
  number: z.number().int().min(1).max(256),
  startBytes: byteCount,
  sizeBytes: byteCount.min(1),
  /** GPT: upper-case type GUID. MBR: two lower-case hexadecimal digits, e.g. `83`. */
  typeId: shortText,
  /** GPT: upper-case unique GUID. MBR: `signature-NN`. */
  id: shortText,
  /** GPT partition name; empty on MBR. */
  name: shortText,
  /** GPT attribute bits as 16 hexadecimal digits; MBR: `80` when active, else `00`. */
  attributes: shortText,
  filesystem: filesystemSchema,
});

/** Bytes outside partitions that are kept as they are: boot code, tables, the gap behind them. */
export const bootAreaSchema = z.strictObject({
  kind: z.enum(['head', 'ebr', 'gpt-backup']),
  startBytes: byteCount,
  sizeBytes: byteCount.min(1),
});

export const diskLayoutSchema = z.strictObject({
  sizeBytes: byteCount.min(512),
  logicalSectorBytes: z.union([z.literal(512), z.literal(4096)]),
  physicalSectorBytes: z.number().int().min(512).max(65_536),
  model: shortText,
  serial: shortText,
  table: z.enum(['gpt', 'mbr', 'none']),
  /** GPT disk GUID, MBR signature as 8 hexadecimal digits, or empty. */
  diskId: shortText,
  bootAreas: z.array(bootAreaSchema).max(300),
  partitions: z.array(partitionSchema).max(256),
});

export type FilesystemKind = (typeof FILESYSTEM_KINDS)[number];
export type Filesystem = z.infer<typeof filesystemSchema>;
export type Partition = z.infer<typeof partitionSchema>;
export type BootArea = z.infer<typeof bootAreaSchema>;
export type DiskLayout = z.infer<typeof diskLayoutSchema>;
