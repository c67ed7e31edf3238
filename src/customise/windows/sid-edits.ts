import { randomInt } from 'node:crypto';
import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import { changeSidOfVolume } from './ntfs-acl.ts';
import { type Profile, profileHives, profilesOf } from './profile-hives.ts';
import { newMachineSid, type RandomInt } from './sid.ts';
import { replaceSidInAppHives } from './sid-app-hives.ts';
import { readMachineSid, replaceSidInHive } from './sid-hive.ts';
import { renameSidNames } from './sid-names.ts';
import { type SidPattern, sidPatterns } from './sid-patterns.ts';
import { replaceSidInTaskHashes, replaceSidInTasks } from './sid-tasks.ts';
import { valueText } from './windows-facts.ts';
import type { WindowsFacts, WindowsSystem } from './windows-system.ts';

const SYSTEM_HIVES = ['SAM', 'SECURITY', 'SYSTEM', 'SOFTWARE', 'DEFAULT'];
const DOMAIN_CONTROLLER = /^lanmannt$/i;
const NOT_CHANGED = 'the registry keeps its SID';

/**
 * The edit that gives the registry a new SID by our own means; a Windows prepared by sysprep makes its own instead.
 * Files follow by {@link sidFileEdits} once the hives are written, and permissions by {@link sidVolumeEdit}.
 */
export function sidEdits(
  { sid }: Pick<Customisation, 'sid'>,
  facts: WindowsFacts,
  options: { draw?: RandomInt } = {},
): Edit<WindowsSystem>[] {
  if (sid === 'keep') return [];
  const text = "Give the computer a new SID in the registry and in its users' registries, without sysprep";
  if (facts.sysprepped) {
    return [
      { text, apply: async () => 'it was prepared by sysprep, so Windows makes a new one at its next start' },
    ];
  }
  return [
    {
      text,
      async apply(system) {
        await replaceSidInRegistry(system, options.draw ?? randomInt);
        return undefined;
      },
    },
  ];
}

async function replaceSidInRegistry(system: WindowsSystem, draw: RandomInt): Promise<void> {
  const { hives, facts } = system;
  const registry = await hives.open('SYSTEM');
  const productType = valueText(registry, `${facts.controlSets[0]}\\Control\\ProductOptions`, 'ProductType');
  if (DOMAIN_CONTROLLER.test(productType)) {
    throw new TdError(
      'refused',
      'Cannot replace the SID of a domain controller: it is that of its whole domain',
    );
  }
  const from = readMachineSid(await hives.open('SAM'), await hives.open('SECURITY'));
  const change = { from, to: newMachineSid(from, draw) };
  const patterns = sidPatterns(change);
  const users = await profileHives(system, await profilesOf(system, from));
  await replaceSidInTaskHashes(system, patterns);
  for (const name of [...SYSTEM_HIVES, ...users]) {
    if (await hives.exists(name)) await replaceSidInHive(await hives.open(name), patterns);
  }
  system.sidChange = change;
}

/** What follows once the hives with the new SID are written, while the volume is still mounted. */
export function sidFileEdits(
  { sid }: Pick<Customisation, 'sid'>,
  facts: WindowsFacts,
): Edit<WindowsSystem>[] {
  if (sid === 'keep' || facts.sysprepped) return [];
  return [
    follow('Rename files and folders that are named after accounts', renameSidNames),
    follow('Give scheduled tasks the new SID', (system, { patterns }) => replaceSidInTasks(system, patterns)),
    follow('Give the registries of apps the new SID', replaceSidInAppHives),
  ];
}

interface Following {
  profiles: Profile[];
  patterns: SidPattern[];
}

function follow(
  text: string,
  work: (system: WindowsSystem, following: Following) => Promise<number>,
): Edit<WindowsSystem> {
  return {
    text,
    async apply(system) {
      const { sidChange } = system;
      if (sidChange === undefined) return NOT_CHANGED;
      const profiles = await profilesOf(system, sidChange.to);
      const count = await work(system, { profiles, patterns: sidPatterns(sidChange) });
      return count === 0 ? 'there are none' : undefined;
    },
  };
}

/** The last step, for each NTFS volume of the computer once it is unmounted. */
export function sidVolumeEdit(device: string): Edit<Pick<WindowsSystem, 'sidChange'>> {
  return {
    text: `Give the permissions of all files on ${device} the new SID`,
    async apply({ sidChange }) {
      if (sidChange === undefined) return NOT_CHANGED;
      const { changedFiles, changedDescriptors } = await changeSidOfVolume(device, sidChange);
      return changedFiles + changedDescriptors === 0
        ? 'no permission names an account of this computer'
        : undefined;
    },
  };
}
