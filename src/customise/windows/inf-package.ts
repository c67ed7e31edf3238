import { TdError } from '../../lib/errors.ts';
import type { OfferedFile } from '../../schema/customisation.ts';
import type { InfSystem } from './inf-driver.ts';
import { type Inf, infSection, infValues } from './inf-file.ts';
import { FILE_NAME } from './inf-install.ts';

/** A file of a driver package, and where it lies below the folder of its setup information file. */
export interface PackageFile {
  path: string;
  file: OfferedFile;
}

/** The files of one folder of drivers, found by path in any case. */
export type OfferedFiles = ReadonlyMap<string, OfferedFile>;

export function offeredFiles(entries: readonly OfferedFile[]): OfferedFiles {
  return new Map(entries.map((entry) => [entry.path.toLowerCase(), entry]));
}

/**
 * The files a setup information file names: itself, its catalogues and its sources, as far as they are there.
 *
 * @param infPath of the file below its set.
 */
export function packageFiles(
  inf: Inf,
  infPath: string,
  context: { offered: OfferedFiles; system: InfSystem },
): PackageFile[] {
  const { offered, system } = context;
  const folder = folderOf(infPath);
  const catalogues = infSection(inf, 'Version')
    .filter(({ key }) => /^catalogfile(\.|$)/i.test(key))
    .flatMap(({ values }) => values.slice(0, 1));
  const sources = sourceSections(inf, system).flatMap((section) =>
    infSection(inf, section).flatMap(({ key }) => sourcePaths(inf, key, system)),
  );
  const paths = [infPath.slice(folder.length), ...catalogues, ...sources].map(cleanPath);
  return [...new Set(paths.filter((path) => path !== undefined))].flatMap((path) => {
    const file = offered.get(`${folder}${path}`.toLowerCase());
    return file === undefined ? [] : [{ path, file }];
  });
}

/**
 * Finds a file of a package: by the sources it names, else beside the setup information file, where
 * unpacked downloads often have all in one folder.
 *
 * @throws TdError `not-found` naming it.
 */
export function findPackageFile(
  inf: Inf,
  sourceName: string,
  context: { infPath: string; offered: OfferedFiles; system: InfSystem },
): PackageFile {
  const { infPath, offered, system } = context;
  const folder = folderOf(infPath);
  for (const candidate of [...sourcePaths(inf, sourceName, system), sourceName]) {
    const path = cleanPath(candidate);
    const file = path === undefined ? undefined : offered.get(`${folder}${path}`.toLowerCase());
    if (path !== undefined && file !== undefined) return { path, file };
  }
  const packed = `${folder}${sourceName.slice(0, -1)}_`.toLowerCase();
  const why = offered.has(packed) ? 'is packed as in setup media; unpack it with "expand"' : 'is missing';
  throw new TdError('not-found', `${sourceName} ${why}`);
}

function folderOf(infPath: string): string {
  return infPath.slice(0, infPath.lastIndexOf('/') + 1);
}

/** With slashes, below its folder; undefined for one that leaves it or that Windows would not take. */
function cleanPath(path: string): string | undefined {
  const parts = path.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  return parts.length > 0 && parts.every((part) => FILE_NAME.test(part)) ? parts.join('/') : undefined;
}

function sourceSections(inf: Inf, { architecture }: InfSystem, name = 'SourceDisksFiles'): string[] {
  return [`${name}.${architecture}`, name].filter((section) => inf.sections.has(section.toLowerCase()));
}

/** `file = disk, sub-folder` and `disk = description, tag, , folder`. */
function sourcePaths(inf: Inf, sourceName: string, system: InfSystem): string[] {
  return sourceSections(inf, system).flatMap((section) => {
    const [disk, subfolder = ''] = infValues(inf, section, sourceName);
    if (disk === undefined) return [];
    const folders = sourceSections(inf, system, 'SourceDisksNames').map(
      (names) => infValues(inf, names, disk)[3] ?? '',
    );
    return [...folders, ''].map((folder) => `${folder}/${subfolder}/${sourceName}`);
  });
}
