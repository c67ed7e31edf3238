import { win32 } from 'node:path';
import { ipv4Text } from '../../schema/template.ts';
import type { FirstStart, FirstStartDomain, FirstStartNetwork, FirstStartProgram } from './first-start.ts';
import { isVistaOrLater, type WindowsFacts } from './windows-system.ts';

/**
 * One thing that the first-start program does, ready to be done: what can be decided without a running Windows is decided
 * here, so that the two programs (see `first-start-jscript.ts` and `first-start-powershell.ts`) only act.
 */
export type FirstStartStep = UserStep | CardStep | RunStep | JoinStep;

interface StepText {
  /** For the log; never a secret. */
  text: string;
}

export interface UserStep extends StepText {
  kind: 'user';
  name: string;
  fullName: string;
  password: string;
  /** SID of the group, for its name is another in each language. */
  groupSid: string;
}

/** Settings of the network cards that Windows finds by their MACs. */
export interface CardStep extends StepText {
  kind: 'card';
  /** As Windows writes them: `52:54:00:AB:CD:EF`. */
  macs: string[];
  firstOnly: boolean;
  /** Arguments of netsh, with `{connection}` for the quoted name of the connection. */
  netsh: string[];
  /** Suffix of the connection; empty leaves it. */
  dnsSuffix: string;
}

export interface RunStep extends StepText {
  kind: 'run';
  /** Program or document; variables are replaced, as in the arguments. */
  file: string;
  arguments: string;
  /** Without a window. */
  hidden: boolean;
  /** Empty: every exit code is only told. */
  goodExitCodes: number[];
}

export interface JoinStep extends StepText {
  kind: 'join';
  domain: string;
  user: string;
  password: string;
  /** Empty for the default one. */
  ou: string;
  /** Pauses between tries. */
  waitSeconds: number[];
}

const GROUP_SIDS = {
  administrators: 'S-1-5-32-544',
  users: 'S-1-5-32-545',
  'power-users': 'S-1-5-32-547',
} as const;

/** Three tries: the network may come up late. */
const JOIN_WAITS_SECONDS = [15, 45];
/** No more items, and a restart is needed: both are good ends of pnputil. */
const PNPUTIL_GOOD_CODES = [0, 259, 3010];

export function firstStartSteps(
  firstStart: FirstStart,
  facts: Pick<WindowsFacts, 'release'>,
): FirstStartStep[] {
  const { users, network, driverFolders, domain, programs } = firstStart;
  return [
    ...users.map(userStep),
    // XP's and Server 2003's Plug and Play finds drivers by DevicePath alone; they have no pnputil.
    ...(isVistaOrLater(facts) ? driverFolders.map(driverStep) : []),
    ...(network === undefined ? [] : [cardStep(network)]),
    ...(domain === undefined ? [] : [joinStep(domain)]),
    ...programs.map(programStep),
  ];
}

function userStep({ name, fullName, password, group }: FirstStart['users'][number]): UserStep {
  return { kind: 'user', text: `user "${name}"`, name, fullName, password, groupSid: GROUP_SIDS[group] };
}

function driverStep(folder: string): RunStep {
  return {
    kind: 'run',
    text: `drivers of ${folder}`,
    file: '%SystemRoot%\\System32\\pnputil.exe',
    // Older than 10 they know only this form, and newer ones still do.
    arguments: `-i -a "${folder}\\*.inf"`,
    hidden: true,
    goodExitCodes: PNPUTIL_GOOD_CODES,
  };
}

function cardStep({ macs, settings }: FirstStartNetwork): CardStep {
  const isStatic = settings.kind === 'static';
  const { dnsServers, dnsSuffix } = settings;
  const [firstServer = isStatic ? 'none' : undefined, ...moreServers] = dnsServers;
  return {
    kind: 'card',
    text: isStatic ? `address ${settings.address}/${settings.prefixLength}` : 'addresses by DHCP',
    macs: macs.map((mac) => mac.toUpperCase()),
    firstOnly: isStatic,
    netsh: [
      // By position: the names of these arguments changed between XP and Vista.
      `interface ip set address {connection} ${isStatic ? staticAddress(settings) : 'dhcp'}`,
      `interface ip set dns {connection} ${firstServer === undefined ? 'dhcp' : `static ${firstServer}`}`,
      ...moreServers.map((server) => `interface ip add dns {connection} ${server}`),
    ],
    dnsSuffix,
  };
}

function staticAddress(settings: Extract<FirstStartNetwork['settings'], { kind: 'static' }>): string {
  const { address, prefixLength, gateway } = settings;
  return `static ${address} ${maskText(prefixLength)} ${gateway === '' ? 'none' : `${gateway} 1`}`;
}

/** `255.255.255.0` for 24. */
export function maskText(prefixLength: number): string {
  return ipv4Text(2 ** 32 - 2 ** (32 - prefixLength));
}

function joinStep({ name, user, password, ou }: FirstStartDomain): JoinStep {
  return {
    kind: 'join',
    text: `domain ${name}`,
    domain: name,
    // A bare name would be looked for on this computer.
    user: /[\\@]/.test(user) ? user : `${user}@${name}`,
    password,
    ou,
    waitSeconds: JOIN_WAITS_SECONDS,
  };
}

/** What is run for documents that Windows would only show, or ask about with nobody there. */
const RUNNERS: Readonly<Record<string, { file: string; before: string; after: string }>> = {
  '.msi': { file: '%SystemRoot%\\System32\\msiexec.exe', before: '/i', after: '/qn /norestart' },
  '.reg': { file: '%SystemRoot%\\System32\\reg.exe', before: 'import', after: '' },
  '.ps1': {
    file: '%SystemRoot%\\System32\\WindowsPowerShell\\v1.0\\powershell.exe',
    before: '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File',
    after: '',
  },
  '.vbs': { file: '%SystemRoot%\\System32\\cscript.exe', before: '//nologo //b', after: '' },
  '.js': { file: '%SystemRoot%\\System32\\cscript.exe', before: '//nologo //b', after: '' },
};

function programStep({ path, arguments: line }: FirstStartProgram): RunStep {
  const file = path.replaceAll('"', '').replaceAll('/', '\\').trim();
  const runner = RUNNERS[win32.extname(file).toLowerCase()];
  const words = runner === undefined ? [line] : [runner.before, `"${file}"`, runner.after, line];
  return {
    kind: 'run',
    // Its arguments may hold a password or a key.
    text: `program ${file}`,
    file: runner?.file ?? file,
    arguments: words.filter((word) => word !== '').join(' '),
    hidden: false,
    goodExitCodes: [],
  };
}
