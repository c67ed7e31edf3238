import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServedImage } from '../control/image-service.ts';
import { type ImageReader, openImage } from '../image/image-reader.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import {
  checkedName,
  type FoundImage,
  filesEndingIn,
  IMAGE_SUFFIX,
  type ImagePlace,
  ImagePlaces,
} from './image-places.ts';
import { SlowFolder } from './slow-folder.ts';

export { IMAGE_SUFFIX } from './image-places.ts';
export const PARTIAL_SUFFIX = '.sco.partial';
/** The place every console has: `images` in its data directory, or where `--images` says. */
export const OWN_PLACE_ID = 'images';
/** An image nobody asks for any more stays open this long. */
const IDLE_MS = 30_000;
/** An index of a terabyte's image has some ten megabytes. */
const OPEN_MS_MAX = 30_000;

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

export interface LibraryOptions {
  /** Further places, as they are at the moment; the library's own folder is always the first. */
  places?: () => readonly ImagePlace[];
  /** Where captures go; default the library's own folder. */
  captureFolder?: () => SlowFolder | undefined;
}

/** The images in all places; readers are shared while they are used. */
export class ImageLibrary implements AsyncDisposable {
  readonly #own: SlowFolder;
  readonly #options: LibraryOptions;
  readonly #places: ImagePlaces;
  /** By path. */
  readonly #open = new Map<string, OpenImage>();

  constructor(dir: string, options: LibraryOptions = {}) {
    this.#own = new SlowFolder(dir);
    this.#options = options;
    const own: ImagePlace = { id: OWN_PLACE_ID, folder: this.#own };
    this.#places = new ImagePlaces(() => [own, ...(options.places?.() ?? [])]);
  }

  /** The folder captures go to now. */
  get dir(): string {
    return this.#captureFolder.dir;
  }

  /** Where a capture of that name goes. */
  pathOf(name: string): string {
    return join(this.dir, `${checkedName(name)}${IMAGE_SUFFIX}`);
  }

  /** Every image; one that cannot be opened is listed with its problem. Unfinished uploads are none. */
  async list(): Promise<ImageEntry[]> {
    const found = await this.#places.list();
    const byFolder = Map.groupBy(found, (image) => image.folder);
    // Places at once, but one image of a place after the other: a slow share is not asked for everything together.
    const entries = await Promise.all(
      [...byFolder.values()].map(async (images) => {
        const listed: ImageEntry[] = [];
        for (const image of images) listed.push(await this.#entry(image));
        return listed;
      }),
    );
    return entries.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** True when a file of that name exists where captures go, whatever it holds. */
  async has(name: string): Promise<boolean> {
    const file = `${name}${IMAGE_SUFFIX}`.toLowerCase();
    const folder = this.#captureFolder;
    const files = await folder.ask(() => filesEndingIn(folder.dir, IMAGE_SUFFIX));
    // Shares of other systems do not tell letter case apart.
    return files.some((one) => one.toLowerCase() === file);
  }

  /**
   * Opens an image or shares the one that is open.
   *
   * @param name plain, as `place/name`, or an absolute path.
   * @throws TdError `not-found`, or why it cannot be opened (see openImage).
   */
  async lease(name: string): Promise<ImageLease> {
    return await this.#lease(await this.#places.find(name));
  }

  /** Closes what is open below a folder; false when a job uses an image there. */
  async release(dir: string): Promise<boolean> {
    const below = [...this.#open].filter(([path]) => path.startsWith(`${dir}/`));
    if (below.some(([, open]) => open.users > 0)) return false;
    for (const [path, open] of below) {
      clearTimeout(open.idleTimer);
      this.#open.delete(path);
      await open.reader.then((reader) => reader[Symbol.asyncDispose]()).catch(() => {});
    }
    return true;
  }

  get #captureFolder(): SlowFolder {
    return this.#options.captureFolder?.() ?? this.#own;
  }

  async #lease({ path, servedName, shownName, folder }: FoundImage): Promise<ImageLease> {
    const open = this.#open.get(path) ?? this.#opened(path);
    clearTimeout(open.idleTimer);
    open.users += 1;
    let released = false;
    const release = async () => {
      if (released) return;
      released = true;
      open.users -= 1;
      if (open.users === 0) this.#closeLater(path, open);
    };
    try {
      const reader = await (folder?.ask(() => open.reader, OPEN_MS_MAX) ?? open.reader);
      open.indexBytes ??= reader.index.encode();
      const served: ServedImage = {
        manifestBytes: reader.manifestBytes,
        indexBytes: open.indexBytes,
        chunkCount: reader.index.chunkCount,
        readStored: (ordinal) => reader.readStored(ordinal),
      };
      return { name: servedName, reader, served, [Symbol.asyncDispose]: release };
    } catch (cause) {
      await release();
      if (cause instanceof TdError && cause.code === 'not-found') {
        throw new TdError(
          'not-found',
          `Cannot find image "${shownName}" in "${this.#own.dir}" or another place; "totaldeploy images" lists what there is`,
          { cause },
        );
      }
      throw cause;
    }
  }

  /** Removes what uploads of a killed console left; the names that were removed. */
  async removePartials(): Promise<string[]> {
    // Only its own: another console may be storing into the same share right now.
    const { dir } = this.#own;
    const files = await filesEndingIn(dir, PARTIAL_SUFFIX);
    for (const file of files) await rm(join(dir, file), { force: true });
    return files;
  }

  async freeBytes(): Promise<number> {
    const folder = this.#captureFolder;
    const { bavail, bsize } = await folder.ask(() => statfs(folder.dir));
    return bavail * bsize;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const open of this.#open.values()) {
      clearTimeout(open.idleTimer);
      await open.reader.then((reader) => reader[Symbol.asyncDispose]()).catch(() => {});
    }
    this.#open.clear();
  }

  #opened(path: string): OpenImage {
    const open: OpenImage = {
      reader: openImage(path),
      indexBytes: undefined,
      users: 0,
      idleTimer: undefined,
    };
    this.#open.set(path, open);
    open.reader.catch(() => {
      if (this.#open.get(path) === open) this.#open.delete(path);
    });
    return open;
  }

  #closeLater(path: string, open: OpenImage): void {
    open.idleTimer = setTimeout(() => {
      if (this.#open.get(path) === open) this.#open.delete(path);
      open.reader.then((reader) => reader[Symbol.asyncDispose]()).catch(() => {});
    }, IDLE_MS).unref();
  }

  async #entry(image: FoundImage): Promise<ImageEntry> {
    const { shownName: name, path } = image;
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
      await using lease = await this.#lease(image);
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
}
