import { cp, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { run } from '../src/lib/spawn.ts';
import { globToRegExp } from './rootfs-glob.ts';

const LIBRARY_DIRS = ['usr/lib/x86_64-linux-gnu', 'usr/lib'];
const READELF_FILES_MAX = 400;

/**
 * Every file and link below `root`, as relative paths in a fixed order; directories only when asked for. Links to
 * directories are not followed.
 */
export async function listTree(root: string, options: { directories?: boolean } = {}): Promise<string[]> {
  const found: string[] = [];
  const pending = [''];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    for (const entry of await readdir(join(root, dir), { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) pending.push(path);
      if (!entry.isDirectory() || options.directories === true) found.push(path);
    }
  }
  return found.sort();
}

/**
 * Makes the programs in `root` runnable: copies the shared libraries they need, and those that these need, from
 * `libraryRoot`; removes programs whose library or script interpreter is nowhere to be had.
 *
 * @param options.keep globs of what is copied although no program names it (loaded at run time).
 * @returns what was removed, with the reason.
 */
export async function installLibraries(
  root: string,
  libraryRoot: string,
  options: { keep: readonly string[] },
): Promise<{ path: string; missing: string }[]> {
  const keep = options.keep.map(globToRegExp);
  for (const path of await listTree(libraryRoot)) {
    if (keep.some((pattern) => pattern.test(path))) {
      await copyLibrary(path, { from: libraryRoot, to: root });
    }
  }
  await copyLibrary('usr/lib64/ld-linux-x86-64.so.2', { from: libraryRoot, to: root });
  const removed: { path: string; missing: string }[] = [];
  let unseen = (await listTree(root)).filter((path) => /^usr\/(s?bin|lib|libexec)\//.test(path));
  while (unseen.length > 0) {
    const added: string[] = [];
    const needs = await neededLibraries(root, unseen);
    for (const [path, names] of needs) {
      for (const name of names) {
        if ((await findLibrary(name, root)) !== undefined) continue;
        const found = await findLibrary(name, libraryRoot);
        if (found === undefined) {
          removed.push({ path, missing: name });
        } else {
          await copyLibrary(found, { from: libraryRoot, to: root });
          added.push(found);
        }
      }
    }
    unseen = added;
  }
  for (const path of await scriptsWithoutInterpreter(root)) removed.push(path);
  for (const { path } of removed) await rm(join(root, path), { force: true });
  return removed;
}

/**
 * The shared libraries each ELF file among `paths` names (DT_NEEDED), by path; other files are left out.
 */
export async function neededLibraries(
  root: string,
  paths: readonly string[],
): Promise<Map<string, string[]>> {
  const binaries: string[] = [];
  for (const path of paths) {
    if ((await firstBytes(join(root, path), 4)) === '\x7fELF') binaries.push(path);
  }
  const needs = new Map<string, string[]>();
  for (let at = 0; at < binaries.length; at += READELF_FILES_MAX) {
    const group = binaries.slice(at, at + READELF_FILES_MAX);
    // /dev/null: with a single file readelf would leave the file's name out.
    const { stdout } = await run('readelf', ['-d', '-W', '/dev/null', ...group], {
      cwd: root,
      okCodes: [0, 1],
    });
    for (const [path, names] of parseNeeded(stdout)) needs.set(path, names);
  }
  return needs;
}

/** Reads `readelf -d` of several files. */
export function parseNeeded(text: string): Map<string, string[]> {
  const needs = new Map<string, string[]>();
  let names: string[] = [];
  for (const line of text.split('\n')) {
    const file = /^File: (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      names = [];
      needs.set(file, names);
    }
    const name = /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1];
    if (name !== undefined) names.push(name);
  }
  return needs;
}

async function findLibrary(name: string, root: string): Promise<string | undefined> {
  for (const dir of LIBRARY_DIRS) {
    const path = join(dir, name);
    const exists = await lstat(join(root, path)).then(
      () => true,
      () => false,
    );
    if (exists) return path;
  }
  return undefined;
}

/** Under the name programs ask for: libraries are links to a file with the full version, which nobody names. */
async function copyLibrary(path: string, { from, to }: { from: string; to: string }): Promise<void> {
  const target = join(to, path);
  await mkdir(dirname(target), { recursive: true });
  await cp(await realpath(join(from, path)), target, { preserveTimestamps: true });
}

async function scriptsWithoutInterpreter(root: string): Promise<{ path: string; missing: string }[]> {
  const found: { path: string; missing: string }[] = [];
  const present = new Set((await listTree(root)).map((path) => basename(path)));
  for (const path of await listTree(root)) {
    if (!/^(usr\/(s?bin|lib|libexec)|etc)\//.test(path)) continue;
    const line = await firstBytes(join(root, path), 80);
    const words = /^#! *(\S+)(?: +(\S+))?/.exec(line);
    if (words === null) continue;
    const interpreter = basename(words[1]!) === 'env' ? (words[2] ?? 'env') : words[1]!;
    if (!present.has(basename(interpreter))) found.push({ path, missing: interpreter });
  }
  return found;
}

async function firstBytes(path: string, bytes: number): Promise<string> {
  const isFile = await stat(path).then(
    (entry) => entry.isFile(),
    () => false, // a link to nowhere
  );
  if (!isFile) return '';
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}
