import { describe, expect, it } from 'vitest';
import type { Customisation } from '../../schema/customisation.ts';
import type { PciDevice } from '../machine-facts.ts';
import { dword, text, VALUE_TYPE } from '../registry-hive/value-data.ts';
import { computerNameEdit } from './computer-name.ts';
import { firstStartEdit } from './first-start-entry.ts';
import { inboxDriverEdits } from './inbox-drivers.ts';
import { lsaText, lsaTextOf } from './lsa-text.ts';
import { networkEdits } from './network-settings.ts';
import { PHONY_ADAPTER, PHONY_MAC, PHONY_VIRTUAL_ADAPTER, phonySid } from './testdata/phony-registry.ts';
import { openPhonyWindows, type PhonyWindows } from './testdata/phony-windows.ts';
import { workgroupEdit } from './workgroup.ts';

const RELEASES = ['xp', '7', '10'] as const;
const SOFTWARE_VERSION = 'Microsoft\\Windows NT\\CurrentVersion';
const TCPIP = 'Services\\Tcpip\\Parameters';

const pci = (vendor: number, device: number, classCode: number): PciDevice => ({
  address: '0000:00:1f.2',
  vendor,
  device,
  classCode,
  subsystemVendor: 0x1af4,
  subsystem: 0x1100,
  revision: 2,
});

/** The value in every control set, once when it is the same in all. */
async function inControlSets(phony: PhonyWindows, path: string): Promise<unknown> {
  const sets = phony.windows.facts.controlSets;
  const values = await Promise.all(sets.map((set) => phony.read('SYSTEM', `${set}\\${path}`)));
  return values.every((value) => JSON.stringify(value) === JSON.stringify(values[0])) ? values[0] : values;
}

async function lsaName(phony: PhonyWindows, name: string): Promise<string> {
  return lsaTextOf((await phony.windows.hives.open('SECURITY')).key(`Policy\\${name}`)?.value(''));
}

describe.each(RELEASES)('the computer name on Windows %s', (release) => {
  it('is set wherever Windows keeps it', async () => {
    await using phony = await openPhonyWindows({ release });
    expect(await computerNameEdit('Lab-07').apply(phony.windows)).toBeUndefined();
    for (const key of ['ComputerName', 'ActiveComputerName']) {
      expect(await inControlSets(phony, `Control\\ComputerName\\${key}!ComputerName`)).toBe('LAB-07');
    }
    expect(await inControlSets(phony, `${TCPIP}!Hostname`)).toBe('Lab-07');
    expect(await inControlSets(phony, `${TCPIP}!NV Hostname`)).toBe('Lab-07');
    expect(await lsaName(phony, 'PolAcDmN')).toBe('LAB-07');
    expect(await phony.read('SOFTWARE', `${SOFTWARE_VERSION}\\Winlogon!DefaultDomainName`)).toBe('LAB-07');
  });
});

describe('the computer name', () => {
  it('changes in the logon screen, but not the domain of a domain user', async () => {
    await using phony = await openPhonyWindows({ release: '10' });
    const { hives } = phony.windows;
    const screen = 'Microsoft\\Windows\\CurrentVersion\\Authentication\\LogonUI';
    (await hives.open('SOFTWARE')).root.ensure(screen).set('LastLoggedOnSAMUser', text('CORP\\eve'));
    await computerNameEdit('LAB-07').apply(phony.windows);
    expect(await phony.read('SOFTWARE', `${screen}!LastLoggedOnUser`)).toBe('LAB-07\\eve');
    expect(await phony.read('SOFTWARE', `${screen}!LastLoggedOnSAMUser`)).toBe('CORP\\eve');
  });
});

describe('the workgroup', () => {
  it('is set in the policy of LSA', async () => {
    await using phony = await openPhonyWindows({ release: '7' });
    await workgroupEdit('Room 3').apply(phony.windows);
    expect(await lsaName(phony, 'PolPrDmN')).toBe('ROOM 3');
    expect(await inControlSets(phony, `${TCPIP}!Domain`)).toBe('old.example');
  });

  it('takes the place of a domain with all that belongs to it', async () => {
    await using phony = await openPhonyWindows({ release: '7' });
    const { hives, facts } = phony.windows;
    const security = await hives.open('SECURITY');
    const none = (data: Buffer) => ({ type: VALUE_TYPE.REG_NONE, data });
    security.root.ensure('Policy\\PolPrDmN').set('', lsaText('OLD'));
    security.root.ensure('Policy\\PolPrDmS').set('', none(phonySid()));
    security.root.ensure('Policy\\PolDnDDN').set('', lsaText('old.example'));
    security.root.ensure('Policy\\Secrets\\$MACHINE.ACC\\CurrVal').set('', none(Buffer.from('secret')));
    for (const set of facts.controlSets) {
      (await hives.open('SYSTEM')).root.ensure(`${set}\\Services\\Netlogon`).set('Start', dword(2));
    }
    await workgroupEdit('WG').apply(phony.windows);
    expect(await lsaName(phony, 'PolPrDmN')).toBe('WG');
    expect(await phony.read('SECURITY', 'Policy\\PolPrDmS!')).toBe('');
    expect(await phony.read('SECURITY', 'Policy\\PolDnDDN!')).toBe('');
    expect(security.key('Policy\\Secrets\\$MACHINE.ACC')).toBeUndefined();
    expect(await inControlSets(phony, `${TCPIP}!NV Domain`)).toBe('');
    expect(await inControlSets(phony, 'Services\\Netlogon!Start')).toBe(3);
  });
});

const STATIC = {
  kind: 'static',
  address: '10.1.2.3',
  prefixLength: 20,
  gateway: '10.1.0.1',
  dnsServers: ['10.1.0.2', '10.1.0.3'],
  dnsSuffix: 'lab.example',
} satisfies Customisation['network'];
const DHCP = { kind: 'dhcp', dnsServers: [], dnsSuffix: '' } satisfies Customisation['network'];

describe('network settings', () => {
  const adapter = `${TCPIP}\\Interfaces\\${PHONY_ADAPTER}`;
  async function customised(release: (typeof RELEASES)[number], network: Customisation['network']) {
    const phony = await openPhonyWindows({ release });
    for (const edit of networkEdits(network, { macs: [PHONY_MAC] })) await edit.apply(phony.windows);
    return phony;
  }

  it('go to the card whose MAC Windows knows', async () => {
    await using phony = await customised('10', STATIC);
    expect(await inControlSets(phony, `${adapter}!EnableDHCP`)).toBe(0);
    expect(await inControlSets(phony, `${adapter}!IPAddress`)).toEqual(['10.1.2.3']);
    expect(await inControlSets(phony, `${adapter}!SubnetMask`)).toEqual(['255.255.240.0']);
    expect(await inControlSets(phony, `${adapter}!DefaultGateway`)).toEqual(['10.1.0.1']);
    expect(await inControlSets(phony, `${adapter}!NameServer`)).toBe('10.1.0.2,10.1.0.3');
    expect(await inControlSets(phony, `${adapter}!DhcpServer`)).toBeUndefined();
    for (const field of ['Domain', 'NV Domain', 'SearchList']) {
      expect(await inControlSets(phony, `${TCPIP}!${field}`)).toBe('lab.example');
    }
  });

  it.each(RELEASES)("leave no card of Windows %s the master's address", async (release) => {
    await using phony = await customised(release, release === '10' ? DHCP : STATIC);
    expect(await inControlSets(phony, `${adapter}!EnableDHCP`)).toBe(1);
    for (const field of ['IPAddress', 'SubnetMask', 'DefaultGateway']) {
      expect(await inControlSets(phony, `${adapter}!${field}`)).toBeUndefined();
    }
    const routes = `${TCPIP}\\PersistentRoutes`;
    expect(await inControlSets(phony, `${routes}!0.0.0.0,0.0.0.0,192.168.7.1,-1`)).toBeUndefined();
    expect(await inControlSets(phony, `${routes}!10.9.0.0,255.255.0.0,192.168.7.3,1`)).toBe('');
    const virtual = `${TCPIP}\\Interfaces\\${PHONY_VIRTUAL_ADAPTER}!IPAddress`;
    expect(await inControlSets(phony, virtual)).toEqual(['192.168.7.9']);
    if (release !== 'xp') return;
    const twin = `Services\\${PHONY_ADAPTER}\\Parameters\\Tcpip`;
    expect(await inControlSets(phony, `${twin}!IPAddress`)).toBeUndefined();
    expect(await inControlSets(phony, `${twin}!EnableDHCP`)).toBe(1);
  });

  it('are not touched when they are to be kept', () => {
    expect(networkEdits({ kind: 'keep' }, { macs: [PHONY_MAC] })).toEqual([]);
  });
});

describe("Windows' own disk drivers", () => {
  async function started(release: (typeof RELEASES)[number], device: PciDevice) {
    const phony = await openPhonyWindows({ release });
    const [edit] = inboxDriverEdits({ pciDevices: [pci(0x8086, 0x10d3, 0x020000), device] });
    return { phony, skipped: await edit!.apply(phony.windows) };
  }

  it.each([
    ['7', 'msahci', pci(0x8086, 0x2922, 0x010601)],
    ['7', 'iaStorV', pci(0x8086, 0x2822, 0x010400)],
    ['7', 'pciide', pci(0x1106, 0x0571, 0x01018a)],
    ['xp', 'atapi', pci(0x8086, 0x7010, 0x010180)],
    ['xp', 'intelide', pci(0x8086, 0x7010, 0x010180)],
  ] as const)('of Windows %s: %s starts at boot for its controller', async (release, service, device) => {
    const { phony, skipped } = await started(release, device);
    await using _ = phony;
    expect(skipped).toBeUndefined();
    expect(await inControlSets(phony, `Services\\${service}!Start`)).toBe(0);
  });

  it.each([
    ['storahci', pci(0x8086, 0x2922, 0x010601)],
    ['stornvme', pci(0x144d, 0xa808, 0x010802)],
    ['iaStorV', pci(0x8086, 0x2822, 0x010400)],
  ] as const)('of Windows 10: %s is not held back for its controller', async (service, device) => {
    const { phony, skipped } = await started('10', device);
    await using _ = phony;
    expect(skipped).toBeUndefined();
    expect(await inControlSets(phony, `Services\\${service}\\StartOverride!0`)).toBe(0);
    const others = ['storahci', 'stornvme', 'iaStorV'].filter((name) => name !== service);
    for (const other of others)
      expect(await inControlSets(phony, `Services\\${other}\\StartOverride!0`)).toBe(3);
  });

  it('of XP are found by its Plug and Play for an IDE controller it has never seen', async () => {
    const { phony } = await started('xp', pci(0x8086, 0x7010, 0x010180));
    await using _ = phony;
    const database = 'Control\\CriticalDeviceDatabase';
    expect(await inControlSets(phony, `${database}\\PCI#VEN_8086&DEV_7010!Service`)).toBe('intelide');
    expect(await inControlSets(phony, `${database}\\Primary_IDE_Channel!Service`)).toBe('atapi');
  });

  it.each([
    ['7', pci(0x1000, 0x0054, 0x010700)], // in its tables, but its file is missing
    ['7', pci(0x144d, 0xa808, 0x010802)],
    ['xp', pci(0x8086, 0x2922, 0x010601)],
  ] as const)('are not there on Windows %s: skipped with the reason', async (release, device) => {
    const { phony, skipped } = await started(release, device);
    await using _ = phony;
    expect(skipped).toContain('no driver of its own');
    expect((await phony.windows.hives.open('SYSTEM')).isChanged).toBe(false);
  });
});

describe('the first start', () => {
  const firstStart = {
    users: [{ name: 'Eve', fullName: '', group: 'users' as const, password: 'top & secret' }],
    programs: [{ path: 'C:\\a b.exe', arguments: '/key=ABC' }],
    driverFolders: [],
  };

  it('is entered so that Windows runs it and goes on to the logon screen', async () => {
    await using phony = await openPhonyWindows({ release: '7' });
    const edit = firstStartEdit(firstStart);
    expect(await edit.apply(phony.windows)).toBeUndefined();
    expect(await phony.read('SYSTEM', 'Setup!CmdLine')).toContain('firststart.cmd');
    expect(await phony.read('SYSTEM', 'Setup!SetupType')).toBe(2);
    expect(await phony.read('SYSTEM', 'Setup!SystemSetupInProgress')).toBe(0);
    expect(await phony.windows.root.exists('Windows/TotalDeploy/firststart.cmd')).toBe(true);
    expect(edit.text).toBe('At the first start make the user "Eve", run "C:\\a b.exe"');
  });

  it("does not take the place of Windows' own setup, nor leave a secret then", async () => {
    await using phony = await openPhonyWindows({ release: '10', sysprepped: true });
    const edit = firstStartEdit(firstStart);
    await expect(edit.apply(phony.windows)).rejects.toThrow('Windows is to run "oobe\\windeploy.exe"');
    expect(await phony.windows.root.list('Windows/TotalDeploy')).toEqual([]);
  });

  it('is skipped when nothing came to it', async () => {
    await using phony = await openPhonyWindows({ release: '7' });
    const edit = firstStartEdit({ users: [], programs: [], driverFolders: [] });
    expect(await edit.apply(phony.windows)).toBe('there is nothing to do then');
  });
});
