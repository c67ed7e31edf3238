import type { Customisation, FileSet } from '../schema/customisation.ts';
import type { Secret, TargetSettings } from '../schema/template.ts';
import { computerSettings, type PlannedComputer } from './computer-plan.ts';

export interface CustomisationParts {
  computer: PlannedComputer;
  /** From 0; names and addresses are counted by it. */
  place: number;
  /** Opens a sealed password. */
  open(secret: Secret): string;
  filesOf(source: string): FileSet;
}

/** Whether anything at all is to be changed on a target. */
export function wantsChanges(settings: TargetSettings): boolean {
  const { computerNames, membership, network, users, files, applications, drivers, sid } = settings;
  const kinds = [computerNames.kind, membership.kind, network.kind, sid];
  return (
    kinds.some((kind) => kind !== 'keep') ||
    [users, files, applications, drivers].some((one) => one.length > 0)
  );
}

/**
 * What one computer is to become. Its passwords are readable.
 *
 * @throws TdError `refused` when its place has no name or address; as opening a password.
 */
export function targetCustomisation(settings: TargetSettings, parts: CustomisationParts): Customisation {
  const { computer, place, open, filesOf } = parts;
  const { name, address } = computerSettings(settings, computer, place);
  const { membership, users, sid, files, applications, drivers } = settings;
  return {
    ...(name === undefined ? {} : { computerName: name }),
    membership:
      membership.kind === 'domain' ? { ...membership, password: open(membership.password) } : membership,
    network: networkOf(settings.network, address),
    users: users.map((user) => ({ ...user, password: open(user.password) })),
    sid,
    files: files.map(({ source, ...transfer }) => ({ ...filesOf(source), ...transfer })),
    applications,
    drivers: drivers.map(({ source }) => filesOf(source)),
  };
}

function networkOf(
  network: TargetSettings['network'],
  address: ReturnType<typeof computerSettings>['address'],
): Customisation['network'] {
  if (network.kind === 'keep' || network.kind === 'dhcp') return network;
  // A table that says nothing of this computer: it keeps what the master has.
  if (address === undefined) return { kind: 'keep' };
  const { dnsServers, dnsSuffix } = network;
  return { kind: 'static', ...address, dnsServers, dnsSuffix };
}
