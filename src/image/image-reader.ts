import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import { ImageIndex, imageRoot } from './chunk-index.ts';
import { unpack, verifyStored } from './codec.ts';
import { decodeFooter, type Footer } from './footer.ts';
import {
  CHUNK_ZSTD,
  FILE_BYTES_MAX,
  FIRST_RECORD_OFFSET,
  FOOTER_BYTES,
  MANIFEST_RAW_BYTES_MAX,
  RECORD_HEADER_BYTES,
  SUPERBLOCK_BYTES,
} from './image-format.ts';
import { checkPlaces, decodeManifest } from './manifest-codec.ts';
import { sha256 } from './merkle.ts';
import { decodeRecordHeader, type RecordHeader, type RecordKind } from './record-header.ts';
import { decodeSuperblock, hasSuperblockMagic, type Superblock } from './superblock.ts';

/** Everything but the chunks, read and verified. */
interface Structure {
  superblock: Superblock;
  footer: Footer;
  manifest: ImageManifest;
  manifestBytes: Buffer;
  index: ImageIndex;
  warnings: string[];
}

/**
 * Opens an image and verifies all of it but the chunks: both superblocks, footer, manifest, index, root.
 *
 * @throws TdError `not-found`; `invalid` for a file that is no image; `incomplete` for one without an end;
 *   `damaged`; `refused` for an image only another version can read; `io`.
 */
export async function openImage(path: string): Promise<ImageReader> {
  const handle = await openFile(path);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new TdError('invalid', `Cannot open "${path}": it is no file`);
    const file = new ImageFile(path, handle, stat.size);
    return new ImageReader(file, await readStructure(file));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Random access to one complete image. */
export class ImageReader implements AsyncDisposable {
  readonly path: string;
  readonly fileBytes: number;
  readonly superblock: Superblock;
  readonly footer: Footer;
  readonly manifest: ImageManifest;
  /** The manifest's JSON bytes as they were hashed. */
  readonly manifestBytes: Buffer;
  readonly index: ImageIndex;
  /** Names the image; see FORMAT.md. */
  readonly root: Buffer;
  /** Damage that does not hinder reading, one line each. */
  readonly warnings: readonly string[];
  readonly #file: ImageFile;

  /** Use {@link openImage}. */
  constructor(file: ImageFile, structure: Structure) {
    this.#file = file;
    this.path = file.path;
    this.fileBytes = file.sizeBytes;
    this.superblock = structure.superblock;
    this.footer = structure.footer;
    this.manifest = structure.manifest;
    this.manifestBytes = structure.manifestBytes;
    this.index = structure.index;
    this.root = structure.footer.root;
    this.warnings = structure.warnings;
  }

  get imageId(): string {
    return this.superblock.imageId.toString('hex');
  }

  /**
   * The stored bytes of a chunk, their SHA-256 verified.
   *
   * @throws TdError `damaged` naming the chunk, `io`.
   */
  async readStored(ordinal: number): Promise<Buffer> {
    const entry = this.index.chunk(ordinal);
    const stored = await this.#file.read(entry.fileOffset, entry.storedBytes);
    try {
      verifyStored(entry, stored);
    } catch (cause) {
      throw new TdError(
        'damaged',
        `Cannot read chunk ${ordinal} of "${this.path}": it is damaged; copy the image again or check the disk it is on`,
        { cause },
      );
    }
    return stored;
  }

  /** Bytes of the file as they are, for checks. @throws TdError `io`, `damaged` when the file got shorter. */
  readBytes(offset: number, length: number): Promise<Buffer> {
    return this.#file.read(offset, length);
  }

  /** One record header. @throws TdError `damaged`, `invalid`, `io`. */
  readHeader(offset: number, what: string): Promise<RecordHeader> {
    return this.#file.readHeader(offset, what);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Reads that are checked against the file's size before anything is allocated. */
class ImageFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.path = path;
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset + length > this.sizeBytes) {
      throw new TdError(
        'damaged',
        `Cannot read "${this.path}": ${length} bytes at ${offset} are beyond its end at ${this.sizeBytes}`,
      );
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    try {
      while (done < length) {
        const { bytesRead } = await this.#handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (cause) {
      throw new TdError('io', `Cannot read "${this.path}" at ${offset}: ${errorLine(cause)}`, { cause });
    }
    if (done < length) {
      throw new TdError('damaged', `Cannot read "${this.path}": it became shorter while it was read`);
    }
    return bytes;
  }

  async readHeader(offset: number, what: string): Promise<RecordHeader> {
    return decodeRecordHeader(await this.read(offset, RECORD_HEADER_BYTES), `${what} of "${this.path}"`);
  }

  /** A manifest or index record whose place and length the footer promised. */
  async readSection(kind: RecordKind, offset: number, storedBytes: number): Promise<[RecordHeader, Buffer]> {
    const what = `${kind} of "${this.path}"`;
    const header = await this.readHeader(offset, kind);
    if (header.kind !== kind || header.storedBytes !== storedBytes) {
      throw new TdError('damaged', `Cannot read ${what}: the footer describes another record`);
    }
    const payload = await this.read(offset + RECORD_HEADER_BYTES, storedBytes);
    if (!sha256(payload).equals(header.sha256)) {
      throw new TdError('damaged', `Cannot read ${what}: it is damaged; copy the image again`);
    }
    return [header, payload];
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK the opening of a named pipe would wait for ever.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const missing = errnoOf(cause) === 'ENOENT';
    throw new TdError(
      missing ? 'not-found' : 'io',
      `Cannot open "${path}": ${missing ? 'there is no such file' : errorLine(cause)}`,
      { cause },
    );
  }
}

async function readStructure(file: ImageFile): Promise<Structure> {
  const { superblock, warnings } = await readSuperblocks(file);
  const footer = await readFooter(file, superblock);
  const { manifest, manifestBytes } = await readManifest(file, footer);
  const index = await readIndex(file, { footer, chunkBytes: superblock.chunkBytes });
  checkPlaces(index, manifest);
  const facts: [string, unknown, unknown][] = [
    ['image id', manifest.imageId, superblock.imageId.toString('hex')],
    ['chunk size', manifest.chunkBytes, superblock.chunkBytes],
    ['stored bytes', manifest.storedBytes, index.storedBytes()],
    ['root', imageRoot(manifestBytes, index).toString('hex'), footer.root.toString('hex')],
  ];
  for (const [name, one, other] of facts) {
    if (one !== other) {
      throw new TdError('damaged', `Cannot open "${file.path}": its parts do not belong together (${name})`);
    }
  }
  return { superblock, footer, manifest, manifestBytes, index, warnings };
}

async function readSuperblocks(file: ImageFile): Promise<{ superblock: Superblock; warnings: string[] }> {
  if (file.sizeBytes === 0) {
    throw new TdError(
      'incomplete',
      `Cannot open "${file.path}": the file is empty; copy or capture it again`,
    );
  }
  const head = await file.read(0, Math.min(FIRST_RECORD_OFFSET, file.sizeBytes));
  const copies = [head.subarray(0, SUPERBLOCK_BYTES), head.subarray(SUPERBLOCK_BYTES)];
  if (!copies.some(hasSuperblockMagic)) {
    throw new TdError('invalid', `Cannot open "${file.path}": it is no TotalDeploy image`);
  }
  if (file.sizeBytes < FIRST_RECORD_OFFSET + FOOTER_BYTES) {
    throw new TdError(
      'incomplete',
      `Cannot open "${file.path}": it ends after ${file.sizeBytes} bytes; copy or capture it again`,
    );
  }
  const decoded = copies.map((bytes) => {
    try {
      return decodeSuperblock(bytes, `"${file.path}"`);
    } catch (error) {
      // What a whole superblock says against this reader counts; a damaged one is why there are two.
      if (error instanceof TdError && error.code === 'refused') throw error;
      return undefined;
    }
  });
  const superblock = decoded[0] ?? decoded[1];
  if (superblock === undefined) {
    throw new TdError('damaged', `Cannot open "${file.path}": both superblocks are damaged; copy it again`);
  }
  if (decoded[0] !== undefined && decoded[1] !== undefined) {
    if (!copies[0]!.equals(copies[1]!)) {
      throw new TdError('damaged', `Cannot open "${file.path}": its two superblocks differ`);
    }
    return { superblock, warnings: [] };
  }
  const which = decoded[0] === undefined ? 'first superblock' : "superblock's copy";
  return { superblock, warnings: [`the ${which} is damaged, the other one was used`] };
}

async function readFooter(file: ImageFile, superblock: Superblock): Promise<Footer> {
  const bytes = await file.read(file.sizeBytes - FOOTER_BYTES, FOOTER_BYTES);
  const footer = decodeFooter(bytes, `footer of "${file.path}"`);
  const { manifestOffset, manifestStoredBytes, indexOffset, indexBytes, fileBytes } = footer;
  const largest = Math.max(manifestOffset, manifestStoredBytes, indexOffset, indexBytes, fileBytes);
  const fits =
    footer.imageId.equals(superblock.imageId) &&
    footer.epoch === superblock.epoch &&
    footer.part === 1 &&
    footer.partCount === 1 &&
    largest <= FILE_BYTES_MAX &&
    fileBytes === file.sizeBytes &&
    manifestOffset >= FIRST_RECORD_OFFSET &&
    indexOffset === manifestOffset + RECORD_HEADER_BYTES + manifestStoredBytes &&
    fileBytes === indexOffset + RECORD_HEADER_BYTES + indexBytes + FOOTER_BYTES;
  if (!fits) {
    throw new TdError(
      'damaged',
      `Cannot open "${file.path}": its footer describes another file than this one of ${file.sizeBytes} bytes`,
    );
  }
  return footer;
}

async function readManifest(
  file: ImageFile,
  footer: Footer,
): Promise<{ manifest: ImageManifest; manifestBytes: Buffer }> {
  const what = `manifest of "${file.path}"`;
  const { manifestOffset, manifestStoredBytes, manifestRawBytes } = footer;
  if (Math.max(manifestStoredBytes, manifestRawBytes) > MANIFEST_RAW_BYTES_MAX) {
    throw new TdError('invalid', `Cannot read ${what}: ${manifestRawBytes} bytes are too many`);
  }
  const [header, stored] = await file.readSection('manifest', manifestOffset, manifestStoredBytes);
  const packed = (header.flags & CHUNK_ZSTD) !== 0;
  const manifestBytes = packed ? await unpack(stored, manifestRawBytes, what) : stored;
  if (header.rawBytes !== manifestRawBytes || manifestBytes.length !== manifestRawBytes) {
    throw new TdError('invalid', `Cannot read ${what}: its length is not what the footer says`);
  }
  return { manifest: decodeManifest(manifestBytes, what), manifestBytes };
}

async function readIndex(
  file: ImageFile,
  { footer, chunkBytes }: { footer: Footer; chunkBytes: number },
): Promise<ImageIndex> {
  const what = `index of "${file.path}"`;
  const [, stored] = await file.readSection('index', footer.indexOffset, footer.indexBytes);
  const index = ImageIndex.decode(stored, what);
  const lastChunk = index.chunkCount > 0 ? index.chunk(index.chunkCount - 1) : undefined;
  const chunksEnd = lastChunk === undefined ? 0 : lastChunk.fileOffset + lastChunk.storedBytes;
  if (
    index.chunkCount !== footer.chunkCount ||
    index.placementCount !== footer.placementCount ||
    chunksEnd > footer.manifestOffset
  ) {
    throw new TdError('invalid', `Cannot read ${what}: it does not fit the file`);
  }
  for (const { rawBytes } of index.placements()) {
    if (rawBytes > chunkBytes) {
      throw new TdError(
        'invalid',
        `Cannot read ${what}: a block has ${rawBytes} bytes, chunks ${chunkBytes}`,
      );
    }
  }
  return index;
}
