import { readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServedImage } from '../control/image-service.ts';
import { type ImageReader, openImage } from '../image/image-reader.ts';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { imageNameSchema } from '../schema/image-manifest.ts';

export const IMAGE_SUFFIX = '.sco';
export const PARTIAL_SUFFIX = '.sco.partial';
/** An image nobody asks for any more stays open this long. */
const IDLE_MS = 30_000;
const FILES_MAX = 100_000;

/** One image file as `images` lists it. */
export interface ImageEntry {
  name: string;
  path: string;
  fileBytes: number;
  /** Empty, or why it cannot be deployed. */
  problem: string;
  comment: string;
  createdAt: string;
  diskBytes: number;
  usedBytes: number;
  storedBytes: number;
  root: string;
}

/** An open image shared by all who use it at the time; dispose of it when done. */
export interface ImageLease extends AsyncDisposable {
  readonly name: string;
  readonly reader: ImageReader;
  readonly served: ServedImage;
}

interface OpenImage {
  reader: Promise<ImageReader>;
  indexBytes: Buffer | undefined;
  users: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** The images in one folder; readers are shared while they are used. */
export class ImageLibrary implements AsyncDisposable {
  readonly dir: string;
  readonly #open = new Map<string, OpenImage>();

  constructor(dir: string) {
    this.dir = dir;
  }

  pathOf(name: string): string {
    const checked = imageNameSchema.safeParse(name);
    if (!checked.success) {
      throw new TdError(
        'usage',
        `Cannot use "${name}" as an image name: ${checked.error.issues[0]?.message ?? 'wrong'}`,
      );
    }
    return join(this.dir, `${checked.data}${IMAGE_SUFFIX}`);
  }

  /** Every image by name; one that cannot be opened is listed with its problem. Unfinished uploads are none. */
  async list(): Promise<ImageEntry[]> {
    const names = (await this.#files(IMAGE_SUFFIX)).map((file) => file.slice(0, -IMAGE_SUFFIX.length));
    const entries: ImageEntry[] = [];
    // One after the other: a library on a slow share is not asked for everything at once.
    for (const name of names.sort())
      if (imageNameSchema.safeParse(name).success) entries.push(await this.#entry(name));
    return entries;
  }

  /** True when a file of that name exists, whatever it holds. */
  async has(name: string): Promise<boolean> {
    const file = `${name}${IMAGE_SUFFIX}`;
    // Shares of other systems do not tell letter case apart.
    return (await this.#files(IMAGE_SUFFIX)).some((one) => one.toLowerCase() === file.toLowerCase());
  }

  /**
   * Opens an image or shares the one that is open.
   *
   * @throws TdError `not-found`, or why it cannot be opened (see openImage).
   */
  async lease(name: string): Promise<ImageLease> {
    const path = this.pathOf(name);
    const open = this.#open.get(name) ?? this.#opened(name, path);
    clearTimeout(open.idleTimer);
    open.users += 1;
    let released = false;
    const release = async () => {
      if (released) return;
      released = true;
      open.users -= 1;
      if (open.users === 0) this.#closeLater(name, open);
    };
    try {
      const reader = await open.reader;
      open.indexBytes ??= reader.index.encode();
      const served: ServedImage = {
        manifestBytes: reader.manifestBytes,
        indexBytes: open.indexBytes,
        chunkCount: reader.index.chunkCount,
        readStored: (ordinal) => reader.readStored(ordinal),
      };
      return { name, reader, served, [Symbol.asyncDispose]: release };
    } catch (cause) {
      await release();
      if (cause instanceof TdError && cause.code === 'not-found') {
        throw new TdError(
          'not-found',
          `Cannot find image "${name}" in "${this.dir}"; "totaldeploy images" lists what there is`,
          { cause },
        );
      }
      throw cause;
    }
  }

  /** Removes what uploads of a killed console left; the names that were removed. */
  async removePartials(): Promise<string[]> {
    const files = await this.#files(PARTIAL_SUFFIX);
    for (const file of files) await rm(join(this.dir, file), { force: true });
    return files;
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.dir);
    return bavail * bsize;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const open of this.#open.values()) {
      clearTimeout(open.idleTimer);
      await open.reader.then((reader) => reader[Symbol.asyncDispose]()).catch(() => {});
    }
    this.#open.clear();
  }

  #opened(name: string, path: string): OpenImage {
    const open: OpenImage = {
      reader: openImage(path),
      indexBytes: undefined,
      users: 0,
      idleTimer: undefined,
    };
    this.#open.set(name, open);
    open.reader.catch(() => {
      if (this.#open.get(name) === open) this.#open.delete(name);
    });
    return open;
  }

  #closeLater(name: string, open: OpenImage): void {
    open.idleTimer = setTimeout(() => {
      if (this.#open.get(name) === open) this.#open.delete(name);
      open.reader.then((reader) => reader[Symbol.asyncDispose]()).catch(() => {});
    }, IDLE_MS).unref();
  }

  async #entry(name: string): Promise<ImageEntry> {
    const path = this.pathOf(name);
    const nothing = {
      fileBytes: 0,
      comment: '',
      createdAt: '',
      diskBytes: 0,
      usedBytes: 0,
      storedBytes: 0,
      root: '',
    };
    try {
      await using lease = await this.lease(name);
      const { manifest, root, fileBytes } = lease.reader;
      return {
        name,
        path,
        problem: '',
        fileBytes,
        comment: manifest.comment,
        createdAt: manifest.createdAt,
        diskBytes: manifest.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0),
        usedBytes: manifest.usedBytes,
        storedBytes: manifest.storedBytes,
        root: root.toString('hex'),
      };
    } catch (error) {
      return { name, path, problem: errorLine(error), ...nothing };
    }
  }

  async #files(suffix: string): Promise<string[]> {
    try {
      const files = await readdir(this.dir);
      return files.filter((file) => file.endsWith(suffix)).slice(0, FILES_MAX);
    } catch (cause) {
      const missing = errnoOf(cause) === 'ENOENT';
      throw new TdError(
        missing ? 'not-found' : 'io',
        `Cannot list the images in "${this.dir}": ${missing ? 'there is no such folder' : errorLine(cause)}`,
        { cause },
      );
    }
  }
}
