import { TdError } from '../../lib/errors.ts';
import { BASE_BLOCK_BYTES, BIN_ALIGN_BYTES } from './cell-layout.ts';
import { HIVE_BYTES_MAX } from './hive-limits.ts';

/** Offsets in the base block; its first 512 bytes are also the head of each log. */
export const BASE = {
  signature: 0,
  primarySequence: 4,
  secondarySequence: 8,
  lastWritten: 12,
  major: 20,
  minor: 24,
  fileType: 28,
  fileFormat: 32,
  rootCell: 36,
  binsBytes: 40,
  clustering: 44,
  fileName: 48,
  flags: 144,
  checksum: 508,
} as const;

export const BASE_SIGNATURE = 'regf';
const CHECKED_BYTES = 508;
export const SECTOR_BYTES = 512;
const MINOR_MIN = 3;
const MINOR_MAX = 6;

/** The exclusive-or of the words before it, where 0 and -1 are avoided. */
export function baseChecksum(base: Buffer): number {
  let sum = 0;
  for (let at = 0; at < CHECKED_BYTES; at += 4) sum ^= base.readInt32LE(at);
  if (sum === -1) return 0xffff_fffe;
  return sum === 0 ? 1 : sum >>> 0;
}

/** True when it begins like a base block and its checksum is right. */
export function isValidBase(base: Buffer): boolean {
  return (
    base.length >= SECTOR_BYTES &&
    base.toString('latin1', 0, 4) === BASE_SIGNATURE &&
    base.readUInt32LE(BASE.checksum) === baseChecksum(base)
  );
}

/**
 * Refuses what this program cannot read.
 *
 * @throws TdError `invalid` in one line: no hive, an unknown version, absurd sizes, a truncated file.
 */
export function assertReadableBase(bytes: Buffer): void {
  const refuse = (why: string): never => {
    throw new TdError('invalid', `Cannot read the registry hive: ${why}`);
  };
  if (bytes.length < BASE_BLOCK_BYTES) refuse(`it has only ${bytes.length} bytes`);
  if (bytes.length > HIVE_BYTES_MAX) refuse(`it has ${bytes.length} bytes, more than ${HIVE_BYTES_MAX}`);
  if (bytes.toString('latin1', 0, 4) !== BASE_SIGNATURE) refuse('it does not begin with "regf"');
  if (!isValidBase(bytes)) refuse('the checksum of its head is wrong and no log repairs it');
  const major = bytes.readUInt32LE(BASE.major);
  const minor = bytes.readUInt32LE(BASE.minor);
  if (major !== 1 || minor < MINOR_MIN || minor > MINOR_MAX) {
    refuse(`version ${major}.${minor} is not known (1.${MINOR_MIN} to 1.${MINOR_MAX} are)`);
  }
  const fileType = bytes.readUInt32LE(BASE.fileType);
  if (fileType !== 0) refuse(`it is a log (type ${fileType}), not a hive`);
  const format = bytes.readUInt32LE(BASE.fileFormat);
  if (format !== 1) refuse(`its memory layout ${format} is not known`);
  const binsBytes = bytes.readUInt32LE(BASE.binsBytes);
  if (binsBytes === 0 || binsBytes % BIN_ALIGN_BYTES !== 0)
    refuse(`${binsBytes} bytes of bins make no sense`);
  if (BASE_BLOCK_BYTES + binsBytes > bytes.length) {
    refuse(`it is truncated: ${BASE_BLOCK_BYTES + binsBytes} bytes are promised, ${bytes.length} are there`);
  }
}

const FILETIME_EPOCH_MS = 11_644_473_600_000;

/** A FILETIME: tenths of microseconds since 1601. */
export function filetimeOf(date: Date): bigint {
  return BigInt(date.getTime() + FILETIME_EPOCH_MS) * 10_000n;
}

/** Beyond what a Date can hold is 1601, so that damage is readable. */
export function dateOf(filetime: bigint): Date {
  const date = new Date(Number(filetime / 10_000n) - FILETIME_EPOCH_MS);
  return Number.isNaN(date.getTime()) ? new Date(-FILETIME_EPOCH_MS) : date;
}
