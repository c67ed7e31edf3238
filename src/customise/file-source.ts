import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { TdError } from '../lib/errors.ts';
import type { OfferedFile } from '../schema/customisation.ts';

/** The bytes of a file that a console has for its targets, in order; fails at the end when they are other bytes. */
export type OpenFile = (file: OfferedFile) => AsyncIterable<Buffer>;

/** The bytes from `first` to `last`, both included. */
export type ReadPiece = (file: OfferedFile, range: { first: number; last: number }) => Promise<Buffer>;

/** What is asked for at a time; as much as a chunk of an image. */
export const PIECE_BYTES = 1024 * 1024;

/**
 * Files that are read piece by piece, each compared with its hash as a whole.
 *
 * The iterables throw TdError `damaged` when length or hash differ, and what `read` throws.
 */
export function filesByPieces(
  read: ReadPiece,
  options: { signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
): OpenFile {
  return async function* (file) {
    const hash = createHash('sha256');
    for (let first = 0; first < file.bytes; ) {
      options.signal?.throwIfAborted();
      const last = Math.min(first + PIECE_BYTES, file.bytes) - 1;
      const piece = await read(file, { first, last });
      if (piece.length !== last - first + 1) throw changed(file);
      hash.update(piece);
      options.onBytes?.(piece.length);
      yield piece;
      first = last + 1;
    }
    if (hash.digest('hex') !== file.sha256) throw changed(file);
  };
}

/** Reads a piece of a local file; less than was asked for where the file has become shorter. */
export async function readLocalPiece(
  path: string,
  { first, last }: { first: number; last: number },
): Promise<Buffer> {
  await using handle = await open(path, 'r');
  const bytes = Buffer.alloc(last - first + 1);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, first + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function changed({ path }: OfferedFile): TdError {
  return new TdError('damaged', `Cannot use "${path}": it was changed since the job began; start a new one`);
}
