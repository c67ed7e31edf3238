import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { text } from '../registry-hive/value-data.ts';
import { lsaText } from './lsa-text.ts';
import { valueText } from './windows-facts.ts';
import type { WindowsSystem } from './windows-system.ts';

const WINLOGON = 'Microsoft\\Windows NT\\CurrentVersion\\Winlogon';
const LOGON_SCREEN = 'Microsoft\\Windows\\CurrentVersion\\Authentication\\LogonUI';
const COMPUTER_NAME = 'Control\\ComputerName\\ComputerName';

/**
 * The name in every control set, so that "last known good" has it too, and in LSA's policy. The NetBIOS name is in
 * capitals, the host name as given (SetComputerNameEx does the same).
 *
 * @param name at most 15 characters of the schema's kind, so it is also a NetBIOS name.
 */
export function computerNameEdit(name: string): Edit<WindowsSystem> {
  return {
    text: `Name the computer ${name}`,
    async apply({ hives, facts }) {
      const system = await hives.open('SYSTEM');
      const oldName = valueText(system, `${facts.controlSets[0]}\\${COMPUTER_NAME}`, 'ComputerName');
      for (const set of facts.controlSets) nameControlSet(system, set, name);
      const security = await hives.open('SECURITY');
      security.root.ensure('Policy\\PolAcDmN').set('', lsaText(name.toUpperCase()));
      if (oldName !== '') renameInLogon(await hives.open('SOFTWARE'), oldName, name.toUpperCase());
      return undefined;
    },
  };
}

function nameControlSet(system: Hive, set: string, name: string): void {
  const netbios = text(name.toUpperCase());
  system.root.ensure(`${set}\\${COMPUTER_NAME}`).set('ComputerName', netbios);
  // Made anew at each start; in a hive only where something saved it.
  system.key(`${set}\\Control\\ComputerName\\ActiveComputerName`)?.set('ComputerName', netbios);
  const tcpip = system.root.ensure(`${set}\\Services\\Tcpip\\Parameters`);
  tcpip.set('Hostname', text(name));
  tcpip.set('NV Hostname', text(name));
}

/** Automatic logon and the logon screen name local accounts `COMPUTER\user`. */
function renameInLogon(software: Hive, oldName: string, newName: string): void {
  const isOld = (value: string) => value.toLowerCase() === oldName.toLowerCase();
  for (const field of ['DefaultDomainName', 'AltDefaultDomainName']) {
    if (isOld(valueText(software, WINLOGON, field))) software.key(WINLOGON)!.set(field, text(newName));
  }
  for (const field of ['LastLoggedOnUser', 'LastLoggedOnSAMUser']) {
    const [domain = '', user] = valueText(software, LOGON_SCREEN, field).split('\\');
    if (user !== undefined && isOld(domain)) {
      software.key(LOGON_SCREEN)!.set(field, text(`${newName}\\${user}`));
    }
  }
}
