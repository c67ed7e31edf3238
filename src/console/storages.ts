import { randomBytes } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { listMounts } from '../disk/mounts.ts';
import {
  deviceOfUuid,
  filesystemTag,
  type MountedShare,
  mountShare,
  type ShareRequest,
  unmountShare,
} from '../disk/share-mount.ts';
import { parseShareSource } from '../disk/share-source.ts';
import { sleep } from '../lib/clock.ts';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { readJsonFile, writeJsonFile } from '../lib/json-file.ts';
import type { Logger } from '../lib/log.ts';
import { secretSchema } from '../schema/template.ts';
import type { NewStorage, StoragePlace } from './console-api.ts';
import { OWN_PLACE_ID } from './image-library.ts';
import type { ImagePlace } from './image-places.ts';
import type { Secrets } from './secrets.ts';
import type { SharePlace } from './share-files.ts';
import { SlowFolder } from './slow-folder.ts';

const STORAGES_VERSION = 1;
const PLACES_MAX = 50;
const LOOK_INTERVAL_MS = 20_000;

const storedPlaceSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  kind: z.enum(['folder', 'usb', 'smb', 'nfs']),
  source: z.string().min(1).max(4096),
  /** Of a disk's filesystem: its device's name changes. */
  uuid: z.string().max(100).default(''),
  user: z.string().max(256).default(''),
  domain: z.string().max(256).default(''),
  password: secretSchema.default(''),
});
type StoredPlace = z.output<typeof storedPlaceSchema>;

const storedSchema = z.strictObject({
  version: z.literal(STORAGES_VERSION),
  defaultId: z.string().default(OWN_PLACE_ID),
  places: z.array(storedPlaceSchema).max(PLACES_MAX).default([]),
});

interface Place extends StoredPlace {
  /** Undefined while it is not mounted. */
  folder?: SlowFolder;
  mounted?: MountedShare;
  writable: boolean;
  problem: string;
  /** Mounting goes on: never two at once. */
  mounting?: Promise<void>;
}

export interface StoragesOptions {
  dataDir: string;
  /** The console's own image folder, which is always there. */
  ownDir: string;
  /** Shares and disks are mounted below it. */
  mountsDir: string;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  logger: Logger;
  /** Closes what is open below a folder; false when a job uses it. */
  release?: (dir: string) => Promise<boolean>;
  /** Replaced in tests. */
  mount?: typeof mountShare;
  lookIntervalMs?: number;
}

/**
 * The places for images: the console's own folder and what an administrator added, in `storages.json` of the data directory.
 * Places are mounted in the background and looked after; one that is down is listed with its problem and tried again.
 */
export class Storages implements AsyncDisposable {
  readonly #path: string;
  readonly #options: StoragesOptions;
  readonly #own: SlowFolder;
  readonly #places: Place[];
  readonly #stop = new AbortController();
  #defaultId: string;
  #looking: Promise<void> = Promise.resolve();

  private constructor(options: StoragesOptions, path: string, stored: z.output<typeof storedSchema>) {
    this.#options = options;
    this.#path = path;
    this.#own = new SlowFolder(options.ownDir);
    this.#defaultId = stored.defaultId;
    this.#places = stored.places.map((place) => ({
      ...place,
      writable: false,
      problem: 'it is being connected; wait a moment',
    }));
  }

  /** @throws TdError `damaged` when the file is there but cannot be used. */
  static async open(options: StoragesOptions): Promise<Storages> {
    const path = join(options.dataDir, 'storages.json');
    const stored = await readJsonFile(path, {
      schema: storedSchema,
      what: 'the image storage',
      version: STORAGES_VERSION,
      advice: 'correct the file, or move it away and add the places again',
    });
    return new Storages(options, path, stored ?? storedSchema.parse({ version: STORAGES_VERSION }));
  }

  /** Connects every place, without waiting for any, and looks after them until it is closed. */
  start(): void {
    this.#looking = this.#lookAfter();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking;
    for (const place of this.#places) await place.mounted?.[Symbol.asyncDispose]().catch(() => {});
  }

  /** Where images are looked for beside the own folder: what is connected now. */
  imagePlaces(): ImagePlace[] {
    return this.#places.flatMap(({ id, folder }) => (folder === undefined ? [] : [{ id, folder }]));
  }

  /** Folders of the places that can be used, the own one first; no place is asked, so that a slow one delays nobody. */
  readyFolders(): { name: string; path: string }[] {
    const others = this.#places.filter(({ problem }) => problem === '');
    const folders = others.flatMap(({ id, folder }) =>
      folder === undefined ? [] : [{ name: id, path: folder.dir }],
    );
    return [{ name: OWN_PLACE_ID, path: this.#own.dir }, ...folders];
  }

  /** Shares with where they are mounted, and why one cannot be used now. */
  shares(): SharePlace[] {
    const shares = this.#places.filter(({ kind }) => kind === 'smb' || kind === 'nfs');
    return shares.map(({ kind, source, folder, problem }) => ({
      kind,
      source,
      path: folder?.dir ?? '',
      problem,
    }));
  }

  /** Where captures go. A place that is down is not replaced in silence: writing there fails with its reason. */
  captureFolder(): SlowFolder {
    if (this.#defaultId === OWN_PLACE_ID) return this.#own;
    const place = this.#places.find((one) => one.id === this.#defaultId);
    if (place?.folder !== undefined && place.problem === '') return place.folder;
    throw new TdError(
      'network',
      `Cannot store images in "${this.#defaultId}": ${place?.problem ?? 'it is gone'}; or choose another default place`,
    );
  }

  async list(): Promise<StoragePlace[]> {
    const own: Place = {
      ...storedPlaceSchema.parse({ id: OWN_PLACE_ID, kind: 'folder', source: this.#own.dir }),
      folder: this.#own,
      writable: true,
      problem: '',
    };
    return await Promise.all([own, ...this.#places].map((place) => this.#view(place)));
  }

  /**
   * Connects a place and remembers it; a place that cannot be used now is not remembered.
   *
   * @throws TdError saying why it cannot be used; see mountShare.
   */
  async add(request: NewStorage): Promise<StoragePlace> {
    const { user = '', domain = '', password = '' } = request;
    const { source, label } = sourceOf(request);
    const same = this.#places.find((one) => one.kind === request.kind && one.source === source);
    if (same !== undefined || source === this.#own.dir) {
      throw new TdError(
        'refused',
        `Cannot add "${source}": it is a place already, "${same?.id ?? OWN_PLACE_ID}"`,
      );
    }
    if (this.#places.length >= PLACES_MAX) {
      throw new TdError(
        'refused',
        `Cannot add "${source}": there are ${PLACES_MAX} places; remove one first`,
      );
    }
    const tag = async (name: 'UUID' | 'LABEL') =>
      request.kind === 'usb' ? await filesystemTag(source, name) : '';
    const place: Place = {
      ...{ id: this.#newId((await tag('LABEL')) || label), kind: request.kind, source, user, domain },
      uuid: await tag('UUID'),
      password: this.#options.secrets.seal(password),
      writable: false,
      problem: '',
    };
    await this.#connect(place);
    try {
      if (request.makeDefault === true) this.#checkDefault(place);
      const isDefault = request.makeDefault === true;
      await this.#save([...this.#places, place], isDefault ? place.id : this.#defaultId);
    } catch (error) {
      await place.mounted?.[Symbol.asyncDispose]();
      throw error;
    }
    this.#places.push(place);
    if (request.makeDefault === true) this.#defaultId = place.id;
    return await this.#view(place);
  }

  /** Disconnects and forgets a place; its images stay where they are. @throws TdError `not-found`, `refused` in use. */
  async remove(id: string): Promise<void> {
    const place = this.#find(id, 'remove');
    if (place.folder !== undefined && (await this.#options.release?.(place.folder.dir)) === false) {
      throw new TdError(
        'refused',
        `Cannot remove "${id}": a job uses an image there; wait until it has ended`,
      );
    }
    if (place.mounted !== undefined) await unmountShare(place.mounted.path, { refuseBusy: true });
    const defaultId = this.#defaultId === id ? OWN_PLACE_ID : this.#defaultId;
    const rest = this.#places.filter((one) => one !== place);
    delete place.folder;
    delete place.mounted;
    await this.#save(rest, defaultId);
    this.#places.splice(this.#places.indexOf(place), 1);
    this.#defaultId = defaultId;
  }

  /** Captures go there from now on. @throws TdError `not-found`, `refused` when it cannot be written to. */
  async setDefault(id: string): Promise<void> {
    if (id !== OWN_PLACE_ID) this.#checkDefault(this.#find(id, 'choose'));
    await this.#save(this.#places, id);
    this.#defaultId = id;
  }

  #checkDefault(place: Place): void {
    const why = place.problem !== '' ? place.problem : place.writable ? '' : 'it cannot be written to';
    if (why !== '') throw new TdError('refused', `Cannot store images in "${place.source}": ${why}`);
  }

  #find(id: string, verb: string): Place {
    const place = this.#places.find((one) => one.id === id);
    if (place !== undefined) return place;
    const why = id === OWN_PLACE_ID ? "it is the console's own folder" : 'there is no place of that name';
    throw new TdError(id === OWN_PLACE_ID ? 'refused' : 'not-found', `Cannot ${verb} "${id}": ${why}`);
  }

  async #save(places: readonly Place[], defaultId: string): Promise<void> {
    const stored = places.map(({ id, kind, source, uuid, user, domain, password }) => ({
      ...{ id, kind, source, uuid, user, domain, password },
    }));
    await writeJsonFile(this.#path, { version: STORAGES_VERSION, defaultId, places: stored });
  }

  #newId(label: string): string {
    const plain =
      label
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '-')
        .replace(/^-|-$/g, '')
        .slice(0, 30) || 'place';
    const taken = new Set([OWN_PLACE_ID, ...this.#places.map((one) => one.id)]);
    for (let n = 1; ; n += 1) {
      const id = n === 1 ? plain : `${plain}-${n}`;
      if (!taken.has(id)) return id;
    }
  }

  async #lookAfter(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // Each for itself: a server that is down holds nobody up.
      await Promise.all(this.#places.map((place) => this.#lookAt(place)));
      await sleep(this.#options.lookIntervalMs ?? LOOK_INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #lookAt(place: Place): Promise<void> {
    const before = place.problem;
    try {
      if (place.mounted !== undefined && (await isUnplugged(place))) {
        await place.mounted[Symbol.asyncDispose]();
        delete place.mounted;
        delete place.folder;
      }
      if (place.folder === undefined) await this.#connect(place);
      else if (place.problem !== '') await this.#examine(place, place.folder);
    } catch (error) {
      place.problem = errorLine(error);
    }
    if (place.problem === before) return;
    const fields = { place: place.id, problem: place.problem };
    if (place.problem === '') this.#options.logger.info(fields, 'a place for images is connected');
    else this.#options.logger.warn(fields, 'a place for images cannot be used');
  }

  async #connect(place: Place): Promise<void> {
    place.mounting ??= this.#mount(place).finally(() => {
      delete place.mounting;
    });
    await place.mounting;
  }

  async #mount(place: Place): Promise<void> {
    if (place.kind === 'folder') {
      const folder = new SlowFolder(place.source);
      await this.#examine(place, folder);
      place.folder = folder;
      return;
    }
    const mountPoint = join(this.#options.mountsDir, place.id);
    // What a killed console left.
    const left = (await listMounts()).some((mount) => mount.mountPoint === mountPoint);
    if (left) await unmountShare(mountPoint);
    const mounted = await (this.#options.mount ?? mountShare)(await this.#request(place), { mountPoint });
    try {
      const folder = new SlowFolder(mounted.path);
      await this.#examine(place, folder);
      place.mounted = mounted;
      place.folder = folder;
    } catch (error) {
      await mounted[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }

  async #request(place: Place): Promise<ShareRequest> {
    const { kind, source, uuid, user, domain } = place;
    const device = uuid === '' ? undefined : await deviceOfUuid(uuid);
    if (uuid !== '' && device === undefined) {
      throw new TdError('not-found', `Cannot use "${source}": the disk is not plugged in`);
    }
    const password = this.#options.secrets.open(place.password);
    return { kind: kind as ShareRequest['kind'], source: device ?? source, user, domain, password };
  }

  /** Whether it can be read, and written to. @throws TdError when it cannot be read. */
  async #examine(place: Place, folder: SlowFolder): Promise<void> {
    const found = await folder
      .ask(() => stat(folder.dir))
      .catch((cause: unknown) => {
        throw folderProblem(folder.dir, cause);
      });
    if (!found.isDirectory()) throw new TdError('usage', `Cannot use "${folder.dir}": it is not a folder`);
    place.writable = await folder.ask(() => canWrite(folder.dir));
    place.problem = '';
  }

  async #view(place: Place): Promise<StoragePlace> {
    const { id, kind, source, user, folder, writable } = place;
    let { problem } = place;
    let [freeBytes, totalBytes] = [0, 0];
    if (folder !== undefined) {
      try {
        const space = await folder.ask(() => statfs(folder.dir));
        freeBytes = space.bavail * space.bsize;
        totalBytes = space.blocks * space.bsize;
      } catch (error) {
        problem = errorLine(folderProblem(folder.dir, error));
        if (id !== OWN_PLACE_ID) place.problem = problem;
      }
    }
    const isDefault = id === this.#defaultId;
    const path = folder?.dir ?? '';
    return { id, kind, source, user, path, freeBytes, totalBytes, isDefault, writable, problem };
  }
}

function sourceOf(request: NewStorage): { source: string; label: string } {
  if (request.kind !== 'folder') return parseShareSource(request.kind, request.source);
  const source = request.source.replace(/(?<=.)\/+$/, '');
  if (!isAbsolute(source) || /[\x00-\x1f\x7f]/.test(source)) {
    throw new TdError('usage', `Cannot use ${JSON.stringify(source)} as a folder: it must begin with /`);
  }
  return { source, label: source.split('/').at(-1) || 'root' };
}

async function isUnplugged(place: Place): Promise<boolean> {
  const device = place.mounted?.source.source ?? '';
  if (place.kind !== 'usb') return false;
  return await stat(device).then(
    () => false,
    (error) => errnoOf(error) === 'ENOENT',
  );
}

/** Tried, not asked for: root may do everything until a server says no. */
async function canWrite(dir: string): Promise<boolean> {
  const path = join(dir, `.totaldeploy-${randomBytes(6).toString('hex')}`);
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    // A full one can be written to again when there is room.
    return errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
  } finally {
    await rm(path, { force: true }).catch(() => {});
  }
}

function folderProblem(dir: string, cause: unknown): TdError {
  if (cause instanceof TdError) return cause;
  const errno = errnoOf(cause);
  if (errno === 'ENOENT')
    return new TdError('not-found', `Cannot use "${dir}": there is no such folder`, { cause });
  const why = errno === 'EACCES' ? 'you have no right to it' : errorLine(cause);
  return new TdError('io', `Cannot use "${dir}": ${why}`, { cause });
}
