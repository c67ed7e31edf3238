import type { Edit } from '../edit.ts';
import type { Hive } from '../registry-hive/hive.ts';
import { dword, text, textOf, VALUE_TYPE } from '../registry-hive/value-data.ts';
import { lsaText, lsaTextOf } from './lsa-text.ts';
import type { WindowsSystem } from './windows-system.ts';

const NONE = { type: VALUE_TYPE.REG_NONE, data: Buffer.alloc(0) };
const START_ON_DEMAND = 3;
const NO_GUID = { type: VALUE_TYPE.REG_NONE, data: Buffer.alloc(16) };

/** @param name at most 15 characters of the schema's kind. */
export function workgroupEdit(name: string): Edit<WindowsSystem> {
  return {
    text: `Put the computer into the workgroup ${name}`,
    async apply({ hives, facts }) {
      const [security, system] = [await hives.open('SECURITY'), await hives.open('SYSTEM')];
      if (domainOf(security) !== '') {
        for (const set of facts.controlSets) forgetDomainSettings(system, set, dnsDomainOf(security));
        forgetDomain(security);
      }
      security.root.ensure('Policy\\PolPrDmN').set('', lsaText(name.toUpperCase()));
      return undefined;
    },
  };
}

/** The domain's name when the master is a member of one, else empty. */
export function domainOf(security: Hive): string {
  const sid = security.key('Policy\\PolPrDmS')?.value('');
  if (sid === undefined || sid.data.length === 0) return '';
  return lsaTextOf(security.key('Policy\\PolPrDmN')?.value(''));
}

function dnsDomainOf(security: Hive): string {
  return lsaTextOf(security.key('Policy\\PolDnDDN')?.value(''));
}

/**
 * A computer without a domain has no primary domain SID, DNS names or GUID. The machine account's password is taken
 * away too: it would be the same on every target.
 */
function forgetDomain(security: Hive): void {
  for (const name of ['PolPrDmS', 'PolDnDDN', 'PolDnTrN'])
    security.root.ensure(`Policy\\${name}`).set('', NONE);
  security.root.ensure('Policy\\PolDnDmG').set('', NO_GUID);
  security.key('Policy\\Secrets\\$MACHINE.ACC')?.remove();
}

/** The DNS suffix came with the domain, and outside of one nothing is to log on to a domain controller. */
function forgetDomainSettings(system: Hive, set: string, dnsDomain: string): void {
  const tcpip = system.key(`${set}\\Services\\Tcpip\\Parameters`);
  for (const field of ['Domain', 'NV Domain']) {
    const value = tcpip?.value(field);
    if (value && textOf(value).toLowerCase() === dnsDomain.toLowerCase()) tcpip?.set(field, text(''));
  }
  system.key(`${set}\\Services\\Netlogon`)?.set('Start', dword(START_ON_DEMAND));
}
