import type { OpenFile } from '../file-source.ts';
import type { SystemRoot } from '../system-root.ts';
import type { HiveSet } from './hive-set.ts';
import type { SidChange } from './sid.ts';

/** What plans depend on, read once from a stopped Windows. */
export interface WindowsFacts {
  /** Folder of the system below its root as it is written there, e.g. `Windows` or `WINNT`. */
  systemDir: string;
  /** What the running system calls its own volume, e.g. `C:`. */
  systemDrive: string;
  /** XP is 5.1, Windows 7 is 6.1, Windows 10 and 11 are 10.0 with their build. */
  release: { major: number; minor: number; build: number };
  productName: string;
  architecture: 'x86' | 'amd64' | 'arm64';
  /** Names of all control sets, e.g. `ControlSet001`; the one it starts with first. */
  controlSets: string[];
  /** Generalised by sysprep: it runs Setup at its next start and takes its settings from an answer file. */
  sysprepped: boolean;
  hasPowerShell: boolean;
}

/** Context of all edits of a Windows system. */
export interface WindowsSystem {
  /** Case-insensitive; its top is the volume's. */
  root: SystemRoot;
  hives: HiveSet;
  facts: WindowsFacts;
  openFile: OpenFile;
  /** Takes back files with secrets, for when the registry that starts their use cannot be written. */
  undo: (() => Promise<void>)[];
  /** Set once the registry has a new SID; files and permissions follow when the hives are written. */
  sidChange?: SidChange;
}

/** Vista and all later ones keep much in other places than XP and Server 2003. */
export function isVistaOrLater({ release }: Pick<WindowsFacts, 'release'>): boolean {
  return release.major >= 6;
}

/** From here on storage drivers are held back by `StartOverride` and known from the driver database. */
export function isWindows8OrLater({ release }: Pick<WindowsFacts, 'release'>): boolean {
  return release.major > 6 || (release.major === 6 && release.minor >= 2);
}
