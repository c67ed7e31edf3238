import { z } from 'zod';
import { diskLayoutSchema } from './disk-layout.ts';

/** What one partition or boot area of a captured disk contributed. */
export const capturedPartSchema = z.strictObject({
  disk: z.number().int().min(0).max(255),
  /** Partition number, or null for a boot area. */
  partition: z.number().int().min(1).max(256).nullable(),
  startBytes: z.number().int().min(0),
  sizeBytes: z.number().int().min(1),
  usedBytes: z.number().int().min(0),
  /** How the used blocks were found: partclone's program, the swap header, or all of it. */
  method: z.enum(['partclone', 'swap-header', 'raw']),
  /** Granularity of the used-block map; 0 when method is `raw`. */
  blockBytes: z.number().int().min(0),
  warnings: z.array(z.string().max(500)).max(20),
});

/** The image's description: stored as zstd-compressed JSON inside the `.sco` file (see image/FORMAT.md). */
export const imageManifestSchema = z.strictObject({
  formatVersion: z.literal(1),
  /** 32 hexadecimal digits, the same as in the superblock. */
  imageId: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().min(1).max(120),
  comment: z.string().max(2000),
  /** ISO 8601, UTC. */
  createdAt: z.iso.datetime(),
  programVersion: z.string().max(40),
  /** The computer it was taken from. */
  source: z.strictObject({
    hostname: z.string().max(256),
    model: z.string().max(256),
    serial: z.string().max(256),
    firmware: z.enum(['bios', 'uefi', 'unknown']),
  }),
  disks: z.array(diskLayoutSchema).min(1).max(16),
  parts: z.array(capturedPartSchema).max(1000),
  /** Chunk size of the raw side. */
  chunkBytes: z.number().int().min(65_536).max(16_777_216),
  compression: z.enum(['zstd', 'none']),
  compressionLevel: z.number().int().min(0).max(22),
  usedBytes: z.number().int().min(0),
  storedBytes: z.number().int().min(0),
  /** Set when `--force` overrode a consistency guard or `--rescue` skipped bad sectors. */
  flaws: z.array(z.string().max(500)).max(100),
});

/** How people count the disks of an image: from 1. In files and on the wire the first one is 0. */
export function diskNumber(disk: number): number {
  return disk + 1;
}

export type CapturedPart = z.infer<typeof capturedPartSchema>;
export type ImageManifest = z.infer<typeof imageManifestSchema>;

/** Image names are file names on any system: letters, digits, dot, dash, underscore, space; no leading dot. */
export const imageNameSchema = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[\p{L}\p{N}_-][\p{L}\p{N} ._-]*$/u, 'use letters, digits, space, dot, dash and underscore')
  .refine((name) => !/[ .]$/.test(name), 'must not end in a dot or a space')
  .refine((name) => !name.includes('..'), 'must not contain ".."');
