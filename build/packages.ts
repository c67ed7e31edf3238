import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, matchesGlob, resolve } from 'node:path';
import { z } from 'zod';
import { run } from '../src/lib/spawn.ts';
import {
  machineMirrors,
  openApt,
  packageFileName,
  type ResolvedPackage,
  resolveClosure,
} from './packages-apt.ts';
import { type PackageList, readPackageList } from './packages-list.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const CACHE = join(PROJECT, 'dist/cache');
const DEBS = join(CACHE, 'debs');
const LOCK_FORMAT = 2;
const TOOL_PACKAGES = ['kmod', 'wimtools', 'busybox-static'];

const packageFile = z.object({
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
  sha256: z.string().length(64),
  sizeBytes: z.number().int().positive(),
  section: z.enum(['kernel', 'loaders', 'root', 'library']),
});
/** One fetched package; its file is `packagePath(entry)`. */
export type PackageFile = z.infer<typeof packageFile>;
const lockSchema = z.array(packageFile);

export interface FetchOptions {
  /** Debian mirror; default: the one in the machine's own apt sources. */
  mirror?: string;
  /** Ask the mirror for newer versions even though everything is in the cache. */
  refresh?: boolean;
  /** Default `appliance/packages.list`. */
  listPath?: string;
}

/**
 * Fetches the Debian packages of `appliance/packages.list` and all shared libraries they may need, verified by apt
 * with the Debian archive keyring. Uses the network only when the cache under `dist/cache` misses something.
 *
 * @returns the packages sorted by name.
 */
export async function fetchPackages(options: FetchOptions = {}): Promise<PackageFile[]> {
  const listPath = options.listPath ?? join(PROJECT, 'appliance/packages.list');
  const list = await readPackageList(listPath);
  const digest = createHash('sha256')
    .update(JSON.stringify([LOCK_FORMAT, list]))
    .digest('hex');
  const lock = join(CACHE, 'apt', `resolved-${digest.slice(0, 16)}.json`);
  if (!options.refresh) {
    const known = await readLock(lock);
    if (known !== undefined && (await allCached(known))) return known;
  }
  await mkdir(DEBS, { recursive: true });
  const machine = options.mirror === undefined ? await machineMirrors() : undefined;
  const apt = await openApt(join(CACHE, 'apt'), machine ?? { main: options.mirror!, security: undefined });
  await apt.get(['update', '-q']);
  const closure = await resolveClosure(apt, [...list.kernel, ...list.loaders, ...list.root]);
  const wanted = closure.flatMap((entry) => {
    const section = sectionOf(entry, list);
    return section === undefined ? [] : [{ ...entry, section }];
  });
  const missing = wanted.filter((entry) => !existsSync(packagePath(entry)));
  if (missing.length > 0) {
    // Fetched in a folder of their own: what is in the cache under its final name is complete and verified.
    const incoming = `${DEBS}.incoming`;
    await rm(incoming, { recursive: true, force: true });
    await mkdir(incoming, { recursive: true });
    await apt.get(['download', '-q', ...missing.map((entry) => `${entry.name}=${entry.version}`)], incoming);
    for (const entry of missing) await rename(join(incoming, packageFileName(entry)), packagePath(entry));
    await rm(incoming, { recursive: true, force: true });
  }
  const packages: PackageFile[] = [];
  for (const entry of wanted) packages.push({ ...entry, ...(await fileDigest(packagePath(entry))) });
  await writeFile(`${lock}.partial`, `${JSON.stringify(packages, null, 1)}\n`);
  await rename(`${lock}.partial`, lock);
  return packages;
}

/** Where the package's file is in the cache. */
export function packagePath(entry: ResolvedPackage): string {
  return join(DEBS, packageFileName(entry));
}

/** One digest over names, versions and contents: what an artefact made of these packages depends on. */
export function packagesDigest(packages: readonly PackageFile[]): string {
  const lines = packages.map((entry) => `${entry.name} ${entry.version} ${entry.sha256}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/**
 * Unpacks packages, without running anything of theirs, into `dir`.
 *
 * @param dir created; must not exist before, so that nothing old stays in it.
 */
export async function unpackPackages(packages: readonly PackageFile[], dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const entry of packages) await run('dpkg-deb', ['--extract', packagePath(entry), dir]);
}

/**
 * The boot-loader packages (shim, signed GRUB, GRUB's modules for BIOS and UEFI) unpacked: the folder has
 * `usr/lib/shim`, `usr/lib/grub/x86_64-efi-signed`, `usr/lib/grub/i386-pc`, `usr/lib/grub/x86_64-efi`.
 */
export async function loaderRoot(options: FetchOptions = {}): Promise<string> {
  const loaders = (await fetchPackages(options)).filter((entry) => entry.section === 'loaders');
  return unpackCached('loaders', loaders);
}

/** The kernel package unpacked: `boot/vmlinuz-VERSION`, `usr/lib/modules/VERSION`. */
export async function kernelRoot(options: FetchOptions = {}): Promise<string> {
  const kernel = (await fetchPackages(options)).filter((entry) => entry.section === 'kernel');
  return unpackCached('kernel', kernel);
}

/**
 * All shared libraries and the programs the build itself runs (kmod, wimlib-imagex, busybox), unpacked: run them by
 * `runFrom` of rootfs-run.ts.
 */
export async function toolsRoot(options: FetchOptions = {}): Promise<string> {
  const tools = (await fetchPackages(options)).filter(
    (entry) => entry.section === 'library' || TOOL_PACKAGES.includes(entry.name),
  );
  return unpackCached('tools', tools);
}

/** Unpacks into `dist/cache/NAME` unless exactly these packages are there already. */
async function unpackCached(name: string, packages: readonly PackageFile[]): Promise<string> {
  const dir = join(CACHE, name);
  const stamp = join(CACHE, `${name}.stamp`);
  const digest = packagesDigest(packages);
  if (existsSync(dir) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest) return dir;
  await rm(stamp, { force: true });
  await rm(dir, { recursive: true, force: true });
  await unpackPackages(packages, dir);
  await writeFile(stamp, digest);
  return dir;
}

/** Which part of the appliance a resolved package belongs to; undefined: none, it is not fetched. */
function sectionOf(entry: ResolvedPackage, list: PackageList): PackageFile['section'] | undefined {
  if (list['left-out'].some((glob) => matchesGlob(entry.name, glob))) return undefined;
  if (/^linux-image-\d/.test(entry.name)) return 'kernel';
  if (list.loaders.includes(entry.name)) return 'loaders';
  if (list.root.includes(entry.name)) return 'root';
  return entry.name.startsWith('lib') || entry.name === 'zlib1g' ? 'library' : undefined;
}

async function readLock(path: string): Promise<PackageFile[] | undefined> {
  try {
    return lockSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined; // missing, cut short or of an older format: resolved anew
  }
}

async function allCached(packages: readonly PackageFile[]): Promise<boolean> {
  const sizes = await Promise.all(
    packages.map((entry) =>
      stat(packagePath(entry)).then(
        (file) => file.size === entry.sizeBytes,
        () => false,
      ),
    ),
  );
  return sizes.every(Boolean);
}

/** SHA-256 and size of a file. */
export async function fileDigest(path: string): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const part of createReadStream(path)) {
    hash.update(part as Buffer);
    sizeBytes += (part as Buffer).length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}
