import { TdError } from '../lib/errors.ts';
import { CHUNK_BYTES_MAX, CHUNK_COUNT_MAX, FRAGMENTS_MAX, TAG_BYTES } from './limits.ts';

/** How the chunks of one image are cut into fragments; the same on both sides. */
export interface ChunkLayout {
  readonly chunkCount: number;
  /** Bytes on the wire of one chunk: stored bytes and, when sealed, the tag. */
  wireBytes(ordinal: number): number;
  fragmentCount(ordinal: number): number;
  /** Payload bytes of one fragment; only the last is shorter. */
  payloadBytes(ordinal: number, fragment: number): number;
  readonly fragmentBytes: number;
}

export interface ChunkSizes {
  chunkCount: number;
  storedBytes(ordinal: number): number;
}

/**
 * Cuts chunks into fragments.
 *
 * @throws TdError `invalid` when the image has more chunks than the protocol can number.
 */
export function chunkLayout(
  sizes: ChunkSizes,
  options: { sealed: boolean; fragmentBytes: number },
): ChunkLayout {
  const { fragmentBytes } = options;
  const tagBytes = options.sealed ? TAG_BYTES : 0;
  if (!Number.isInteger(sizes.chunkCount) || sizes.chunkCount < 0 || sizes.chunkCount > CHUNK_COUNT_MAX) {
    throw new TdError(
      'invalid',
      `Cannot send ${sizes.chunkCount} chunks by multicast: the limit is ${CHUNK_COUNT_MAX}`,
    );
  }
  const wireBytes = (ordinal: number) => sizes.storedBytes(ordinal) + tagBytes;
  return {
    chunkCount: sizes.chunkCount,
    fragmentBytes,
    wireBytes,
    // An empty chunk still needs one datagram to be known as arrived.
    fragmentCount: (ordinal) => Math.max(1, Math.ceil(wireBytes(ordinal) / fragmentBytes)),
    payloadBytes: (ordinal, fragment) =>
      Math.min(fragmentBytes, Math.max(0, wireBytes(ordinal) - fragment * fragmentBytes)),
  };
}

/** @throws TdError `invalid` when one chunk is too large for the protocol. */
export function checkChunkSizes(layout: ChunkLayout): void {
  for (let ordinal = 0; ordinal < layout.chunkCount; ordinal += 1) {
    const bytes = layout.wireBytes(ordinal);
    if (
      !(bytes >= 0 && bytes <= CHUNK_BYTES_MAX + TAG_BYTES) ||
      layout.fragmentCount(ordinal) > FRAGMENTS_MAX
    ) {
      throw new TdError(
        'invalid',
        `Cannot send chunk ${ordinal} by multicast: ${bytes} bytes, the limit is ${CHUNK_BYTES_MAX}`,
      );
    }
  }
}
