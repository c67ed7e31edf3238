import { ByteReader } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';
import type { ReadAt } from './read-at.ts';

export interface NtfsVolume {
  label: string;
  /** Windows has not unmounted it cleanly, or wants it checked. */
  dirty: boolean;
  clusterBytes: number;
}

const VOLUME_RECORD = 3;
const ATTRIBUTE_VOLUME_NAME = 0x60;
const ATTRIBUTE_VOLUME_INFORMATION = 0x70;
const ATTRIBUTE_END = 0xffff_ffff;
const ATTRIBUTES_MAX = 100;
const VOLUME_IS_DIRTY = 0x0001;
/** An update sequence protects every 512 bytes of a record, whatever the disk's sector size. */
const STRIDE_BYTES = 512;

/**
 * Reads label and flags from $Volume, record 3 of the master file table.
 *
 * @param read reads bytes relative to the volume's start, zeros beyond its end.
 * @returns undefined when the volume makes no sense.
 * @see https://flatcap.github.io/linux-ntfs/ntfs/files/volume.html
 */
export async function readNtfsVolume(read: ReadAt): Promise<NtfsVolume | undefined> {
  const boot = await read(0, 512);
  const sectorBytes = boot.readUInt16LE(0x0b);
  const clusterSectors = boot.readUInt8(0x0d);
  // Above 128 the byte is a negative power of two (clusters over 64 KiB).
  const clusterBytes = sectorBytes * (clusterSectors <= 128 ? clusterSectors : 2 ** (256 - clusterSectors));
  const recordCode = boot.readInt8(0x40);
  const recordBytes = recordCode > 0 ? recordCode * clusterBytes : 2 ** -recordCode;
  const mftCluster = boot.readBigUInt64LE(0x30);
  const sane =
    [256, 512, 1024, 2048, 4096].includes(sectorBytes) &&
    clusterBytes >= 512 &&
    clusterBytes <= 2 * 1024 * 1024 &&
    recordBytes >= 1024 &&
    recordBytes <= 65_536 &&
    recordBytes % STRIDE_BYTES === 0 &&
    mftCluster < 2n ** 40n;
  if (!sane) return undefined;
  const record = await read(Number(mftCluster) * clusterBytes + VOLUME_RECORD * recordBytes, recordBytes);
  try {
    const decoded = decodeVolumeRecord(record);
    return decoded === undefined ? undefined : { ...decoded, clusterBytes };
  } catch (error) {
    if (error instanceof TdError) return undefined;
    throw error;
  }
}

/** Decodes the file record of $Volume. */
export function decodeVolumeRecord(stored: Buffer): { label: string; dirty: boolean } | undefined {
  const record = applyFixups(stored);
  if (record === undefined) return undefined;
  let label = '';
  let dirty: boolean | undefined;
  let at = record.readUInt16LE(0x14);
  for (let i = 0; i < ATTRIBUTES_MAX; i += 1) {
    const reader = new ByteReader(record.subarray(Math.min(at, record.length)), 'NTFS $Volume');
    const type = reader.u32le();
    if (type === ATTRIBUTE_END) break;
    const length = reader.u32le();
    const nonResident = reader.u8();
    reader.skip(7);
    const valueLength = reader.u32le();
    const valueAt = reader.u16le();
    if (length < 24) return undefined;
    if (nonResident === 0 && (type === ATTRIBUTE_VOLUME_NAME || type === ATTRIBUTE_VOLUME_INFORMATION)) {
      reader.skip(valueAt - reader.offset);
      const value = reader.bytes(valueLength);
      if (type === ATTRIBUTE_VOLUME_NAME) label = value.toString('utf16le');
      else if (value.length >= 12) dirty = (value.readUInt16LE(10) & VOLUME_IS_DIRTY) !== 0;
    }
    at += length;
  }
  return dirty === undefined ? undefined : { label, dirty };
}

/** Puts back the last two bytes of each stride, which the update sequence array holds. */
function applyFixups(stored: Buffer): Buffer | undefined {
  if (stored.length < 1024 || stored.toString('latin1', 0, 4) !== 'FILE') return undefined;
  const record = Buffer.from(stored);
  const arrayAt = record.readUInt16LE(4);
  const count = record.readUInt16LE(6);
  if (count !== record.length / STRIDE_BYTES + 1 || arrayAt + count * 2 > record.length) return undefined;
  const sequence = record.readUInt16LE(arrayAt);
  for (let i = 1; i < count; i += 1) {
    const end = i * STRIDE_BYTES - 2;
    if (record.readUInt16LE(end) !== sequence) return undefined;
    record.writeUInt16LE(record.readUInt16LE(arrayAt + i * 2), end);
  }
  return record;
}
