import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { answerFileEdit } from './answer-file-edit.ts';
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
  const edits = [
    ...inboxDriverEdits(machine),
    ...driverEdits(customisation, machine, { firstStart }),
    ...(facts.sysprepped ? [] : registryEdits(customisation, machine)),
    ...customisation.files.map((transfer) => transferEdit(transfer, facts)),
    ...startEdits(customisation, { firstStart, facts }),
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

/** What the next start does: a generalised system by its own Setup, any other by our script. */
function startEdits(
  { computerName, membership, drivers }: Customisation,
  { firstStart, facts }: { firstStart: FirstStart; facts: WindowsFacts },
): Edit<WindowsSystem>[] {
  const hasFirstStart = !isEmptyFirstStart(firstStart) || drivers.length > 0;
  if (!facts.sysprepped) return hasFirstStart ? [firstStartEdit(firstStart)] : [];
  if (!hasFirstStart && computerName === undefined && membership.kind === 'keep') return [];
  const { users, network, programs, driverFolders } = firstStart;
  const answers = { membership, users, ...(network && { network }), ...(computerName && { computerName }) };
  return [answerFileEdit(answers, { firstStart: { users: [], programs, driverFolders } })];
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
