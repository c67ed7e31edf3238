import { createHash } from 'node:crypto';
import { access, readdir } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { imageNameSchema } from '../schema/image-manifest.ts';
import type { SlowFolder } from './slow-folder.ts';

export const IMAGE_SUFFIX = '.sco';
const FILES_MAX = 100_000;

/** A folder with images. */
export interface ImagePlace {
  /** What stands before the slash in `place/name`. */
  id: string;
  folder: SlowFolder;
}

export interface FoundImage {
  /** As lists show it: the plain name, or `place/name` where another place has the plain one. */
  shownName: string;
  /** A name that the image service takes: it knows no slash. */
  servedName: string;
  path: string;
  folder: SlowFolder | undefined;
}

/**
 * Where images are looked for, in a fixed order: a plain name is the first place's that has it, so that it means the same
 * image whichever place images are captured to.
 */
export class ImagePlaces {
  readonly #places: () => readonly ImagePlace[];
  /** What each place had when it last answered. */
  readonly #lastNames = new Map<string, ReadonlySet<string>>();
  readonly #outside = new Map<string, string>();

  constructor(places: () => readonly ImagePlace[]) {
    this.#places = places;
  }

  /** Every image; places that do not answer have none, the first place throws. */
  async list(): Promise<FoundImage[]> {
    const places = this.#places();
    const names = await Promise.all(
      places.map((place, at) =>
        this.#names(place).catch((error: unknown) => {
          if (at === 0) throw error;
          return [];
        }),
      ),
    );
    const taken = new Set<string>();
    return places.flatMap((place, at) =>
      (names[at] ?? []).map((name) => {
        const isFirst = !taken.has(name);
        taken.add(name);
        return foundIn(place, name, isFirst);
      }),
    );
  }

  /**
   * Finds an image by its plain name, as `place/name`, by its absolute path or by the name it is served under.
   *
   * @throws TdError `usage` for a name that cannot be one; `not-found`; `network` when it may be in a place that does not
   *   answer.
   */
  async find(name: string): Promise<FoundImage> {
    if (isAbsolute(name)) return this.#findOutside(name);
    const slash = name.indexOf('/');
    if (slash < 0) return await this.#findPlain(checkedName(name));
    const place = this.#places().find((one) => one.id === name.slice(0, slash));
    const plain = checkedName(name.slice(slash + 1));
    if (place === undefined) {
      const ids = this.#places().map((one) => one.id);
      throw new TdError(
        'not-found',
        `Cannot find image "${name}": no place is called "${name.slice(0, slash)}"; there are: ${ids.join(', ')}`,
      );
    }
    const first = await this.#findPlain(plain).catch(() => undefined);
    return foundIn(place, plain, first?.folder === place.folder);
  }

  #findOutside(path: string): FoundImage {
    if (!path.endsWith(IMAGE_SUFFIX)) {
      throw new TdError('usage', `Cannot use "${path}" as an image: its name must end in ${IMAGE_SUFFIX}`);
    }
    const servedName = servedNameOf(path, false);
    this.#outside.set(servedName, path);
    return { shownName: path, servedName, path, folder: undefined };
  }

  async #findPlain(name: string): Promise<FoundImage> {
    const places = this.#places();
    if (places.length === 1) return foundIn(places[0]!, name, true);
    for (const place of places) {
      const path = pathIn(place, name);
      const there = await place.folder.ask(() => isFile(path)).catch(() => undefined);
      if (there === true) return foundIn(place, name, true);
      // Another place's image of the same name must not be taken for this one.
      if (there === undefined && this.#lastNames.get(place.id)?.has(name) === true) {
        throw new TdError(
          'network',
          `Cannot open image "${name}": it is in "${place.id}", which does not answer; check it in the image storage`,
        );
      }
    }
    return (await this.#findServed(name)) ?? foundIn(places[0]!, name, true);
  }

  async #findServed(name: string): Promise<FoundImage | undefined> {
    const plain = /^(.+)--[0-9a-f]{8}$/.exec(name)?.[1];
    if (plain === undefined) return undefined;
    const outside = this.#outside.get(name);
    if (outside !== undefined) return this.#findOutside(outside);
    return this.#places()
      .map((place) => foundIn(place, plain, false))
      .find((found) => found.servedName === name);
  }

  async #names(place: ImagePlace): Promise<string[]> {
    const files = await place.folder.ask(() => filesEndingIn(place.folder.dir, IMAGE_SUFFIX));
    const names = files
      .map((file) => file.slice(0, -IMAGE_SUFFIX.length))
      .filter((name) => imageNameSchema.safeParse(name).success)
      .sort();
    this.#lastNames.set(place.id, new Set(names));
    return names;
  }
}

/** @throws TdError `not-found`, `io`. */
export async function filesEndingIn(dir: string, suffix: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((file) => file.endsWith(suffix)).slice(0, FILES_MAX);
  } catch (cause) {
    const missing = errnoOf(cause) === 'ENOENT';
    throw new TdError(
      missing ? 'not-found' : 'io',
      `Cannot list the images in "${dir}": ${missing ? 'there is no such folder' : errorLine(cause)}`,
      { cause },
    );
  }
}

export function checkedName(name: string): string {
  const checked = imageNameSchema.safeParse(name);
  if (checked.success) return checked.data;
  throw new TdError(
    'usage',
    `Cannot use "${name}" as an image name: ${checked.error.issues[0]?.message ?? 'wrong'}`,
  );
}

function foundIn(place: ImagePlace, name: string, isPlain: boolean): FoundImage {
  const path = pathIn(place, name);
  return {
    shownName: isPlain ? name : `${place.id}/${name}`,
    servedName: servedNameOf(path, isPlain),
    path,
    folder: place.folder,
  };
}

function pathIn(place: ImagePlace, name: string): string {
  return join(place.folder.dir, `${name}${IMAGE_SUFFIX}`);
}

/** The same after a restart of the console: computers that are being deployed to go on with it. */
function servedNameOf(path: string, isPlain: boolean): string {
  const name = basename(path, IMAGE_SUFFIX);
  if (isPlain) return name;
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 8);
  // Any file name, made fit for a URL's part.
  return `${name.replace(/[^\p{L}\p{N} ._-]|\.{2,}|^[ .]/gu, '-').slice(0, 100)}--${digest}`;
}

async function isFile(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    },
  );
}
