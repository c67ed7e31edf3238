import { isAbsolute, join } from 'node:path';
import { type MountedShare, mountShare } from '../disk/share-mount.ts';
import { parseShareSource, shareKindOf } from '../disk/share-source.ts';
import { TdError } from '../lib/errors.ts';
import { notAbsolute } from './target-files.ts';

/** A place for images that is a share. */
export interface SharePlace {
  kind: string;
  /** `//server/share/path` or `server:/export/path`. */
  source: string;
  /** Where it is mounted; empty while it is not. */
  path: string;
  problem: string;
}

export interface ShareFilesOptions {
  /** The console's image storage: its shares are mounted with their passwords already. */
  places(): SharePlace[];
  /** Where other shares are mounted for as long as a job needs them, as a guest. */
  mountsDir: string;
  /** Replaced in tests. */
  mount?: typeof mountShare;
}

/** Finds the files of a job that lie on shares; what it mounts for that it takes away again. */
export class ShareFiles implements AsyncDisposable {
  readonly #options: ShareFilesOptions;
  readonly #name: string;
  readonly #mounted = new Map<string, MountedShare>();

  /** @param name of the job, for the mount points. */
  constructor(name: string, options: ShareFilesOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** The path at this computer. @throws TdError `usage` for a wrong form; as `mountShare`. */
  async find(source: string): Promise<string> {
    const kind = shareKindOf(source);
    if (kind === undefined || kind === 'usb') {
      if (!isAbsolute(source)) throw notAbsolute();
      return source;
    }
    const wanted = parseShareSource(kind, source).source;
    for (const place of this.#options.places()) {
      const rest = place.kind === kind ? pathBelow(wanted, place.source) : undefined;
      if (rest === undefined) continue;
      if (place.problem !== '' || place.path === '') throw new TdError('network', place.problem);
      return join(place.path, rest);
    }
    if (kind === 'nfs') {
      throw new TdError('refused', 'add its export to the image storage first: "totaldeploy storage add"');
    }
    const [share = wanted] = /^\/\/[^/]+\/[^/]+/.exec(wanted) ?? [];
    return join(await this.#mount(share), wanted.slice(share.length));
  }

  async #mount(share: string): Promise<string> {
    const there = this.#mounted.get(share);
    if (there !== undefined) return there.path;
    const mountPoint = join(this.#options.mountsDir, `${this.#name}-${this.#mounted.size + 1}`);
    const request = { kind: 'smb' as const, source: share, readOnly: true };
    const mounted = await (this.#options.mount ?? mountShare)(request, { mountPoint });
    this.#mounted.set(share, mounted);
    return mounted.path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mounted of this.#mounted.values()) await mounted[Symbol.asyncDispose]().catch(() => {});
    this.#mounted.clear();
  }
}

/** Servers and shares are the same in upper and lower case. */
function pathBelow(path: string, top: string): string | undefined {
  const isBelow = `${path}/`.toLowerCase().startsWith(`${top.replace(/\/+$/, '')}/`.toLowerCase());
  return isBelow ? path.slice(top.length) : undefined;
}
