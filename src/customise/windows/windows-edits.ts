import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { computerNameEdit } from './computer-name.ts';
import { driverEdits } from './driver-edits.ts';
import { type FirstStart, type FirstStartDomain, isEmptyFirstStart } from './first-start.ts';
import { firstStartEdit } from './first-start-entry.ts';
import { inboxDriverEdits } from './inbox-drivers.ts';
import { networkEdits } from './network-settings.ts';
import { sidEdits } from './sid-edits.ts';
import { transferEdit, transferredPrograms } from './transferred-files.ts';
import type { WindowsFacts, WindowsSystem } from './windows-system.ts';
import { workgroupEdit } from './workgroup.ts';

/** All that makes a deployed Windows the one that a computer is to have, in order; pure, its texts hold no secrets. */
export function windowsEdits(
  customisation: Customisation,
  facts: WindowsFacts,
  machine: MachineFacts,
): Edit<WindowsSystem>[] {
  const firstStart = planFirstStart(customisation, facts, machine);
  const hasFirstStart = !isEmptyFirstStart(firstStart) || customisation.drivers.length > 0;
  const edits = [
    ...inboxDriverEdits(machine),
    ...driverEdits(customisation, machine, { firstStart }),
    ...registryEdits(customisation, machine),
    ...customisation.files.map((transfer) => transferEdit(transfer, facts)),
    ...(hasFirstStart ? [firstStartEdit(firstStart)] : []),
    // Last: it opens every user's registry, and each edit takes a snapshot of all that are open.
    ...sidEdits(customisation, facts),
  ];
  return edits.map(wholeOrNot);
}

function registryEdits(
  { computerName, membership, network }: Customisation,
  machine: MachineFacts,
): Edit<WindowsSystem>[] {
  return [
    ...(computerName === undefined ? [] : [computerNameEdit(computerName)]),
    ...(membership.kind === 'workgroup' ? [workgroupEdit(membership.name)] : []),
    ...networkEdits(network, machine),
  ];
}

function planFirstStart(
  { users, membership, network, files, applications }: Customisation,
  facts: WindowsFacts,
  machine: MachineFacts,
): FirstStart {
  return {
    users,
    ...(membership.kind === 'domain' ? { domain: domainOf(membership) } : {}),
    ...(network.kind === 'keep' ? {} : { network: { macs: machine.macs, settings: network } }),
    programs: [...transferredPrograms(files, facts), ...applications],
    driverFolders: [],
  };
}

function domainOf({ name, user, password, ou }: FirstStartDomain): FirstStartDomain {
  return { name, user, password, ou };
}

/** An edit that fails half-way leaves the registry as it found it. */
function wholeOrNot({ text, apply }: Edit<WindowsSystem>): Edit<WindowsSystem> {
  return {
    text,
    async apply(system) {
      const before = system.hives.snapshot();
      try {
        return await apply(system);
      } catch (error) {
        system.hives.restore(before);
        throw error;
      }
    },
  };
}
