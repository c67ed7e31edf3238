import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { globToRegExp } from './rootfs-glob.ts';
import { runFrom } from './rootfs-run.ts';

/** A kernel's module tree as its package brings it, plus the dependency file depmod made. */
export interface KernelTree {
  version: string;
  /** `…/lib/modules/VERSION`. */
  dir: string;
  vmlinuz: string;
}

/** Files beside the modules that depmod and modprobe read. */
const TABLES = ['modules.builtin', 'modules.builtin.modinfo', 'modules.order'];

/**
 * Finds the one kernel of an unpacked kernel package.
 *
 * @throws TdError `invalid` when there is not exactly one.
 */
export async function findKernel(root: string): Promise<KernelTree> {
  const versions = await readdir(join(root, 'usr/lib/modules'));
  const version = versions[0];
  if (version === undefined || versions.length !== 1) {
    throw new TdError(
      'invalid',
      `Cannot use the kernel in "${root}": ${versions.length} module trees, not one`,
    );
  }
  return {
    version,
    dir: join(root, 'usr/lib/modules', version),
    vmlinuz: join(root, `boot/vmlinuz-${version}`),
  };
}

/** Finds the kernel and has depmod work out its modules' dependencies. */
export async function openKernelTree(root: string, tools: string): Promise<KernelTree> {
  const kernel = await findKernel(root);
  await depmod(tools, root, kernel.version);
  return kernel;
}

/**
 * Chooses modules by glob lines (`!` takes away), then adds all they depend on.
 *
 * @param lines globs below `kernel/`, without the file's ending; the last line that matches decides.
 * @param dependencies text of `modules.dep`.
 * @returns paths as modules.dep has them (`kernel/…/x.ko.xz`), sorted.
 * @throws TdError `invalid` naming a line that adds nothing: a driver was renamed or the line mistyped.
 */
export function chooseModules(lines: readonly string[], dependencies: string): string[] {
  const needs = new Map<string, string[]>();
  for (const line of dependencies.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0)
      needs.set(
        line.slice(0, colon),
        line
          .slice(colon + 1)
          .split(' ')
          .filter(Boolean),
      );
  }
  const chosen = new Set<string>();
  for (const line of lines) {
    const away = line.startsWith('!');
    const pattern = globToRegExp(`kernel/${away ? line.slice(1) : line}`);
    const matches = [...needs.keys()].filter((path) => pattern.test(path.replace(/\.ko(\.\w+)?$/, '')));
    if (matches.length === 0 && !away) {
      throw new TdError(
        'invalid',
        `Cannot choose kernel modules: no module matches "${line}"; correct the list`,
      );
    }
    for (const path of matches) {
      if (away) chosen.delete(path);
      else chosen.add(path);
    }
  }
  const all = new Set<string>();
  for (const path of chosen) {
    all.add(path);
    for (const needed of needs.get(path) ?? []) all.add(needed); // depmod lists the whole chain
  }
  return [...all].sort();
}

/** Lines of a list file without comments. */
export async function readListLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean);
}

/**
 * Puts modules into a root with fresh depmod tables. They stay compressed one by one: the archive is no bigger than
 * one compressed as a whole, and only the few modules that get loaded are unpacked at boot.
 */
export async function installModules(
  kernel: KernelTree,
  modules: readonly string[],
  options: { root: string; tools: string },
): Promise<void> {
  const to = join(options.root, 'usr/lib/modules', kernel.version);
  await mkdir(to, { recursive: true });
  for (const name of TABLES) await copyFile(join(kernel.dir, name), join(to, name));
  for (const path of modules) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await copyFile(join(kernel.dir, path), join(to, path));
  }
  await depmod(options.tools, options.root, kernel.version);
}

async function depmod(tools: string, root: string, version: string): Promise<void> {
  const args = ['-b', join(root, 'usr'), version];
  await runFrom(tools, 'usr/bin/kmod', { name: 'depmod', args });
}
