import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join, resolve as resolvePath } from 'node:path';
import { errnoOf, TdError } from '../lib/errors.ts';

const MIB = 1024 * 1024;
const READ_BYTES_MAX = 64 * MIB;
const TEXT_BYTES_MAX = 16 * MIB;
/** As the kernel's own limit (path_resolution(7)). */
const LINKS_MAX = 40;
const NEW_FILE_MODE = 0o644;

export interface WriteOptions {
  /** Default: of the file it replaces, else 0644. */
  mode?: number;
  /** Default: of the file it replaces, else of this process. */
  uid?: number;
  gid?: number;
}

/**
 * The file tree of a mounted, stopped system. Every path is resolved inside it as if by chroot: symbolic links are
 * followed, but neither they nor `..` lead out. Only regular files are read and replaced, never devices or pipes.
 *
 * Errors are `TdError`s `not-found`, `invalid` (no regular file, too large, a loop of links) or what the system says.
 */
export class SystemRoot {
  readonly dir: string;
  /** Outside paths of files that got new content, to be compared when the system is mounted again. */
  readonly written = new Set<string>();
  readonly #caseInsensitive: boolean;

  /** @param options.caseInsensitive for Windows: names match in any case, and backslashes separate too. */
  constructor(dir: string, options: { caseInsensitive?: boolean } = {}) {
    this.dir = resolvePath(dir);
    this.#caseInsensitive = options.caseInsensitive ?? false;
  }

  /** The path outside of what `path` is inside, links followed; its last parts need not be there. */
  async resolve(path: string): Promise<string> {
    return this.#walk(path, { followLast: true });
  }

  /** False too for a link that leads nowhere. */
  async exists(path: string): Promise<boolean> {
    return (await this.stat(path)) !== undefined;
  }

  /** Undefined when there is nothing. */
  async stat(path: string): Promise<Stats | undefined> {
    return statOf(await this.resolve(path));
  }

  /** Sorted names in a folder; empty when there is no such folder. */
  async list(path: string): Promise<string[]> {
    const host = await this.resolve(path);
    if (!(await statOf(host))?.isDirectory()) return [];
    return (await readdir(host)).sort();
  }

  /** @param options.bytesMax default 64 MiB; a larger file is `invalid`. */
  async read(path: string, options: { bytesMax?: number } = {}): Promise<Buffer> {
    const { bytesMax = READ_BYTES_MAX } = options;
    const host = await this.resolve(path);
    const size = (await this.#regularFile(host, `read "${path}"`))?.size;
    if (size === undefined) throw new TdError('not-found', `Cannot read "${path}": it is not there`);
    const tooLarge = () =>
      new TdError('invalid', `Cannot read "${path}": it is larger than ${bytesMax} bytes`);
    if (size > bytesMax) throw tooLarge();
    await using file = await open(host, 'r');
    const bytes = await file.readFile();
    if (bytes.length > bytesMax) throw tooLarge();
    return bytes;
  }

  /** As UTF-8; at most 16 MiB, for hosts files that block advertisers. */
  async readText(path: string): Promise<string> {
    return (await this.read(path, { bytesMax: TEXT_BYTES_MAX })).toString('utf8');
  }

  /** Replaces a file whole: folders are made, data is written beside, flushed and renamed. */
  async write(
    path: string,
    data: Buffer | string | AsyncIterable<Buffer>,
    options: WriteOptions = {},
  ): Promise<void> {
    const host = await this.resolve(path);
    const old = await this.#regularFile(host, `write "${path}"`);
    const mode = options.mode ?? (old ? old.mode & 0o7777 : NEW_FILE_MODE);
    await mkdir(dirname(host), { recursive: true });
    const beside = join(dirname(host), `.td-new-${randomUUID()}`);
    try {
      {
        // Nobody else may read a secret while it is written.
        await using file = await open(beside, 'wx', mode & 0o700);
        await file.writeFile(data);
        const made = await file.stat();
        const [uid, gid] = [options.uid ?? old?.uid ?? made.uid, options.gid ?? old?.gid ?? made.gid];
        if (uid !== made.uid || gid !== made.gid) await chown(beside, uid, gid);
        if ((made.mode & 0o7777) !== mode) await chmod(beside, mode);
        await file.sync();
      }
      await rename(beside, host);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
    this.written.add(host);
    await flushFolder(dirname(host));
  }

  /** A file, a link itself, or a folder with all in it; nothing when it is not there. */
  async remove(path: string): Promise<void> {
    const host = await this.#walk(path, { followLast: false });
    if (host === this.dir) throw new TdError('invalid', `Cannot remove "${path}": it is the root itself`);
    await rm(host, { recursive: true, force: true });
  }

  /** With its parents; `mode` (default 0755) is for the last one, when it is new. */
  async makeDir(path: string, options: { mode?: number } = {}): Promise<void> {
    const host = await this.resolve(path);
    const made = await mkdir(host, { recursive: true });
    if (made !== undefined && options.mode !== undefined) await chmod(host, options.mode);
  }

  /** Puts a symbolic link in the place of whatever is there; the target is text, not looked up. */
  async makeLink(path: string, target: string): Promise<void> {
    const host = await this.#walk(path, { followLast: false });
    await mkdir(dirname(host), { recursive: true });
    const beside = join(dirname(host), `.td-new-${randomUUID()}`);
    await symlink(target, beside);
    try {
      await rename(beside, host);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }

  /** What a symbolic link says; undefined for anything else. */
  async linkTarget(path: string): Promise<string | undefined> {
    try {
      return await readlink(await this.#walk(path, { followLast: false }));
    } catch (error) {
      if (['ENOENT', 'EINVAL', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** Renames, a link itself; folders of the new path are made, what is there is replaced. */
  async move(from: string, to: string): Promise<void> {
    const source = await this.#walk(from, { followLast: false });
    const target = await this.#walk(to, { followLast: false });
    await mkdir(dirname(target), { recursive: true });
    await rename(source, target);
  }

  async #regularFile(host: string, action: string): Promise<Stats | undefined> {
    const stats = await statOf(host);
    if (stats && !stats.isFile()) throw new TdError('invalid', `Cannot ${action}: it is no regular file`);
    return stats;
  }

  async #walk(path: string, options: { followLast: boolean }): Promise<string> {
    if (path.includes('\0')) throw new TdError('invalid', 'Cannot use a path with a NUL in it');
    const ahead = this.#parts(path).reverse();
    let host = this.dir;
    let links = 0;
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === '..') {
        host = host === this.dir ? host : dirname(host);
        continue;
      }
      const next = await this.#child(host, part);
      const target = ahead.length > 0 || options.followLast ? await linkText(next) : undefined;
      if (target === undefined) {
        host = next;
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) throw new TdError('invalid', `Cannot resolve "${path}": a loop of links`);
      if (target.startsWith('/')) host = this.dir;
      ahead.push(...this.#parts(this.#insideLink(target)).reverse());
    }
    return host;
  }

  #parts(path: string): string[] {
    const parts = path.split(this.#caseInsensitive ? /[/\\]/ : '/');
    return parts.filter((part) => part !== '' && part !== '.');
  }

  /** ntfs-3g shows junctions as absolute links through its own mount point. */
  #insideLink(target: string): string {
    return this.#caseInsensitive && `${target}/`.startsWith(`${this.dir}/`)
      ? target.slice(this.dir.length)
      : target;
  }

  async #child(folder: string, name: string): Promise<string> {
    const exact = join(folder, name);
    if (!this.#caseInsensitive || (await lstatOf(exact))) return exact;
    const wanted = name.toLowerCase();
    const names = await readdir(folder).catch(() => []);
    const match = names.sort().find((each) => each.toLowerCase() === wanted);
    return match === undefined ? exact : join(folder, basename(match));
  }
}

async function linkText(host: string): Promise<string | undefined> {
  return (await lstatOf(host))?.isSymbolicLink() ? readlink(host) : undefined;
}

async function statOf(host: string): Promise<Stats | undefined> {
  return ifThere(stat(host));
}

async function lstatOf(host: string): Promise<Stats | undefined> {
  return ifThere(lstat(host));
}

async function ifThere(stats: Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await stats;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The rename itself must be on the disk too. */
async function flushFolder(host: string): Promise<void> {
  await using folder = await open(host, 'r');
  await folder.sync();
}
