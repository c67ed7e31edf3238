import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { TdError } from '../src/lib/errors.ts';
import {
  decodeBlobTable,
  decodeWimHeader,
  encodeBlobAt,
  WIM_HEADER_BYTES,
  type WimBlob,
  type WimHeader,
  type WimPart,
  withFixedTimes,
} from './wim-header.ts';

const GUID_OFFSET = 24;
const GUID_BYTES = 16;
const INTEGRITY_HEADER_BYTES = 12;
const SHA1_BYTES = 20;
/** More than any link's text takes. */
const SMALL_BYTES_MAX = 64 * 1024;
/** Far more than a root's XML or tables need. */
const PART_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Takes out of a WIM file what differs from run to run though the content is the same: the order in which links are
 * stored (the file system's), the random GUID, and the times in the XML. The integrity table is made anew.
 *
 * @throws TdError `invalid` when the file is no WIM with an integrity table.
 */
export async function makeWimReproducible(path: string, timeSeconds: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const what = `"${path}"`;
    const header = decodeWimHeader(await readPart(file, { offset: 0, sizeBytes: WIM_HEADER_BYTES }), what);
    if (header.integrity.sizeBytes < INTEGRITY_HEADER_BYTES) {
      throw new TdError('invalid', `Cannot use ${what}: it has no integrity table`);
    }
    await sortSmallBlobs(file, { header, what });
    const table = await writeIntegrity(file, header);
    // The GUID tells files apart, so it is made from the content.
    const guid = createHash('sha256').update(table).digest().subarray(0, GUID_BYTES);
    await file.write(guid, 0, GUID_BYTES, GUID_OFFSET);
    await fixTimes(file, { header, timeSeconds, what });
  } finally {
    await file.close();
  }
}

/** Brings each run of small blobs one behind the other, as links are stored, into the order of their hashes. */
async function sortSmallBlobs(
  file: FileHandle,
  { header, what }: { header: WimHeader; what: string },
): Promise<void> {
  const blobs = decodeBlobTable(await readPart(file, header.blobTable), what);
  blobs.sort((a, b) => a.offset - b.offset);
  const entries: Buffer[] = [];
  for (const run of smallRuns(blobs)) {
    let offset = run[0]!.offset;
    const sorted = run.length === 1 ? run : run.toSorted((a, b) => (a.sha1 < b.sha1 ? -1 : 1));
    const contents = run.length === 1 ? [] : await Promise.all(sorted.map((blob) => readPart(file, blob)));
    for (const [index, blob] of sorted.entries()) {
      const content = contents[index];
      if (content !== undefined) await file.write(content, 0, content.length, offset);
      entries.push(encodeBlobAt(blob, offset));
      offset += blob.sizeBytes;
    }
  }
  await file.write(Buffer.concat(entries), 0, header.blobTable.sizeBytes, header.blobTable.offset);
}

/** Groups blobs, sorted by offset; what is big or bound to its place is a group of its own. */
export function smallRuns(blobs: readonly WimBlob[]): WimBlob[][] {
  const runs: WimBlob[][] = [];
  for (const blob of blobs) {
    const last = runs.at(-1)?.at(-1);
    const follows =
      last !== undefined && isSmall(last) && isSmall(blob) && last.offset + last.sizeBytes === blob.offset;
    if (follows) runs.at(-1)!.push(blob);
    else runs.push([blob]);
  }
  return runs;
}

function isSmall(blob: WimBlob): boolean {
  return blob.isMovable && blob.sizeBytes <= SMALL_BYTES_MAX;
}

/** SHA-1 of every chunk from behind the header to the end of the blob table (wimlib's integrity.c). */
async function writeIntegrity(file: FileHandle, header: WimHeader): Promise<Buffer> {
  const table = await readPart(file, header.integrity);
  const chunkBytes = table.readUInt32LE(8);
  const end = header.blobTable.offset + header.blobTable.sizeBytes;
  let at = INTEGRITY_HEADER_BYTES;
  for (let offset = WIM_HEADER_BYTES; offset < end; offset += chunkBytes) {
    const chunk = await readPart(file, { offset, sizeBytes: Math.min(chunkBytes, end - offset) });
    createHash('sha1').update(chunk).digest().copy(table, at);
    at += SHA1_BYTES;
  }
  await file.write(table, 0, table.length, header.integrity.offset);
  return table;
}

async function fixTimes(
  file: FileHandle,
  { header, timeSeconds, what }: { header: WimHeader; timeSeconds: number; what: string },
): Promise<void> {
  const before = (await readPart(file, header.xml)).toString('utf16le');
  const after = Buffer.from(withFixedTimes(before, timeSeconds), 'utf16le');
  if (after.length !== header.xml.sizeBytes) {
    throw new TdError('invalid', `Cannot use ${what}: its XML is not plain UTF-16`);
  }
  await file.write(after, 0, after.length, header.xml.offset);
}

async function readPart(file: FileHandle, part: WimPart): Promise<Buffer> {
  if (part.sizeBytes > PART_BYTES_MAX) {
    throw new TdError('invalid', `Cannot read a WIM file: a part of it has ${part.sizeBytes} bytes`);
  }
  const bytes = Buffer.alloc(part.sizeBytes);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, part.offset);
  if (bytesRead !== part.sizeBytes) throw new TdError('invalid', 'Cannot read a WIM file: it is cut short');
  return bytes;
}
