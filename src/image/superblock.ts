import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';
import {
  CHECKPOINT_CHUNKS,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  FORMAT_MAJOR,
  FORMAT_MINOR,
  SUPERBLOCK_BYTES,
} from './image-format.ts';
import { sha256 } from './merkle.ts';

/** High bit, name, and both line ends: a transfer in text mode shows, as with PNG. */
export const SUPERBLOCK_MAGIC = Buffer.from('\x89SCO\r\n\x1a\n', 'latin1');
const HASH_OFFSET = SUPERBLOCK_BYTES - 32;

export const FEATURE_ENCRYPTED = 1;
export const FEATURE_PARTS = 2;

export interface Superblock {
  major: number;
  minor: number;
  /** 16 bytes. */
  imageId: Buffer;
  /** Counts the times the capture was resumed. */
  epoch: number;
  /** Bits a reader must understand: {@link FEATURE_ENCRYPTED}, {@link FEATURE_PARTS}. */
  features: number;
  chunkBytes: number;
  /** From 1. */
  part: number;
  /** 0 when the writer could not know it. */
  partCount: number;
}

/** What the two 4 KiB superblocks at the start say; the encryption fields of version 1.0 are all zero. */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = new ByteWriter(SUPERBLOCK_BYTES)
    .bytes(SUPERBLOCK_MAGIC)
    .u16le(superblock.major)
    .u16le(superblock.minor)
    .u32le(SUPERBLOCK_BYTES)
    .bytes(superblock.imageId)
    .u32le(superblock.epoch)
    .u32le(0) // state: streamed
    .u32le(superblock.features)
    .u32le(0)
    .u32le(superblock.part)
    .u32le(superblock.partCount)
    .u64le(0) // size limit of a part
    .u32le(superblock.chunkBytes)
    .u32le(CHECKPOINT_CHUNKS)
    .finish();
  sha256(bytes.subarray(0, HASH_OFFSET)).copy(bytes, HASH_OFFSET);
  return bytes;
}

/** True when the bytes start like a superblock, whatever the rest is. */
export function hasSuperblockMagic(bytes: Uint8Array): boolean {
  return SUPERBLOCK_MAGIC.equals(bytes.subarray(0, SUPERBLOCK_MAGIC.length));
}

/**
 * @throws TdError `invalid` without the magic or with values no writer writes, `damaged` when the hash does
 *   not match, `refused` for an image that only a newer version can read.
 */
export function decodeSuperblock(bytes: Uint8Array, what: string): Superblock {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!hasSuperblockMagic(buffer)) throw new TdError('invalid', `Cannot read ${what}: the magic is missing`);
  if (
    buffer.length !== SUPERBLOCK_BYTES ||
    !sha256(buffer.subarray(0, HASH_OFFSET)).equals(buffer.subarray(HASH_OFFSET))
  ) {
    throw new TdError('damaged', `Cannot read ${what}: its hash does not match`);
  }
  const reader = new ByteReader(buffer, what);
  reader.skip(SUPERBLOCK_MAGIC.length);
  const major = reader.u16le();
  const minor = reader.u16le();
  if (major !== FORMAT_MAJOR) {
    throw new TdError(
      'refused',
      `Cannot read ${what}: this version cannot read format ${major}.${minor}, only ${FORMAT_MAJOR}.${FORMAT_MINOR}; use a newer TotalDeploy`,
    );
  }
  reader.skip(4);
  const imageId = Buffer.from(reader.bytes(16));
  const epoch = reader.u32le();
  reader.skip(4);
  const features = reader.u32le();
  reader.skip(4);
  const part = reader.u32le();
  const partCount = reader.u32le();
  reader.skip(8);
  const chunkBytes = reader.u32le();
  const superblock = { major, minor, imageId, epoch, features, chunkBytes, part, partCount };
  checkFeatures(superblock, what);
  if (chunkBytes < CHUNK_BYTES_MIN || chunkBytes > CHUNK_BYTES_MAX) {
    throw new TdError('invalid', `Cannot read ${what}: a chunk size of ${chunkBytes} is not allowed`);
  }
  return superblock;
}

function checkFeatures({ features, part, partCount }: Superblock, what: string): void {
  if ((features & FEATURE_ENCRYPTED) !== 0) {
    throw new TdError('refused', `Cannot read ${what}: this version cannot open encrypted images`);
  }
  if ((features & FEATURE_PARTS) !== 0) {
    throw new TdError('refused', `Cannot read ${what}: this version cannot open images of several parts`);
  }
  if (features !== 0) {
    throw new TdError(
      'refused',
      `Cannot read ${what}: this version cannot open images with feature bits ${features}; use a newer TotalDeploy`,
    );
  }
  if (part !== 1 || partCount > 1) {
    throw new TdError('invalid', `Cannot read ${what}: it says part ${part} of ${partCount} without parts`);
  }
}
