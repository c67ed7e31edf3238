import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';
import { FOOTER_BYTES, FORMAT_MAJOR, FORMAT_MINOR } from './image-format.ts';
import { sha256 } from './merkle.ts';

const MAGIC = Buffer.from('\x89SCOEND\n', 'latin1');
const COMPLETE = Buffer.from('COMPLETE', 'latin1');
const COMPLETE_OFFSET = 40;
const HASH_OFFSET = FOOTER_BYTES - 32;

/** The last 4 KiB: only its presence makes the file an image. */
export interface Footer {
  imageId: Buffer;
  epoch: number;
  part: number;
  partCount: number;
  chunkCount: number;
  placementCount: number;
  checkpointCount: number;
  /** File offset of the manifest's record header. */
  manifestOffset: number;
  manifestStoredBytes: number;
  manifestRawBytes: number;
  /** File offset of the index's record header. */
  indexOffset: number;
  indexBytes: number;
  /** The whole file with this footer. */
  fileBytes: number;
  /** File offset of the last checkpoint's record header, or 0. */
  lastCheckpointOffset: number;
  root: Buffer;
}

export function encodeFooter(footer: Footer): Buffer {
  const bytes = new ByteWriter(FOOTER_BYTES)
    .bytes(MAGIC)
    .u16le(FORMAT_MAJOR)
    .u16le(FORMAT_MINOR)
    .u32le(FOOTER_BYTES)
    .bytes(footer.imageId)
    .u32le(footer.epoch)
    .u32le(0)
    .bytes(COMPLETE)
    .u32le(footer.part)
    .u32le(footer.partCount)
    .u32le(footer.chunkCount)
    .u32le(footer.placementCount)
    .u64le(footer.manifestOffset)
    .u64le(footer.manifestStoredBytes)
    .u64le(footer.manifestRawBytes)
    .u64le(footer.indexOffset)
    .u64le(footer.indexBytes)
    .u64le(footer.fileBytes)
    .u64le(footer.lastCheckpointOffset)
    .u32le(footer.checkpointCount)
    .u32le(0)
    .bytes(footer.root)
    .finish();
  sha256(bytes.subarray(0, HASH_OFFSET)).copy(bytes, HASH_OFFSET);
  return bytes;
}

/**
 * @throws TdError `incomplete` when nothing of a footer is there, `damaged` when it is there and its hash
 *   does not match, `refused` for a newer format.
 */
export function decodeFooter(bytes: Uint8Array, what: string): Footer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hashFits =
    buffer.length === FOOTER_BYTES &&
    sha256(buffer.subarray(0, HASH_OFFSET)).equals(buffer.subarray(HASH_OFFSET));
  const magicFits = MAGIC.equals(buffer.subarray(0, MAGIC.length));
  const completeFits = COMPLETE.equals(buffer.subarray(COMPLETE_OFFSET, COMPLETE_OFFSET + COMPLETE.length));
  if (!hashFits || !magicFits || !completeFits) {
    // Any one of the three marks is enough to say that a footer was written here.
    if (hashFits || magicFits || completeFits) {
      throw new TdError('damaged', `Cannot read ${what}: it is damaged; copy the image again`);
    }
    throw new TdError(
      'incomplete',
      `Cannot read ${what}: it is missing, the capture was not finished or the copy was cut short; copy or capture it again`,
    );
  }
  const reader = new ByteReader(buffer, what);
  reader.skip(MAGIC.length);
  const major = reader.u16le();
  if (major !== FORMAT_MAJOR) {
    throw new TdError('refused', `Cannot read ${what}: this version cannot read format ${major}`);
  }
  reader.skip(6);
  const imageId = Buffer.from(reader.bytes(16));
  const epoch = reader.u32le();
  reader.skip(4 + COMPLETE.length);
  const numbers = {
    part: reader.u32le(),
    partCount: reader.u32le(),
    chunkCount: reader.u32le(),
    placementCount: reader.u32le(),
    manifestOffset: reader.size64le(),
    manifestStoredBytes: reader.size64le(),
    manifestRawBytes: reader.size64le(),
    indexOffset: reader.size64le(),
    indexBytes: reader.size64le(),
    fileBytes: reader.size64le(),
    lastCheckpointOffset: reader.size64le(),
    checkpointCount: reader.u32le(),
  };
  reader.skip(4);
  return { imageId, epoch, ...numbers, root: Buffer.from(reader.bytes(32)) };
}
