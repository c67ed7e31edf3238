import type { Customisation } from '../../schema/customisation.ts';
import type { Edit } from '../edit.ts';
import type { MachineFacts } from '../machine-facts.ts';
import { diskNamesEdit } from './boot-files.ts';
import { cardEdits } from './card-edits.ts';
import { firstStartEdit } from './first-start.ts';
import { hostNameEdits } from './host-name.ts';
import { initramfsEdits } from './initramfs.ts';
import type { LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import { cloudInitEdits, machineIdEdit, sshHostKeysEdit, staleStateEdit } from './machine-identity.ts';
import { membershipEdits } from './membership.ts';
import { selinuxEdits } from './selinux-labels.ts';
import { fileEdits } from './transferred-files.ts';
import { userEdits } from './user-accounts.ts';

/**
 * What makes a deployed Linux the computer that was asked for, in order. The SID is Windows' own and has no edit.
 *
 * @param machine its first MAC is of the card that gets the addresses.
 */
export function linuxEdits(
  customisation: Customisation,
  facts: LinuxFacts,
  machine: MachineFacts,
): Edit<LinuxSystem>[] {
  const { computerName, network, drivers } = customisation;
  const sets = { hostname: computerName !== undefined, network: network.kind !== 'keep' };
  return [
    // First, for dracut names its files by the machine ID.
    ...initramfsEdits(facts, machine),
    diskNamesEdit,
    machineIdEdit,
    staleStateEdit,
    ...cloudInitEdits(facts, sets),
    ...hostNameEdits(customisation),
    ...cardEdits(network, facts, machine),
    sshHostKeysEdit,
    ...userEdits(customisation, facts),
    ...membershipEdits(customisation),
    ...fileEdits(customisation),
    ...drivers.map(({ name }) => driverEdit(name)),
    firstStartEdit,
    // Last, for it labels what the others made.
    ...selinuxEdits(customisation, facts),
  ];
}

function driverEdit(name: string): Edit<LinuxSystem> {
  return {
    text: `Add the disk driver "${name}"`,
    apply: async () => 'a Linux kernel has its own drivers',
  };
}
