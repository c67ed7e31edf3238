import { DOMParser, type Element } from '@xmldom/xmldom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeUnattend, type SetupAnswers } from './unattend.ts';

const UNATTEND = 'urn:schemas-microsoft-com:unattend';
const WCM = 'http://schemas.microsoft.com/WMIConfig/2002/State';

const ANSWERS: SetupAnswers = {
  computerName: 'LAB-07',
  membership: {
    kind: 'domain',
    name: 'lab.example.org',
    user: 'joiner',
    password: ' <&"\u00e9 ',
    ou: 'OU=A & B',
  },
  network: {
    macs: ['52:54:00:ab:cd:ef', '52:54:00:00:00:02'],
    settings: {
      kind: 'static',
      address: '10.0.0.5',
      prefixLength: 20,
      gateway: '10.0.0.1',
      dnsServers: ['10.0.0.2', '10.0.0.3'],
      dnsSuffix: 'lab.example.org',
    },
  },
  users: [
    { name: 'Administrator', fullName: '', password: 'adm', group: 'administrators' },
    { name: 'eve', fullName: 'Eve & Co', password: ' pä\u20ac ', group: 'power-users' },
  ],
  command: 'cmd.exe /c start',
};
const NOTHING: SetupAnswers = { membership: { kind: 'keep' }, users: [] };

const MASTER = `\ufeff<?xml version="1.0" encoding="utf-8"?>
<!-- made by hand -->
<unattend xmlns="${UNATTEND}" xmlns:w="${WCM}">
  <settings pass="generalize" wasPassProcessed="true"><component name="Microsoft-Windows-PnpSysprep" processorArchitecture="amd64"/></settings>
  <settings pass="specialize" wasPassProcessed="true">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <ProductKey>AAAAA-BBBBB</ProductKey>
      <ComputerName>*</ComputerName>
    </component>
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="x86"><ComputerName>other</ComputerName></component>
    <component name="Microsoft-Windows-UnattendedJoin" processorArchitecture="amd64"><Identification><JoinWorkgroup>OLD</JoinWorkgroup></Identification></component>
    <component name="Microsoft-Windows-TCPIP" processorArchitecture="amd64">
      <Interfaces>
        <Interface w:action="add"><Identifier>52-54-00-AB-CD-EF</Identifier></Interface>
        <Interface w:action="add"><Identifier>Other</Identifier></Interface>
      </Interfaces>
    </component>
    <component name="Microsoft-Windows-Deployment" processorArchitecture="amd64">
      <RunSynchronous><RunSynchronousCommand w:action="add"><Order>4</Order><Path>own.cmd</Path></RunSynchronousCommand></RunSynchronous>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64">
      <OOBE><HideEULAPage>true</HideEULAPage></OOBE>
      <UserAccounts><LocalAccounts><LocalAccount w:action="add"><Name>Owner</Name></LocalAccount></LocalAccounts></UserAccounts>
    </component>
  </settings>
</unattend>`;

const OPTIONS = { architecture: 'amd64', what: 'unattend.xml' } as const;

async function merge(answers: SetupAnswers, existing?: string | Buffer): Promise<Element> {
  const bytes = existing === undefined ? undefined : Buffer.from(existing as string);
  return rootOf(await mergeUnattend(bytes, answers, OPTIONS));
}

function rootOf(bytes: Buffer): Element {
  const root = new DOMParser().parseFromString(
    bytes.toString().replace(/^\ufeff/, ''),
    'text/xml',
  ).documentElement;
  if (root === null) throw new Error('no root');
  return root;
}

function children(parent: Element): Element[] {
  return Array.from(parent.childNodes).filter((node): node is Element => node.nodeType === 1);
}

/** `pass/component/Element/Element` with names of components without `Microsoft-Windows-`, and all texts there. */
function flatten(root: Element): string[] {
  const walk = (node: Element, path: string): string[] => {
    const nested = children(node);
    if (nested.length === 0) return [`${path}=${node.textContent}`];
    return nested.flatMap((child) => walk(child, `${path}/${label(child)}`));
  };
  return children(root).flatMap((settings) => walk(settings, label(settings)));
}

function label(node: Element): string {
  if (node.localName === 'settings') return node.getAttribute('pass') ?? '';
  if (node.localName !== 'component') return node.localName ?? '';
  const architecture = node.getAttribute('processorArchitecture');
  return `${node.getAttribute('name')?.replace('Microsoft-Windows-', '')}:${architecture}`;
}

/** The orders that the reference demands; every element of ours is in one of them. */
const ORDERS: Record<string, string[]> = {
  settings: ['component'],
  'component TCPIP': ['Interfaces'],
  'component DNS-Client': ['DNSDomain', 'DNSSuffixSearchOrder', 'UseDomainNameDevolution', 'Interfaces'],
  'Interface TCPIP': ['Ipv4Settings', 'Ipv6Settings', 'Identifier', 'UnicastIpAddresses', 'Routes'],
  'Interface DNS-Client': ['Identifier', 'DNSDomain', 'DNSServerSearchOrder'],
  Route: ['Identifier', 'Metric', 'NextHopAddress', 'Prefix'],
  Identification: ['Credentials', 'JoinDomain', 'JoinWorkgroup', 'MachineObjectOU'],
  Credentials: ['Domain', 'Password', 'Username'],
  RunSynchronousCommand: ['Credentials', 'Description', 'Order', 'Path', 'WillReboot'],
  UserAccounts: ['AdministratorPassword', 'DomainAccounts', 'LocalAccounts'],
  LocalAccount: ['Password', 'Description', 'DisplayName', 'Group', 'Name'],
  AdministratorPassword: ['Value', 'PlainText'],
};
const LISTED = ['Interface', 'IpAddress', 'Route', 'RunSynchronousCommand', 'LocalAccount'];
const PASSES: Record<string, string[]> = {
  specialize: ['Shell-Setup', 'UnattendedJoin', 'TCPIP', 'DNS-Client', 'Deployment'],
  oobeSystem: ['Shell-Setup'],
};

/** What is wrong by the rules above, for the architecture that was merged. */
function problems(root: Element): string[] {
  const found: string[] = [];
  const check = (node: Element, component: string) => {
    const name = node.localName ?? '';
    if (node.namespaceURI !== UNATTEND) found.push(`${name} is in another namespace`);
    if (LISTED.includes(name) && node.getAttributeNS(WCM, 'action') !== 'add')
      found.push(`${name} is not added`);
    const order = ORDERS[`${name} ${component}`] ?? ORDERS[name];
    const names = children(node).map((child) => child.localName ?? '');
    const sorted = order && [...names].sort((a, b) => order.indexOf(a) - order.indexOf(b));
    if (sorted && (sorted.join() !== names.join() || names.some((each) => !order.includes(each)))) {
      found.push(`${name} holds ${names.join()}`);
    }
    for (const child of children(node)) check(child, component);
  };
  for (const settings of children(root)) {
    for (const component of children(settings)) {
      const name = component.getAttribute('name')?.replace('Microsoft-Windows-', '') ?? '';
      const known = PASSES[settings.getAttribute('pass') ?? ''];
      if (known?.includes(name) === false) found.push(`${name} in a wrong pass`);
      check(component, name);
    }
  }
  return found;
}

describe('mergeUnattend', () => {
  it('writes a new file in the order and the namespaces of Setup', async () => {
    const root = await merge(ANSWERS);
    expect(problems(root)).toEqual([]);
    for (const settings of children(root)) {
      for (const component of children(settings)) {
        expect(component.getAttribute('publicKeyToken')).toBe('31bf3856ad364e35');
        expect(component.getAttribute('versionScope')).toBe('nonSxS');
        expect(component.getAttribute('language')).toBe('neutral');
      }
    }
    const tcpip = 'specialize/TCPIP:amd64/Interfaces/Interface';
    const dns = 'specialize/DNS-Client:amd64';
    const account = 'oobeSystem/Shell-Setup:amd64/UserAccounts/LocalAccounts/LocalAccount';
    const hidden = (text: string) => Buffer.from(text, 'utf16le').toString('base64');
    expect(flatten(root)).toEqual([
      'specialize/Shell-Setup:amd64/ComputerName=LAB-07',
      'specialize/UnattendedJoin:amd64/Identification/Credentials/Domain=lab.example.org',
      'specialize/UnattendedJoin:amd64/Identification/Credentials/Password= <&"\u00e9 ',
      'specialize/UnattendedJoin:amd64/Identification/Credentials/Username=joiner',
      'specialize/UnattendedJoin:amd64/Identification/JoinDomain=lab.example.org',
      'specialize/UnattendedJoin:amd64/Identification/MachineObjectOU=OU=A & B',
      `${tcpip}/Ipv4Settings/DhcpEnabled=false`,
      `${tcpip}/Identifier=52-54-00-AB-CD-EF`,
      `${tcpip}/UnicastIpAddresses/IpAddress=10.0.0.5/20`,
      `${tcpip}/Routes/Route/Identifier=0`,
      `${tcpip}/Routes/Route/Metric=10`,
      `${tcpip}/Routes/Route/NextHopAddress=10.0.0.1`,
      `${tcpip}/Routes/Route/Prefix=0.0.0.0/0`,
      `${dns}/DNSDomain=lab.example.org`,
      `${dns}/Interfaces/Interface/Identifier=52-54-00-AB-CD-EF`,
      `${dns}/Interfaces/Interface/DNSDomain=lab.example.org`,
      `${dns}/Interfaces/Interface/DNSServerSearchOrder/IpAddress=10.0.0.2`,
      `${dns}/Interfaces/Interface/DNSServerSearchOrder/IpAddress=10.0.0.3`,
      'specialize/Deployment:amd64/RunSynchronous/RunSynchronousCommand/Description=TotalDeploy first start',
      'specialize/Deployment:amd64/RunSynchronous/RunSynchronousCommand/Order=1',
      'specialize/Deployment:amd64/RunSynchronous/RunSynchronousCommand/Path=cmd.exe /c start',
      'specialize/Deployment:amd64/RunSynchronous/RunSynchronousCommand/WillReboot=Never',
      `oobeSystem/Shell-Setup:amd64/UserAccounts/AdministratorPassword/Value=${hidden('admAdministratorPassword')}`,
      'oobeSystem/Shell-Setup:amd64/UserAccounts/AdministratorPassword/PlainText=false',
      `${account}/Password/Value=${hidden(' pä\u20ac Password')}`,
      `${account}/Password/PlainText=false`,
      `${account}/DisplayName=Eve & Co`,
      `${account}/Group=Power Users`,
      `${account}/Name=eve`,
    ]);
  });

  it('keeps what the master had, and replaces only what it sets', async () => {
    const before = flatten(rootOf(Buffer.from(MASTER)));
    const root = await merge(ANSWERS, MASTER);
    expect(problems(root).filter((text) => !/^component/.test(text))).toEqual([]);
    const after = flatten(root);
    expect(before.filter((line) => !after.includes(line))).toEqual([
      'specialize/Shell-Setup:amd64/ComputerName=*',
      'specialize/UnattendedJoin:amd64/Identification/JoinWorkgroup=OLD',
    ]);
    expect(after.filter((line) => line.includes('Identifier=52-54-00-AB'))).toHaveLength(2);
    expect(after).toContain('specialize/Deployment:amd64/RunSynchronous/RunSynchronousCommand/Order=5');
    const passes = children(root).map((settings) => settings.hasAttribute('wasPassProcessed'));
    expect(passes).toEqual([true, false, false]);
    const again = await mergeUnattend(
      await mergeUnattend(Buffer.from(MASTER), ANSWERS, OPTIONS),
      ANSWERS,
      OPTIONS,
    );
    const lines = flatten(rootOf(again));
    expect(lines.filter((line) => !line.includes('Order='))).toEqual(
      after.filter((line) => !line.includes('Order=')),
    );
    const wide = await merge(NOTHING, Buffer.from(MASTER.replace('utf-8', 'utf-16'), 'utf16le'));
    expect(flatten(wide)).toEqual(before);
  });

  it('gives every card DHCP, a workgroup, and accounts without password', async () => {
    const settings = { kind: 'dhcp' as const, dnsServers: [], dnsSuffix: '' };
    const root = await merge({
      membership: { kind: 'workgroup', name: 'LAB & CO' },
      network: { macs: ['52:54:00:00:00:01', '52:54:00:00:00:02'], settings },
      users: [{ name: 'administrator', fullName: '', password: '', group: 'users' }],
    });
    expect(problems(root)).toEqual([]);
    expect(flatten(root).filter((line) => /DhcpEnabled=true|JoinWorkgroup=LAB & CO/.test(line))).toHaveLength(
      3,
    );
    expect(flatten(root).join()).not.toMatch(/AdministratorPassword|LocalAccount/);
  });

  it.each([
    ['', 'not well-formed'],
    ['<unattend', 'not well-formed'],
    ['<html/>', 'none of Windows'],
    [`<unattend xmlns="${UNATTEND}"><a>secret</b></unattend>`, 'not well-formed XML, see line 1'],
    [`<!DOCTYPE u [<!ENTITY a "b">]><unattend xmlns="${UNATTEND}">&a;</unattend>`, 'document type'],
    ['\xff\xfe\x00', 'not well-formed'],
  ])('refuses the broken file %j in one line without its content', async (text, reason) => {
    const failure = await mergeUnattend(Buffer.from(text, 'latin1'), ANSWERS, OPTIONS).catch(
      (error) => error.message,
    );
    expect(failure).toMatch(/^Cannot use the answer file "unattend\.xml": [^\n]*$/);
    expect(failure).toContain(reason);
    expect(failure).not.toContain('secret');
  });

  it('brings every value back as it was given, and survives any bytes', async () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 30 })
      .map((value) => value.replace(/[\x00-\x1f\x7f-\x9f\ufffe\uffff]/g, ''));
    await fc.assert(
      fc.asyncProperty(text, text, async (password, ou) => {
        const membership = { kind: 'domain', name: 'a.b', user: 'u', password: `x${password}`, ou } as const;
        const lines = flatten(await merge({ ...NOTHING, membership }, MASTER));
        expect(lines).toContain(
          `specialize/UnattendedJoin:amd64/Identification/Credentials/Password=x${password}`,
        );
      }),
      { numRuns: 50 },
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat(MASTER.length), fc.nat(300))
        .map(([at, count]) => Buffer.from(MASTER.slice(0, at) + MASTER.slice(at + count))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (broken) => {
        try {
          rootOf(await mergeUnattend(Buffer.from(broken), ANSWERS, OPTIONS));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid' });
        }
      }),
      { numRuns: 300 },
    );
  });
});
