import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../lib/clock.ts';
import type { ImageManifest } from '../../schema/image-manifest.ts';
import { openFileSink } from '../file-sink.ts';
import {
  createImageWriter,
  type ImageSink,
  type ImageWriterOptions,
  type ManifestDraft,
  type WrittenImage,
} from '../image-writer.ts';

export interface Block {
  offsetBytes: number;
  raw: Buffer;
  disk?: number;
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'sco-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Bytes that zstd cannot make smaller. */
export function noise(length: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), i);
  return bytes;
}

/** Bytes that zstd makes much smaller. */
export function words(length: number, seed: number): Buffer {
  return Buffer.alloc(length, `disk image ${seed} `);
}

export function manifestDraft(sizeBytes: number, diskCount = 1): ManifestDraft {
  const disk: ImageManifest['disks'][number] = {
    sizeBytes,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    model: 'Test disk',
    serial: 'T1',
    table: 'gpt',
    diskId: '',
    bootAreas: [],
    partitions: [],
  };
  return {
    name: 'test',
    comment: '',
    createdAt: '2026-01-02T03:04:05Z',
    programVersion: '0.1.0',
    source: { hostname: 'master', model: '', serial: '', firmware: 'uefi' },
    disks: Array.from({ length: diskCount }, () => disk),
    parts: [],
    usedBytes: 0,
    flaws: [],
  };
}

/** A chunk stored raw, one compressed, one twice, one of zeros and a short one. */
export function smallBlocks(blockBytes = 4096): Block[] {
  return [
    { offsetBytes: 0, raw: noise(blockBytes, 1) },
    { offsetBytes: blockBytes * 2, raw: words(blockBytes, 2) },
    { offsetBytes: blockBytes * 3, raw: Buffer.alloc(blockBytes) },
    { offsetBytes: blockBytes * 5, raw: noise(blockBytes, 1) },
    { offsetBytes: blockBytes * 8, raw: words(512, 3) },
  ];
}

export interface ImageContents {
  blocks?: readonly Block[];
  sizeBytes?: number;
  options?: ImageWriterOptions;
}

export async function writeTo(sink: ImageSink, contents: ImageContents = {}): Promise<WrittenImage> {
  const { blocks = smallBlocks(), sizeBytes = 1024 * 1024, options = {} } = contents;
  await using writer = createImageWriter(sink, {
    imageId: '0123456789abcdef0123456789abcdef',
    ...options,
  });
  for (const { offsetBytes, raw, disk = 0 } of blocks) await writer.add({ disk, offsetBytes }, raw);
  const diskCount = Math.max(0, ...blocks.map((block) => block.disk ?? 0)) + 1;
  return await writer.finish(manifestDraft(sizeBytes, diskCount));
}

export async function writeImage(path: string, contents: ImageContents = {}): Promise<WrittenImage> {
  return writeTo(await openFileSink(path), contents);
}

/** Collects an image in memory. */
export class MemorySink implements ImageSink {
  readonly written: Buffer[] = [];
  closed = false;
  aborted = false;

  async write(bytes: Buffer): Promise<void> {
    this.written.push(Buffer.from(bytes));
  }
  async sync(): Promise<void> {}
  async close(): Promise<void> {
    this.closed = true;
  }
  async abort(): Promise<void> {
    this.aborted = true;
  }
  bytes(): Buffer {
    return Buffer.concat(this.written);
  }
}
