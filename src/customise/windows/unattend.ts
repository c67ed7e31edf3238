import type { Customisation } from '../../schema/customisation.ts';
import type { FirstStartDomain, FirstStartNetwork } from './first-start.ts';
import { type Component, element, listed, type NewElement, UnattendXml } from './unattend-xml.ts';
import type { WindowsFacts } from './windows-system.ts';

/** What Windows Setup is to do with a generalised system at its next start. Holds readable passwords. */
export interface SetupAnswers {
  /** Absent: what the answer file says. */
  computerName?: string;
  membership: Customisation['membership'];
  network?: FirstStartNetwork;
  users: Customisation['users'];
  /** Run as the system's own account before anyone logs on. */
  command?: string;
}

/** Setup knows them by their English names in every language. */
const GROUP_NAMES = {
  administrators: 'Administrators',
  'power-users': 'Power Users',
  users: 'Users',
} as const;
const BUILT_IN_ADMINISTRATOR = 'administrator';

/**
 * Puts answers into an answer file of Windows Vista or later and keeps everything else (Microsoft, "Unattended Windows
 * Setup Reference").
 * @param existing the file as it is, if there is one; `options.what` names it in errors.
 * @throws TdError `invalid` when it cannot be used.
 */
export async function mergeUnattend(
  existing: Buffer | undefined,
  answers: SetupAnswers,
  options: { architecture: WindowsFacts['architecture']; what: string },
): Promise<Buffer> {
  const file = await UnattendXml.parse(existing, options);
  const specialize = (name: string) => file.component('specialize', name, options.architecture);
  const { computerName, membership, network, users, command } = answers;
  if (computerName !== undefined) {
    specialize('Microsoft-Windows-Shell-Setup').set(element('ComputerName', computerName));
  }
  if (membership.kind !== 'keep') {
    specialize('Microsoft-Windows-UnattendedJoin').set(identification(membership));
  }
  if (network !== undefined) {
    putAddresses(specialize('Microsoft-Windows-TCPIP'), network);
    putDns(specialize('Microsoft-Windows-DNS-Client'), network.settings, network.macs);
  }
  if (command !== undefined) putCommand(specialize('Microsoft-Windows-Deployment'), command);
  if (users.length > 0) {
    const shell = file.component('oobeSystem', 'Microsoft-Windows-Shell-Setup', options.architecture);
    putUsers(shell.group('UserAccounts'), users);
  }
  return file.toBuffer();
}

function identification(membership: Exclude<SetupAnswers['membership'], { kind: 'keep' }>): NewElement {
  if (membership.kind === 'workgroup') {
    return element('Identification', [element('JoinWorkgroup', membership.name)]);
  }
  return element('Identification', [
    element('Credentials', credentials(membership)),
    element('JoinDomain', membership.name),
    ...(membership.ou === '' ? [] : [element('MachineObjectOU', membership.ou)]),
  ]);
}

/** A name with its domain in it stands without `Domain`. */
function credentials({ name, user, password }: FirstStartDomain): NewElement[] {
  return [
    ...(/[\\@]/.test(user) ? [] : [element('Domain', name)]),
    element('Password', password),
    element('Username', user),
  ];
}

/** The order of elements is Setup's; it knows a card by its MAC with dashes. */
function putAddresses(tcpip: Component, { macs, settings }: FirstStartNetwork): void {
  const isStatic = settings.kind === 'static';
  const interfaces = tcpip.group('Interfaces');
  for (const mac of isStatic ? macs.slice(0, 1) : macs) {
    const parts = [
      element('Ipv4Settings', [element('DhcpEnabled', String(!isStatic))]),
      element('Identifier', cardName(mac)),
      ...(isStatic ? staticAddress(settings) : []),
    ];
    interfaces.put(listed('Interface', parts), 'Identifier');
  }
}

function staticAddress(settings: Extract<FirstStartNetwork['settings'], { kind: 'static' }>): NewElement[] {
  const { address, prefixLength, gateway } = settings;
  const route = [
    element('Identifier', '0'),
    element('Metric', '10'),
    element('NextHopAddress', gateway),
    element('Prefix', '0.0.0.0/0'),
  ];
  return [
    element('UnicastIpAddresses', [listed('IpAddress', `${address}/${prefixLength}`, '1')]),
    ...(gateway === '' ? [] : [element('Routes', [listed('Route', route)])]),
  ];
}

function putDns(dns: Component, settings: FirstStartNetwork['settings'], macs: readonly string[]): void {
  const { dnsServers, dnsSuffix } = settings;
  const suffix = dnsSuffix === '' ? [] : [element('DNSDomain', dnsSuffix)];
  for (const domain of suffix) dns.set(domain);
  if (dnsServers.length === 0 && dnsSuffix === '') return;
  const servers = dnsServers.map((server, i) => listed('IpAddress', server, String(i + 1)));
  const order = servers.length === 0 ? [] : [element('DNSServerSearchOrder', servers)];
  const interfaces = dns.group('Interfaces');
  for (const mac of settings.kind === 'static' ? macs.slice(0, 1) : macs) {
    const parts = [element('Identifier', cardName(mac)), ...suffix, ...order];
    interfaces.put(listed('Interface', parts), 'Identifier');
  }
}

function cardName(mac: string): string {
  return mac.toUpperCase().replaceAll(':', '-');
}

function putCommand(deployment: Component, command: string): void {
  const commands = deployment.group('RunSynchronous');
  const orders = commands.texts('RunSynchronousCommand', 'Order').map(Number);
  const order = Math.max(0, ...orders.filter(Number.isSafeInteger)) + 1;
  const parts = [
    element('Description', 'TotalDeploy first start'),
    element('Order', String(order)),
    element('Path', command),
    element('WillReboot', 'Never'),
  ];
  commands.put(listed('RunSynchronousCommand', parts), 'Path');
}

function putUsers(accounts: Component, users: SetupAnswers['users']): void {
  const isAdministrator = ({ name }: SetupAnswers['users'][number]) =>
    name.toLowerCase() === BUILT_IN_ADMINISTRATOR;
  const administrator = users.find(isAdministrator);
  if (administrator !== undefined && administrator.password !== '') {
    accounts.set(
      element('AdministratorPassword', hiddenPassword(administrator.password, 'AdministratorPassword')),
    );
  }
  const others = users.filter((user) => !isAdministrator(user));
  if (others.length === 0) return;
  const list = accounts.group('LocalAccounts');
  for (const { name, fullName, password, group } of others) {
    const parts = [
      element('Password', hiddenPassword(password, 'Password')),
      ...(fullName === '' ? [] : [element('DisplayName', fullName)]),
      element('Group', GROUP_NAMES[group]),
      element('Name', name),
    ];
    list.put(listed('LocalAccount', parts), 'Name');
  }
}

/** As System Image Manager hides it: no secrecy, but Setup's reading of white space cannot change it. */
function hiddenPassword(password: string, elementName: string): NewElement[] {
  const value = Buffer.from(`${password}${elementName}`, 'utf16le').toString('base64');
  return [element('Value', value), element('PlainText', 'false')];
}
