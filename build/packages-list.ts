import { readFile } from 'node:fs/promises';
import { TdError } from '../src/lib/errors.ts';

const SECTIONS = ['kernel', 'loaders', 'root', 'left-out'] as const;
export type PackageSection = (typeof SECTIONS)[number];
export type PackageList = Record<PackageSection, string[]>;

const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.*-]*$/;

/**
 * Reads a package list: `[section]` lines, one package name a line, `#` comments.
 *
 * @throws TdError `invalid` naming the line.
 */
export function parsePackageList(text: string, path: string): PackageList {
  const list: PackageList = { kernel: [], loaders: [], root: [], 'left-out': [] };
  let section: PackageSection | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const heading = /^\[(.*)\]$/.exec(entry)?.[1];
    if (heading !== undefined) {
      section = SECTIONS.find((name) => name === heading);
      if (section !== undefined) continue;
    }
    if (section === undefined || !PACKAGE_NAME.test(entry)) {
      const allowed = `a package name below one of ${SECTIONS.map((name) => `[${name}]`).join(' ')}`;
      throw new TdError('invalid', `Cannot read "${path}" line ${index + 1}: "${entry}" is not ${allowed}`);
    }
    list[section].push(entry);
  }
  return list;
}

export async function readPackageList(path: string): Promise<PackageList> {
  return parsePackageList(await readFile(path, 'utf8'), path);
}
