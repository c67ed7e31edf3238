import { link, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { UploadReceiver } from '../control/upload-receiver.ts';
import { openImage } from '../image/image-reader.ts';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { IMAGE_SUFFIX, PARTIAL_SUFFIX } from './image-library.ts';

/** The file an upload is written to; replaced in tests by one that fails. */
export interface PartialFile {
  write(bytes: Buffer): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface ImageUploadOptions {
  dir: string;
  /** Checked already. */
  name: string;
  openFile?(path: string): Promise<PartialFile>;
  onEnd(result: { ok: true; storedBytes: number; root: string } | { ok: false; reason: string }): void;
}

/**
 * Receives one image as `NAME.sco.partial`; only what was synced, opened and verified gets the name `NAME.sco`.
 * Whatever goes wrong before removes the partial file.
 */
export class ImageUpload implements UploadReceiver {
  readonly #options: ImageUploadOptions;
  readonly #file: PartialFile;
  readonly #partialPath: string;
  readonly #finalPath: string;
  #writtenBytes = 0;
  #ended = false;

  private constructor(options: ImageUploadOptions, file: PartialFile) {
    this.#options = options;
    this.#file = file;
    this.#partialPath = partialPathOf(options);
    this.#finalPath = join(options.dir, `${options.name}${IMAGE_SUFFIX}`);
  }

  /** @throws TdError `no-space`, `io`. */
  static async open(options: ImageUploadOptions): Promise<ImageUpload> {
    const path = partialPathOf(options);
    try {
      return new ImageUpload(options, await (options.openFile ?? openPartial)(path));
    } catch (cause) {
      throw storeError(options.name, cause);
    }
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#ended) throw new TdError('cancelled', `Storing "${this.#options.name}" was broken off`);
    try {
      await this.#file.write(bytes);
    } catch (cause) {
      throw storeError(this.#options.name, cause);
    }
    this.#writtenBytes += bytes.length;
  }

  async finish(): Promise<void> {
    if (this.#ended) throw new TdError('cancelled', `Storing "${this.#options.name}" was broken off`);
    try {
      await this.#file.sync();
      await this.#file.close();
    } catch (cause) {
      throw storeError(this.#options.name, cause);
    }
    let root: string;
    {
      await using reader = await openImage(this.#partialPath);
      root = reader.root.toString('hex');
    }
    // Between here and the rename the upload may have been broken off by the job.
    if (this.#ended) throw new TdError('cancelled', `Storing "${this.#options.name}" was broken off`);
    await publish(this.#partialPath, this.#finalPath);
    await syncFolder(this.#options.dir);
    this.#ended = true;
    this.#options.onEnd({ ok: true, storedBytes: this.#writtenBytes, root });
  }

  async abort(reason: string): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#file.close().catch(() => {});
    await rm(this.#partialPath, { force: true }).catch(() => {});
    this.#options.onEnd({ ok: false, reason });
  }
}

function partialPathOf(options: { dir: string; name: string }): string {
  return join(options.dir, `${options.name}${PARTIAL_SUFFIX}`);
}

async function openPartial(path: string): Promise<PartialFile> {
  const handle = await open(path, 'wx', 0o600);
  let closed = false;
  return {
    write: async (bytes) => {
      let done = 0;
      while (done < bytes.length) done += (await handle.write(bytes, done)).bytesWritten;
    },
    sync: () => handle.sync(),
    close: async () => {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

/** Gives the file its final name and never replaces one that is there. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
    await rm(from);
    return;
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') throw taken(to);
    // FAT and some shares have no hard links.
  }
  const there = await stat(to).then(
    () => true,
    () => false,
  );
  if (there) throw taken(to);
  await rename(from, to);
}

function taken(path: string): TdError {
  return new TdError('refused', `Cannot store "${path}": an image of that name was stored meanwhile`);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

function storeError(name: string, cause: unknown): TdError {
  if (cause instanceof TdError) return cause;
  const code = errnoOf(cause);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new TdError(
    full ? 'no-space' : 'io',
    full
      ? `Cannot store image "${name}": the console's disk is full; free some space and capture again`
      : `Cannot store image "${name}" at the console: ${errorLine(cause)}`,
    { cause },
  );
}
