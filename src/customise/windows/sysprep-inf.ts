import { win32 } from 'node:path';
import type { FirstStartNetwork } from './first-start.ts';
import { maskText } from './first-start-steps.ts';
import { SysprepInfText } from './sysprep-inf-text.ts';
import type { SetupAnswers } from './unattend.ts';

/** What Mini-Setup of XP and Server 2003 takes from its answer file; it makes no users, the command has to. */
export type MiniSetupAnswers = Omit<SetupAnswers, 'users' | 'command'>;

/** Components of the network, which Mini-Setup wants named as soon as one card is (Microsoft, "Sysprep.inf", [Networking]). */
const NETWORK_PARTS = [
  ['NetClients', 'MS_MSClient'],
  ['NetServices', 'MS_SERVER'],
  ['NetProtocols', 'MS_TCPIP'],
] as const;
const MEMBERSHIP_KEYS = [
  'JoinWorkgroup',
  'JoinDomain',
  'DomainAdmin',
  'DomainAdminPassword',
  'MachineObjectOU',
];

/**
 * Puts answers into a `sysprep.inf` (or `winnt.sif`) and keeps everything else.
 *
 * @param options.what names the file in errors; `options.installFiles` is where Mini-Setup looks for commands, unless the
 *   file says another folder.
 * @returns the file, and that folder, e.g. `C:\Sysprep\i386`.
 * @throws TdError `invalid` when it cannot be used.
 */
export function mergeSysprepInf(
  existing: Buffer | undefined,
  answers: MiniSetupAnswers,
  options: { what: string; installFiles?: string },
): { bytes: Buffer; installFiles: string } {
  const file = new SysprepInfText(existing, options);
  const { computerName, membership, network } = answers;
  if (computerName !== undefined) file.set('UserData', 'ComputerName', computerName);
  if (membership.kind !== 'keep') setMembership(file, membership);
  if (network !== undefined) setNetwork(file, network);
  const known = file.value('Unattended', 'InstallFilesPath') ?? '';
  const installFiles = known || (options.installFiles ?? '');
  if (installFiles !== known) file.set('Unattended', 'InstallFilesPath', installFiles);
  return { bytes: file.toBuffer(), installFiles };
}

/** The list of commands that Mini-Setup runs as the system's own account at its end, with one more. */
export function mergeCommandLines(
  existing: Buffer | undefined,
  command: string,
  options: { what: string },
): Buffer {
  const file = new SysprepInfText(existing, options);
  file.addLine('Commands', `"${command}"`);
  return file.toBuffer();
}

export function commandLinesPath(installFiles: string): string {
  return win32.join(installFiles, '$oem$', 'cmdlines.txt');
}

function setMembership(
  file: SysprepInfText,
  membership: Exclude<SetupAnswers['membership'], { kind: 'keep' }>,
): void {
  file.remove('Identification', MEMBERSHIP_KEYS);
  const { name } = membership;
  if (membership.kind === 'workgroup') {
    file.set('Identification', 'JoinWorkgroup', name);
    return;
  }
  const { user, password, ou } = membership;
  file.set('Identification', 'JoinDomain', name);
  file.set('Identification', 'DomainAdmin', user);
  file.set('Identification', 'DomainAdminPassword', password);
  if (ou !== '') file.set('Identification', 'MachineObjectOU', ou);
}

function setNetwork(file: SysprepInfText, { macs, settings }: FirstStartNetwork): void {
  const cards = settings.kind === 'static' ? macs.slice(0, 1) : macs;
  const names = cards.map((_mac, i) => `Adapter${i + 1}`);
  // The master's cards are not in this computer.
  file.remove('NetAdapters');
  file.set('Networking', 'InstallDefaultComponents', 'No');
  for (const [section, part] of NETWORK_PARTS) file.set(section, part, `params.${part}`);
  file.set('params.MS_TCPIP', 'AdapterSections', ...names.map((name) => `params.MS_TCPIP.${name}`));
  for (const [i, name] of names.entries()) {
    file.set('NetAdapters', name, `params.${name}`);
    file.remove(`params.${name}`);
    file.set(`params.${name}`, 'InfID', '*');
    file.set(`params.${name}`, 'NetCardAddress', `0x${cards[i]?.replaceAll(':', '').toUpperCase()}`);
    setCard(file, `params.MS_TCPIP.${name}`, settings);
    file.set(`params.MS_TCPIP.${name}`, 'SpecificTo', name);
  }
}

function setCard(file: SysprepInfText, section: string, settings: FirstStartNetwork['settings']): void {
  file.remove(section);
  file.set(section, 'DHCP', settings.kind === 'static' ? 'No' : 'Yes');
  if (settings.kind === 'static') {
    file.set(section, 'IPAddress', settings.address);
    file.set(section, 'SubnetMask', maskText(settings.prefixLength));
    if (settings.gateway !== '') file.set(section, 'DefaultGateway', settings.gateway);
  }
  if (settings.dnsServers.length > 0) {
    file.set(section, 'DNSServerSearchOrder', ...settings.dnsServers);
  }
  if (settings.dnsSuffix !== '') file.set(section, 'DNSDomain', settings.dnsSuffix);
}
