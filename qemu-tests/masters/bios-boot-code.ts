import { TdError } from '../../src/lib/errors.ts';

const SECTOR_BYTES = 512;
/** The boot code ends where disk id and partition table begin. */
const BOOT_CODE_BYTES = 0x1b8;
/** Offsets in GRUB's boot.img and in the first sector of core.img (grub: include/grub/i386/pc/boot.h). */
const KERNEL_SECTOR_OFFSET = 0x5c;
const DRIVE_CHECK_OFFSET = 0x66;
const BLOCKLIST_START_OFFSET = 0x1f4;
const BLOCKLIST_LENGTH_OFFSET = 0x1fc;

export interface BootCode {
  /** The new sector 0, with the partition table of the old one. */
  mbr: Buffer;
  /** Goes to `coreSector`. */
  core: Buffer;
}

/**
 * Does what `grub-bios-setup` does, on buffers: a boot sector that loads the core image from a sector.
 *
 * @throws TdError `usage` when the core image does not fit `coreSectorsMax`.
 */
export function biosBootCode(parts: {
  mbr: Buffer;
  bootImage: Buffer;
  coreImage: Buffer;
  coreSector: number;
  coreSectorsMax: number;
}): BootCode {
  const sectors = Math.ceil(parts.coreImage.length / SECTOR_BYTES);
  if (sectors > parts.coreSectorsMax) {
    throw new TdError('usage', `Cannot embed GRUB: ${sectors} sectors wanted, ${parts.coreSectorsMax} free`);
  }
  const mbr = Buffer.from(parts.mbr.subarray(0, SECTOR_BYTES));
  parts.bootImage.copy(mbr, 0, 0, BOOT_CODE_BYTES);
  mbr.writeBigUInt64LE(BigInt(parts.coreSector), KERNEL_SECTOR_OFFSET);
  mbr.fill(0x90, DRIVE_CHECK_OFFSET, DRIVE_CHECK_OFFSET + 2);
  mbr.writeUInt16LE(0xaa55, 510);
  const core = Buffer.alloc(sectors * SECTOR_BYTES);
  parts.coreImage.copy(core);
  core.writeBigUInt64LE(BigInt(parts.coreSector + 1), BLOCKLIST_START_OFFSET);
  core.writeUInt16LE(sectors - 1, BLOCKLIST_LENGTH_OFFSET);
  return { mbr, core };
}
