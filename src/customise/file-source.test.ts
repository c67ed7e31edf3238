import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OfferedFile } from '../schema/customisation.ts';
import { filesByPieces, PIECE_BYTES, readLocalPiece } from './file-source.ts';

describe('filesByPieces', () => {
  let dir: string;
  let path: string;
  const bytes = Buffer.alloc(2 * PIECE_BYTES + 5, 'some bytes ');
  const file: OfferedFile = {
    path: 'setup.exe',
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'td-file-source-'));
    path = join(dir, 'setup.exe');
    await writeFile(path, bytes);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const all = async (one: OfferedFile, options = {}) => {
    const pieces: Buffer[] = [];
    const openFile = filesByPieces((_, range) => readLocalPiece(path, range), options);
    for await (const piece of openFile(one)) pieces.push(piece);
    return Buffer.concat(pieces);
  };

  it('gives the whole file in pieces and counts them', async () => {
    const counts: number[] = [];
    const found = await all(file, { onBytes: (count: number) => counts.push(count) });
    expect(found.equals(bytes)).toBe(true);
    expect(counts).toEqual([PIECE_BYTES, PIECE_BYTES, 5]);
    expect((await all({ ...file, bytes: 0, sha256: createHash('sha256').digest('hex') })).length).toBe(0);
  });

  it('refuses a file that was changed, be it longer, shorter or only different', async () => {
    await expect(all({ ...file, sha256: '0'.repeat(64) })).rejects.toThrow('was changed since the job began');
    await expect(all({ ...file, bytes: bytes.length - 1 })).rejects.toThrow('"setup.exe": it was changed');
    await expect(all({ ...file, bytes: bytes.length + 1 })).rejects.toThrow('was changed');
  });

  it('stops when it is cancelled', async () => {
    await expect(all(file, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});
