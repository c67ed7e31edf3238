import type { Customisation } from '../../schema/customisation.ts';

/**
 * What a deployed Windows does once by itself, before anyone logs on. Pure data with readable passwords: it goes into
 * the files of {@link file://./first-start-files.ts} and nowhere else.
 */
export interface FirstStart {
  /** Made, or brought to this state; an account that is there keeps its password and full name where none is given. */
  users: Customisation['users'];
  domain?: FirstStartDomain;
  network?: FirstStartNetwork;
  /** Run in order, each to its end, after everything else. */
  programs: FirstStartProgram[];
  /** Folders of driver packages on the target, e.g. `%SystemRoot%\TotalDeploy\Drivers\1`. */
  driverFolders: string[];
}

export type FirstStartDomain = Omit<Extract<Customisation['membership'], { kind: 'domain' }>, 'kind'>;

export interface FirstStartNetwork {
  /** Cards of this computer, `52:54:00:12:34:56`. DHCP is for all; an address for the first that Windows finds. */
  macs: string[];
  settings: Exclude<Customisation['network'], { kind: 'keep' }>;
}

/**
 * A program or document on the target. Variables such as `%ProgramFiles%` are replaced in both; apart from that the
 * arguments reach the program as they are.
 */
export interface FirstStartProgram {
  path: string;
  arguments: string;
}

export function isEmptyFirstStart(firstStart: FirstStart): boolean {
  const { users, domain, network, programs, driverFolders } = firstStart;
  return (
    domain === undefined &&
    network === undefined &&
    users.length + programs.length + driverFolders.length === 0
  );
}
