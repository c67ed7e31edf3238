import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  cp,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { run } from '../src/lib/spawn.ts';
import {
  fetchPackages,
  kernelRoot,
  type PackageFile,
  packagesDigest,
  toolsRoot,
  unpackPackages,
} from './packages.ts';
import { globToRegExp } from './rootfs-glob.ts';
import { installLibraries, listTree } from './rootfs-libraries.ts';
import { chooseModules, installModules, openKernelTree, readListLines } from './rootfs-modules.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const APPLIANCE = join(PROJECT, 'appliance');
const CACHE = join(PROJECT, 'dist/cache');

const MERGED_DIRS = ['bin', 'sbin', 'lib', 'lib64'];
const EMPTY_DIRS = [
  'proc',
  'sys',
  'dev',
  'run',
  'tmp',
  'root',
  'mnt',
  'var/log',
  'var/tmp',
  'etc/totaldeploy',
];
const SPECIAL_MODES = new Map([
  ['tmp', 0o1777],
  ['var/tmp', 0o1777],
  ['root', 0o700],
]);
/** Applets that would stand in for programs they are no full replacement of, or that do harm here. */
const APPLETS_LEFT_OUT = [
  'dpkg',
  'dpkg-deb',
  'rpm',
  'rpm2cpio',
  'linuxrc',
  'run-init',
  'busybox',
  'mke2fs',
  'mkdosfs',
];

/**
 * Builds the Pre-OS root without the program: unpacked packages, the libraries they need, kernel modules and the
 * overlay `appliance/rootfs`. No maintainer script runs.
 *
 * @returns the folder; it is the same as before when nothing it is made of changed.
 */
export async function buildRootfs(): Promise<string> {
  const packages = await fetchPackages();
  const root = join(CACHE, 'rootfs');
  const stamp = join(CACHE, 'rootfs.stamp');
  const digest = await inputDigest(packages, { folders: ['rootfs', 'wim'], code: ['packages', 'rootfs'] });
  if (existsSync(root) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest) return root;
  await rm(stamp, { force: true });
  await rm(root, { recursive: true, force: true });
  const partial = `${root}.partial`;
  await rm(partial, { recursive: true, force: true });
  await assembleRootfs(packages, partial);
  await rename(partial, root);
  await writeFile(stamp, digest);
  return root;
}

/** Puts the root together in `root`, which must not exist. */
export async function assembleRootfs(packages: readonly PackageFile[], root: string): Promise<void> {
  await unpackPackages(
    packages.filter((entry) => entry.section === 'root'),
    root,
  );
  await exclude(root, await readListLines(join(APPLIANCE, 'wim/exclude.list')));
  await makeDirectories(root);
  const keep = await readListLines(join(APPLIANCE, 'wim/keep.list'));
  const tools = await toolsRoot();
  await installLibraries(root, tools, { keep });
  await cp(join(APPLIANCE, 'rootfs'), root, { recursive: true, verbatimSymlinks: true });
  await installApplets(root);
  const kernel = await openKernelTree(await kernelRoot(), tools);
  const lines = await readListLines(join(APPLIANCE, 'wim/modules.list'));
  const modules = chooseModules(lines, await readFile(join(kernel.dir, 'modules.dep'), 'utf8'));
  await installModules(kernel, modules, { root, tools });
  await removeEmptyDirectories(join(root, 'usr'));
  await shortenLinkChains(root);
  await setOwnersAndModes(root);
  await checkPrograms(root);
}

/** A link to a link becomes one to the end of the chain: to read the first must not touch the second's times. */
async function shortenLinkChains(root: string): Promise<void> {
  for (const path of await listTree(root)) {
    const full = join(root, path);
    if (!(await lstat(full)).isSymbolicLink()) continue;
    let target = await readlink(full);
    const at = () => join(dirname(full), target);
    while (!isAbsolute(target) && existsSync(at()) && (await lstat(at())).isSymbolicLink()) {
      const next = await readlink(at());
      target = isAbsolute(next) ? next : join(dirname(target), next);
    }
    if (target === (await readlink(full))) continue;
    await rm(full);
    await symlink(target, full);
  }
}

/**
 * Everything belongs to root and is plainly readable or executable, whatever the builder's umask and the packages'
 * set-user-id bits: there is one user in the Pre-OS.
 */
async function setOwnersAndModes(root: string): Promise<void> {
  for (const path of await listTree(root, { directories: true })) {
    const full = join(root, path);
    const entry = await lstat(full);
    if (process.getuid?.() === 0) await lchown(full, 0, 0);
    if (entry.isSymbolicLink()) continue;
    const mode =
      SPECIAL_MODES.get(path) ?? (entry.isDirectory() || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644);
    await chmod(full, mode);
  }
  await chmod(root, 0o755);
}

/**
 * Digest over packages, the named folders of `appliance/` and the build's own code: equal digests, equal result.
 *
 * @param options.code what the names of the code's files begin with.
 */
export async function inputDigest(
  packages: readonly PackageFile[],
  options: { folders: readonly string[]; code: readonly string[] },
): Promise<string> {
  const hash = createHash('sha256').update(packagesDigest(packages));
  const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.ts')).sort();
  for (const name of files) {
    const isMeant = options.code.some((start) => name.startsWith(start)) && !name.endsWith('.test.ts');
    if (isMeant) hash.update(await readFile(join(import.meta.dirname, name)));
  }
  for (const folder of options.folders) hash.update(await treeDigest(join(APPLIANCE, folder)));
  return hash.digest('hex');
}

/** SHA-256 over names, modes, link targets and contents of a folder. */
export async function treeDigest(root: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await listTree(root, { directories: true })) {
    const full = join(root, path);
    const entry = await lstat(full);
    hash.update(`${path}\0${entry.mode.toString(8)}\0`);
    if (entry.isSymbolicLink()) hash.update(await readlink(full));
    if (entry.isFile()) hash.update(await readFile(full));
  }
  return hash.digest('hex');
}

async function exclude(root: string, globs: readonly string[]): Promise<void> {
  const patterns = globs.map(globToRegExp);
  for (const path of await listTree(root)) {
    if (patterns.some((pattern) => pattern.test(path))) await rm(join(root, path));
  }
}

/** /bin, /sbin, /lib and /lib64 are links into /usr, as Debian has them since 12. */
async function makeDirectories(root: string): Promise<void> {
  for (const dir of MERGED_DIRS) {
    if (existsSync(join(root, dir))) {
      throw new TdError(
        'invalid',
        `Cannot build the root: a package has files in /${dir}, outside /usr; leave it out`,
      );
    }
    await mkdir(join(root, 'usr', dir), { recursive: true });
    await symlink(`usr/${dir}`, join(root, dir));
  }
  for (const dir of EMPTY_DIRS) await mkdir(join(root, dir), { recursive: true });
}

/** Links for busybox's applets, where no real program has the name. */
async function installApplets(root: string): Promise<void> {
  const { stdout } = await run(join(root, 'usr/bin/busybox'), ['--list']);
  for (const applet of stdout.split('\n').filter(Boolean)) {
    const taken = APPLETS_LEFT_OUT.includes(applet) || (await hasProgram(root, applet));
    if (!taken) await symlink('busybox', join(root, 'usr/bin', applet));
  }
}

async function hasProgram(root: string, name: string): Promise<boolean> {
  for (const dir of ['usr/bin', 'usr/sbin']) {
    const found = await lstat(join(root, dir, name)).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/** Packages leave folders behind whose files are all left out. */
async function removeEmptyDirectories(root: string): Promise<void> {
  const files = new Set(await listTree(root));
  const directories = (await listTree(root, { directories: true })).filter((path) => !files.has(path));
  for (const directory of directories.reverse()) {
    const path = join(root, directory);
    if ((await readdir(path)).length === 0) await rm(path, { recursive: true });
  }
}

async function checkPrograms(root: string): Promise<void> {
  for (const path of await readListLines(join(APPLIANCE, 'wim/programs.list'))) {
    const mode = await stat(join(root, path)).then(
      (entry) => entry.mode,
      () => 0,
    );
    if ((mode & 0o111) === 0) {
      throw new TdError(
        'invalid',
        `Cannot build the root: "/${path}" is not in it; a package dropped or renamed it`,
      );
    }
  }
}
