import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, lutimes, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { MEDIA_TIME_SECONDS } from '../src/media/media-tree.ts';
import { fetchPackages, fileDigest, toolsRoot } from './packages.ts';
import { buildRootfs, inputDigest } from './rootfs.ts';
import { listTree, neededLibraries } from './rootfs-libraries.ts';
import { readListLines } from './rootfs-modules.ts';
import { runFrom } from './rootfs-run.ts';
import { makeWimReproducible } from './wim-reproducible.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const CACHE = join(PROJECT, 'dist/cache');
const IMAGE_NAME = 'TotalDeploy Pre-OS';
const CAPTURE_TIMEOUT_MS = 15 * 60_000;

/**
 * Builds `totaldeploy.wim`: the Pre-OS root with the program as /usr/bin/totaldeploy.
 *
 * @param program the executable.
 * @returns the path of the WIM in the cache; it is rebuilt only when something it is made of changed.
 */
export async function buildWim(program: string): Promise<string> {
  const packages = await fetchPackages();
  const wim = join(CACHE, 'totaldeploy.wim');
  const stamp = join(CACHE, 'totaldeploy.wim.stamp');
  const digest = createHash('sha256')
    .update(await inputDigest(packages, { folders: ['rootfs', 'wim'], code: ['packages', 'rootfs', 'wim'] }))
    .update((await fileDigest(program)).sha256)
    .digest('hex');
  if (existsSync(wim) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === digest) return wim;
  await rm(stamp, { force: true });
  await captureWim({ root: await buildRootfs(), program, wim, work: join(CACHE, 'wim') });
  await writeFile(stamp, digest);
  return wim;
}

export interface CaptureOptions {
  root: string;
  program: string;
  /** The file to make. */
  wim: string;
  /** A folder for the program's copy. */
  work: string;
}

/**
 * Packs a root and the program into a WIM with Unix data and an integrity table. Equal contents give equal bytes: all
 * times are set to one, and what wimlib makes up is put right afterwards.
 *
 * @throws TdError `invalid` when the program needs a library the root does not have.
 */
export async function captureWim(options: CaptureOptions): Promise<void> {
  const { root, program, wim, work } = options;
  await mkdir(work, { recursive: true });
  const copy = join(work, 'totaldeploy');
  await copyFile(program, copy);
  await chmod(copy, 0o755);
  await checkLibraries(root, { work, name: 'totaldeploy' });
  await lutimes(copy, MEDIA_TIME_SECONDS, MEDIA_TIME_SECONDS);
  // Backwards: a folder comes after what is in it, and is not touched again.
  for (const path of ['', ...(await listTree(root, { directories: true }))].reverse()) {
    await lutimes(join(root, path), MEDIA_TIME_SECONDS, MEDIA_TIME_SECONDS);
  }
  const list = join(work, 'sources.list');
  await writeFile(list, `"${root}" "/"\n"${copy}" "/usr/bin/totaldeploy"\n`);
  const partial = `${wim}.partial`;
  await rm(partial, { force: true });
  const packing = await readListLines(join(PROJECT, 'appliance/wim/capture.list'));
  const args = ['capture', list, partial, IMAGE_NAME, '--source-list', `--threads=${availableParallelism()}`];
  const imagex = async (more: readonly string[]) =>
    runFrom(await toolsRoot(), 'usr/bin/wimlib-imagex', {
      args: more,
      run: { timeoutMs: CAPTURE_TIMEOUT_MS },
    });
  await imagex([...args, ...packing]);
  await makeWimReproducible(partial, MEDIA_TIME_SECONDS);
  await imagex(['info', partial, '1', '--check']);
  await rename(partial, wim);
}

async function checkLibraries(root: string, { work, name }: { work: string; name: string }): Promise<void> {
  const needs = (await neededLibraries(work, [name])).get(name) ?? [];
  const missing = needs.find(
    (library) =>
      !library.startsWith('ld-linux') && !existsSync(join(root, 'usr/lib/x86_64-linux-gnu', library)),
  );
  if (missing !== undefined) {
    throw new TdError(
      'invalid',
      `Cannot pack "${name}": it needs ${missing}; add it to appliance/wim/keep.list`,
    );
  }
}
