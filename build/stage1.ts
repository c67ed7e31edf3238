import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { type ArchiveEntry, encodeNewcArchive } from '../src/media/newc-archive.ts';
import { fetchPackages, kernelRoot, toolsRoot } from './packages.ts';
import { inputDigest } from './rootfs.ts';
import { neededLibraries } from './rootfs-libraries.ts';
import { chooseModules, installModules, openKernelTree, readListLines } from './rootfs-modules.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const APPLIANCE = join(PROJECT, 'appliance');
const CACHE = join(PROJECT, 'dist/cache');
const LIBRARY_DIR = 'usr/lib/x86_64-linux-gnu';

/** Scripts of the Pre-OS that stage 1 uses as they are. */
const SHARED_SCRIPTS = ['consoles', 'load-modules', 'on-device', 'udhcpc.script'];
/** What busybox reads of depmod's tables. */
const MODULE_TABLES = ['modules.dep', 'modules.alias', 'modules.symbols', 'modules.builtin'];
const EMPTY_DIRS = ['bin', 'sbin', 'usr/bin', 'usr/sbin', 'proc', 'sys', 'dev', 'run', 'tmp', 'etc', 'lib'];
const ZSTD_LEVEL = 19;

/**
 * Builds the stage 1 initramfs: busybox, wimlib, the drivers of `appliance/stage1/modules.list` and its scripts.
 *
 * @returns the path of the image in the cache; it is rebuilt only when something it is made of changed.
 */
export async function buildStage1(): Promise<string> {
  const packages = await fetchPackages();
  const image = join(CACHE, 'stage1.img');
  const stamp = join(CACHE, 'stage1.stamp');
  const digest = await inputDigest(packages, {
    folders: ['stage1', 'rootfs/usr/lib/totaldeploy'],
    code: ['packages', 'rootfs-', 'stage1'],
  });
  if (existsSync(image) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest) return image;
  await rm(stamp, { force: true });
  await writeFile(`${image}.partial`, await assembleStage1(join(CACHE, 'stage1-modules')));
  await rename(`${image}.partial`, image);
  await writeFile(stamp, digest);
  return image;
}

/**
 * Makes the image anew.
 *
 * @param work a folder for the modules; emptied first.
 */
export async function assembleStage1(work: string): Promise<Buffer> {
  const tools = await toolsRoot();
  return packStage1({ modules: await moduleEntries(tools, work), programs: await programEntries(tools) });
}

/**
 * Two archives one after the other, as the kernel allows: drivers are compressed one by one already and only those a
 * computer needs get unpacked; the rest is compressed as a whole.
 */
export function packStage1(entries: {
  modules: readonly ArchiveEntry[];
  programs: readonly ArchiveEntry[];
}): Buffer {
  const programs = zstdCompressSync(encodeNewcArchive(withFolders(entries.programs)), {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 0 },
  });
  const packed = Buffer.concat([encodeNewcArchive(withFolders(entries.modules)), programs]);
  // The boot loader appends further archives, which must begin at a multiple of four.
  return Buffer.concat([packed, Buffer.alloc((4 - (packed.length % 4)) % 4)]);
}

/** Puts the folders of all entries before them; sorted, so that equal sets give equal bytes. */
export function withFolders(entries: readonly ArchiveEntry[]): ArchiveEntry[] {
  const folders = new Set<string>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) folders.add(parts.slice(0, depth).join('/'));
  }
  const byPath = new Map<string, ArchiveEntry>();
  for (const path of folders) byPath.set(path, { path, permissions: 0o755 });
  for (const entry of entries) byPath.set(entry.path, entry);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function moduleEntries(tools: string, root: string): Promise<ArchiveEntry[]> {
  const kernel = await openKernelTree(await kernelRoot(), tools);
  const lines = await readListLines(join(APPLIANCE, 'stage1/modules.list'));
  const modules = chooseModules(lines, await readFile(join(kernel.dir, 'modules.dep'), 'utf8'));
  await rm(root, { recursive: true, force: true });
  await installModules(kernel, modules, { root, tools });
  const from = join(root, 'usr/lib/modules', kernel.version);
  const to = `lib/modules/${kernel.version}`;
  const entries: ArchiveEntry[] = [];
  for (const path of [...modules, ...MODULE_TABLES]) {
    entries.push({ path: `${to}/${path}`, permissions: 0o644, content: await readFile(join(from, path)) });
  }
  return entries;
}

async function programEntries(tools: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = EMPTY_DIRS.map((path) => ({ path, permissions: 0o755 }));
  const add = async (from: string, path: string) => {
    const { mode } = await stat(from);
    entries.push({ path, permissions: (mode & 0o111) === 0 ? 0o644 : 0o755, content: await readFile(from) });
  };
  await add(join(tools, 'usr/bin/busybox'), 'bin/busybox');
  await add(join(tools, 'usr/bin/wimlib-imagex'), 'usr/bin/wimlib-imagex');
  await add(join(tools, LIBRARY_DIR, 'ld-linux-x86-64.so.2'), 'lib64/ld-linux-x86-64.so.2');
  for (const name of await libraryNames(tools, 'usr/bin/wimlib-imagex')) {
    if (!name.startsWith('ld-linux')) await add(join(tools, LIBRARY_DIR, name), `${LIBRARY_DIR}/${name}`);
  }
  for (const name of SHARED_SCRIPTS) {
    await add(join(APPLIANCE, 'rootfs/usr/lib/totaldeploy', name), `usr/lib/totaldeploy/${name}`);
  }
  for (const name of await readdir(join(APPLIANCE, 'stage1'))) {
    if (name === 'init') await add(join(APPLIANCE, 'stage1/init'), 'init');
    else if (!name.endsWith('.list')) await add(join(APPLIANCE, 'stage1', name), `lib/${name}`);
  }
  return entries;
}

/** All libraries a program needs, with those they need. */
async function libraryNames(root: string, program: string): Promise<string[]> {
  const names = new Set<string>();
  let unseen = [program];
  while (unseen.length > 0) {
    const needs = [...(await neededLibraries(root, unseen)).values()]
      .flat()
      .filter((name) => !names.has(name));
    for (const name of needs) names.add(name);
    unseen = [...new Set(needs)].map((name) => join(LIBRARY_DIR, name));
  }
  return [...names].sort();
}
