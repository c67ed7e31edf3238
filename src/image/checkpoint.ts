import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { TdError } from '../lib/errors.ts';
import {
  CHECKPOINT_CHUNKS,
  CHECKPOINT_HEADER_BYTES,
  CHECKPOINT_PLACEMENTS_MAX,
  CHUNK_ENTRY_BYTES,
  PLACEMENT_BYTES,
} from './image-format.ts';

/** What was added to the index since the checkpoint before; placements are in the order they came. */
export interface Checkpoint {
  firstChunk: number;
  chunkCount: number;
  firstPlacement: number;
  placementCount: number;
  /** Encoded entries as in the index. */
  chunkBytes: Buffer;
  placementBytes: Buffer;
}

/** The largest payload of a correct checkpoint. */
export const CHECKPOINT_BYTES_MAX =
  CHECKPOINT_HEADER_BYTES +
  CHECKPOINT_CHUNKS * CHUNK_ENTRY_BYTES +
  CHECKPOINT_PLACEMENTS_MAX * PLACEMENT_BYTES;

export function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const { chunkBytes, placementBytes } = checkpoint;
  return new ByteWriter(CHECKPOINT_HEADER_BYTES + chunkBytes.length + placementBytes.length)
    .u32le(checkpoint.firstChunk)
    .u32le(checkpoint.chunkCount)
    .u32le(checkpoint.firstPlacement)
    .u32le(checkpoint.placementCount)
    .padTo(CHECKPOINT_HEADER_BYTES)
    .bytes(chunkBytes)
    .bytes(placementBytes)
    .finish();
}

/** @throws TdError `invalid` when the lengths do not add up. */
export function decodeCheckpoint(bytes: Uint8Array, what: string): Checkpoint {
  const reader = new ByteReader(bytes, what);
  const firstChunk = reader.u32le();
  const chunkCount = reader.u32le();
  const firstPlacement = reader.u32le();
  const placementCount = reader.u32le();
  reader.skip(16);
  const fits =
    chunkCount <= CHECKPOINT_CHUNKS &&
    placementCount <= CHECKPOINT_PLACEMENTS_MAX &&
    reader.remaining === chunkCount * CHUNK_ENTRY_BYTES + placementCount * PLACEMENT_BYTES;
  if (!fits) throw new TdError('invalid', `Cannot read ${what}: its lengths do not add up`);
  return {
    firstChunk,
    chunkCount,
    firstPlacement,
    placementCount,
    chunkBytes: reader.bytes(chunkCount * CHUNK_ENTRY_BYTES),
    placementBytes: reader.bytes(placementCount * PLACEMENT_BYTES),
  };
}
