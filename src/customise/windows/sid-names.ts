import type { Profile } from './profile-hives.ts';
import { replaceSidText, type SidPattern } from './sid-patterns.ts';
import type { WindowsSystem } from './windows-system.ts';

/** Below a folder, how many levels of names are looked at. */
interface NamedPlace {
  path: string;
  levels: number;
}

/**
 * Renames files and folders that are named after an account; gives how many. What a user's keys are sealed with
 * (`Protect`) keeps its name: it is sealed with the old SID too, and `dpapimig.exe` looks for it under that.
 *
 * @see https://learn.microsoft.com/windows/win32/api/dpapi/nf-dpapi-cryptupdateprotectedstate
 */
export async function renameSidNames(
  system: WindowsSystem,
  options: { profiles: readonly Profile[]; patterns: readonly SidPattern[] },
): Promise<number> {
  let count = 0;
  for (const place of placesOf(system, options.profiles)) {
    count += await renameBelow(system, place, options.patterns);
  }
  return count;
}

function placesOf({ facts }: WindowsSystem, profiles: readonly Profile[]): NamedPlace[] {
  const system32 = `${facts.systemDir}/System32`;
  return [
    { path: '$Recycle.Bin', levels: 1 },
    { path: 'RECYCLER', levels: 1 },
    { path: `${system32}/GroupPolicyUsers`, levels: 1 },
    { path: `${system32}/Tasks`, levels: 3 },
    { path: 'ProgramData/Microsoft/Crypto', levels: 2 },
    { path: 'ProgramData/Microsoft/Windows/SystemData', levels: 1 },
    { path: 'ProgramData/Microsoft/Windows/AppRepository', levels: 3 },
    { path: 'ProgramData/Packages', levels: 2 },
    ...profiles.map(({ roaming }) => ({ path: `${roaming}/Microsoft/Crypto`, levels: 2 })),
  ];
}

/** The deepest first, so that no path changes before it was used. */
async function renameBelow(
  system: WindowsSystem,
  { path, levels }: NamedPlace,
  patterns: readonly SidPattern[],
): Promise<number> {
  const { root } = system;
  let count = 0;
  for (const name of await root.list(path)) {
    const child = `${path}/${name}`;
    if (levels > 1 && (await root.linkTarget(child)) === undefined) {
      count += await renameBelow(system, { path: child, levels: levels - 1 }, patterns);
    }
    const renamed = replaceSidText(name, patterns);
    if (renamed === name) continue;
    await root.move(child, `${path}/${renamed}`);
    count += 1;
  }
  return count;
}
