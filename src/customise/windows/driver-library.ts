import { errorLine, TdError } from '../../lib/errors.ts';
import type { FileSet, OfferedFile } from '../../schema/customisation.ts';
import type { OpenFile } from '../file-source.ts';
import { compareLists, type InfDriver, type InfSystem, readInfDriver } from './inf-driver.ts';
import { INF_BYTES_MAX, type Inf, parseInf } from './inf-file.ts';
import { type OfferedFiles, offeredFiles } from './inf-package.ts';

/** A setup information file that is for disks and for this Windows. */
export interface DriverPackage {
  /** Path of the setup information file in its folder of drivers. */
  infPath: string;
  inf: Inf;
  driver: InfDriver;
  offered: OfferedFiles;
}

/** What the offered folders of drivers hold for one Windows. */
export interface DriverLibrary {
  packages: DriverPackage[];
  /** How many setup information files there are in all. */
  infCount: number;
  /** One line for each that cannot be used. */
  problems: string[];
}

/** A package that is for a device, by one of the device's ids. */
export interface DriverMatch {
  package: DriverPackage;
  installSection: string;
  /** Ids of the device that the package names for that section, the closest first. */
  ids: MatchedId[];
}

export interface MatchedId {
  id: string;
  /** Only named as one the device is compatible with. */
  isCompatible: boolean;
}

/** A disc with the drivers of a whole product line has some hundred. */
const INFS_MAX = 2000;
/** Microsoft, "System-defined device setup classes": SCSIAdapter and HDC. */
const DISK_CLASSES = ['{4D36E97B-E325-11CE-BFC1-08002BE10318}', '{4D36E96A-E325-11CE-BFC1-08002BE10318}'];

/** Reads all setup information files of some folders; one that cannot be read is a problem, not an error. */
export async function readDriverLibrary(
  sets: readonly FileSet[],
  options: { openFile: OpenFile; system: InfSystem },
): Promise<DriverLibrary> {
  const library: DriverLibrary = { packages: [], infCount: 0, problems: [] };
  for (const set of sets) {
    const offered = offeredFiles(set.entries);
    for (const entry of set.entries.filter(({ path }) => /\.inf$/i.test(path))) {
      library.infCount += 1;
      if (library.infCount > INFS_MAX)
        throw new TdError('invalid', `Cannot use more than ${INFS_MAX} .inf files`);
      try {
        const inf = parseInf(
          await readWhole(entry, { openFile: options.openFile, bytesMax: INF_BYTES_MAX }),
          entry.path,
        );
        const driver = readInfDriver(inf, options.system);
        const isForDisks = DISK_CLASSES.includes(driver.classGuid) && driver.models.length > 0;
        if (isForDisks) library.packages.push({ infPath: entry.path, inf, driver, offered });
      } catch (error) {
        if (!(error instanceof TdError) || error.code !== 'invalid') throw error;
        library.problems.push(errorLine(error));
      }
    }
  }
  return library;
}

/** @throws TdError `invalid` when it is larger; what `openFile` throws. */
export async function readWhole(
  file: OfferedFile,
  options: { openFile: OpenFile; bytesMax: number },
): Promise<Buffer> {
  const { openFile, bytesMax } = options;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of openFile(file)) {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new TdError('invalid', `Cannot read "${file.path}": it is larger than ${bytesMax} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The packages for a device, the best first: by the closest id, then the newest. */
export function matchDrivers(library: DriverLibrary, deviceIds: readonly string[]): DriverMatch[] {
  const matches = library.packages.flatMap((each) => {
    const sections = [...new Set(each.driver.models.map(({ installSection }) => installSection))];
    return sections.map((installSection) => ({
      package: each,
      installSection,
      ids: matchedIds(each.driver, { installSection, deviceIds }),
    }));
  });
  const rank = ({ ids: [best] }: DriverMatch) =>
    best === undefined ? [] : [deviceIds.indexOf(best.id), best.isCompatible ? 1 : 0];
  const age = ({ package: { driver } }: DriverMatch) => [driver.dateMs, ...driver.version];
  return matches
    .filter(({ ids }) => ids.length > 0)
    .sort((a, b) => compareLists(rank(a), rank(b)) || compareLists(age(b), age(a)));
}

function matchedIds(
  { models }: InfDriver,
  wanted: { installSection: string; deviceIds: readonly string[] },
): MatchedId[] {
  const ofSection = models.filter(({ installSection }) => installSection === wanted.installSection);
  return wanted.deviceIds.flatMap((id) => {
    const places = ofSection.map(({ ids }) => ids.indexOf(id)).filter((place) => place >= 0);
    return places.length === 0 ? [] : [{ id, isCompatible: Math.min(...places) > 0 }];
  });
}
