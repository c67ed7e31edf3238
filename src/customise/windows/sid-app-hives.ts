import { errorLine, TdError } from '../../lib/errors.ts';
import { HiveSet } from './hive-set.ts';
import type { Profile } from './profile-hives.ts';
import { replaceSidInHive } from './sid-hive.ts';
import type { SidPattern } from './sid-patterns.ts';
import type { WindowsSystem } from './windows-system.ts';

/** Hives that Windows can do without: of its own services, and of the apps that came with Windows 8. */
const SERVICE_HIVES = [
  'System32/config/BBI',
  'System32/config/DRIVERS',
  'System32/config/ELAM',
  'AppCompat/Programs/Amcache.hve',
];

/**
 * Replaces the SID in the hives of apps and services, each for itself: what is wrong with one stops no other.
 *
 * @throws TdError `partial` naming how many of them stayed as they were, and why the first did.
 */
export async function replaceSidInAppHives(
  system: WindowsSystem,
  options: { profiles: readonly Profile[]; patterns: readonly SidPattern[] },
): Promise<number> {
  const paths = await appHives(system, options.profiles);
  const problems: string[] = [];
  for (const path of paths) {
    try {
      const hives = new HiveSet(system.root, { systemDir: system.facts.systemDir });
      if ((await replaceSidInHive(await hives.open(path), options.patterns)) === 0) continue;
      await hives.save();
      await hives.commit();
    } catch (error) {
      problems.push(errorLine(error));
    }
  }
  if (problems.length === 0) return paths.length;
  throw new TdError(
    'partial',
    `${problems.length} of ${paths.length} registries of apps keep the old SID: ${problems[0]}`,
  );
}

async function appHives({ root, facts }: WindowsSystem, profiles: readonly Profile[]): Promise<string[]> {
  const candidates = SERVICE_HIVES.map((path) => `${facts.systemDir}/${path}`);
  for (const { local } of profiles) {
    for (const app of await root.list(`${local}/Packages`)) {
      candidates.push(`${local}/Packages/${app}/Settings/settings.dat`);
    }
  }
  const hives: string[] = [];
  for (const path of candidates) {
    const stats = await root.stat(path);
    if (stats?.isFile() && stats.size > 0) hives.push(path);
  }
  return hives;
}
