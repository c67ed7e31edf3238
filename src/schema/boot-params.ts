import { z } from 'zod';
import { imageNameSchema } from './image-manifest.ts';
import { afterSchema, diskRuleSchema } from './job.ts';

const PREFIX = 'td.';
/** Longer than any kernel's command line; what is behind it is not read. */
const COMMAND_LINE_CHARS_MAX = 65_536;
const PROBLEMS_MAX = 50;
const DNS_MAX = 3;
/** How far a misspelt name may be from the one that is suggested. */
const SUGGESTION_DISTANCE_MAX = 3;

export const BOOT_MODES = ['menu', 'agent', 'backup', 'console'] as const;
export type BootMode = (typeof BOOT_MODES)[number];

/** The address as the person at the boot menu gave it; `dhcp` is the default. */
export type IpSetting =
  | { kind: 'dhcp' }
  | { kind: 'static'; address: string; prefixLength: number; gateway: string; dns: string[] };

export type InterfaceSetting = { kind: 'name'; name: string } | { kind: 'mac'; mac: string };

const printable = z.string().regex(/^[^\x00-\x1f\x7f]+$/);
const url = z
  .string()
  .regex(/^(https?|tftp):\/\/[^\s/]+(\/\S*)?$/)
  .max(1000);
const hostPort = z
  .string()
  .max(256)
  .refine((text) => parseHostPort(text) !== undefined);
const vlan = wholeNumber(1, 4094);

/** Every parameter's value; the input side is text, the output side what the program works with. */
export const bootParamsSchema = z.strictObject({
  mode: z.enum(BOOT_MODES).default('menu'),
  console: hostPort.exactOptional(),
  ip: z.string().transform(ipSetting).default({ kind: 'dhcp' }),
  iface: z.string().transform(interfaceSetting).exactOptional(),
  vlan: vlan.exactOptional(),
  disk: printable.pipe(diskRuleSchema).exactOptional(),
  partitions: z.string().max(1000).transform(partitionList).exactOptional(),
  to: z.string().max(1000).transform(destination).exactOptional(),
  image: printable.max(1000).exactOptional(),
  name: imageNameSchema.exactOptional(),
  template: imageNameSchema.exactOptional(),
  after: afterSchema.exactOptional(),
  level: wholeNumber(1, 19).exactOptional(),
  log: z.string().max(256).transform(logPath).exactOptional(),
  timeout: wholeNumber(1, 3600).exactOptional(),
  wim: z.union([url, z.string().regex(/^[A-Za-z0-9_-]{1,32}$/)]).exactOptional(),
  boot: z.union([url, z.string().regex(/^\(?(tftp|https?),[A-Za-z0-9,._:-]{1,100}\)?\S*$/)]).exactOptional(),
  debug: z.string().transform(flag).default(false),
});

export type BootParams = z.output<typeof bootParamsSchema>;
export type BootParamName = keyof BootParams;

export interface BootParamProblem {
  /** As it was given, e.g. `td.vlan`. */
  name: string;
  value: string;
  /** One line: what is wrong and what is allowed. */
  message: string;
}

export interface BootParameter {
  name: BootParamName;
  /** What is allowed, in words that follow "use". */
  values: string;
  meaning: string;
  default: string;
}

/** One row a parameter: the README's table, `--help` and every error message come from it. */
export const BOOT_PARAMETERS: readonly BootParameter[] = [
  {
    name: 'mode',
    values: 'menu, agent, backup or console',
    meaning: 'What the computer does: ask, wait for a deployment, take an image, or be the console.',
    default: 'menu',
  },
  {
    name: 'console',
    values: 'HOST or HOST:PORT',
    meaning: 'The console to work with.',
    default: 'the one of the boot medium, else found on the network',
  },
  {
    name: 'ip',
    values: 'dhcp or ADDRESS/LENGTH[,GATEWAY[,DNS…]], e.g. 10.0.0.5/24,10.0.0.1,10.0.0.2',
    meaning: 'The IPv4 address of this computer.',
    default: 'dhcp',
  },
  {
    name: 'iface',
    values: 'a name such as eth0 or a MAC address such as 52:54:00:12:34:56',
    meaning: 'The network card to use.',
    default: 'every card with a link',
  },
  { name: 'vlan', values: 'a whole number from 1 to 4094', meaning: 'The VLAN to work in.', default: 'none' },
  {
    name: 'disk',
    values:
      'a device (sda), a rule (only, first, smallest, largest) or conditions (serial=…, wwn=…, model=…, bus=nvme, size>=100G) joined by commas',
    meaning: 'The disk to take an image of, or to deploy to.',
    default: 'asked for, or chosen by the console',
  },
  {
    name: 'partitions',
    values: 'all, or partition numbers and ranges such as 1,3-5',
    meaning: 'The partitions to take an image of.',
    default: 'all',
  },
  {
    name: 'to',
    values: 'console:NAME or a path such as /mnt/NAME.sco',
    meaning: 'Where the image is stored.',
    default: 'asked for',
  },
  {
    name: 'image',
    values: 'an image name or path',
    meaning: 'The image to deploy.',
    default: 'chosen at the console',
  },
  {
    name: 'name',
    values: 'up to 120 letters, digits, spaces, dots, dashes and underscores',
    meaning: 'The name written into the image.',
    default: 'as in td.to',
  },
  {
    name: 'template',
    values: 'up to 120 letters, digits, spaces, dots, dashes and underscores',
    meaning: 'The template to deploy.',
    default: 'chosen at the console',
  },
  {
    name: 'after',
    values: 'shutdown, restart or wait',
    meaning: 'What happens when the work is done.',
    default: 'as the console says; wait after a backup',
  },
  {
    name: 'level',
    values: 'a whole number from 1 to 19',
    meaning: 'Compression of the image.',
    default: '3',
  },
  {
    name: 'log',
    values: 'a device such as ttyS1 or an absolute path',
    meaning: 'Where the log goes besides /run/totaldeploy/log.',
    default: 'nowhere else',
  },
  {
    name: 'timeout',
    values: 'a whole number of seconds from 1 to 3600',
    meaning: 'After this time without a key the menu starts the deploy agent.',
    default: 'the menu waits',
  },
  {
    name: 'wim',
    values: 'a URL (http://…, https://…, tftp://…) or a volume label',
    meaning: 'Where the loader finds totaldeploy.wim.',
    default: 'where the computer was booted from',
  },
  {
    name: 'boot',
    values: 'a URL (http://…, https://…, tftp://…) or a GRUB device such as tftp,10.0.0.1',
    meaning: 'Where the computer was booted from; the boot menu sets it.',
    default: 'set by the boot menu',
  },
  { name: 'debug', values: 'no value, 1 or 0', meaning: 'Writes a more talkative log.', default: '0' },
];

const PARAMETER_OF = new Map(BOOT_PARAMETERS.map((parameter) => [parameter.name as string, parameter]));

export interface CommandLineWord {
  name: string;
  /** Undefined when there was no `=`. */
  value: string | undefined;
}

/**
 * Splits a kernel command line as the kernel does (lib/cmdline.c, next_arg): white space separates,
 * double quotes keep white space, and quotes around the value or the whole word are dropped.
 */
export function splitCommandLine(commandLine: string): CommandLineWord[] {
  const words: CommandLineWord[] = [];
  let at = 0;
  while (at < commandLine.length) {
    while (at < commandLine.length && isSpace(commandLine, at)) at += 1;
    if (at >= commandLine.length) break;
    const start = at;
    let inQuote = false;
    while (at < commandLine.length && (inQuote || !isSpace(commandLine, at))) {
      if (commandLine[at] === '"') inQuote = !inQuote;
      at += 1;
    }
    words.push(splitWord(commandLine.slice(start, at)));
  }
  return words;
}

function isSpace(text: string, at: number): boolean {
  const character = text[at]!;
  return character === ' ' || (character >= '\t' && character <= '\r') || character === '\0';
}

function splitWord(word: string): CommandLineWord {
  const whole = word.startsWith('"') ? withoutQuotes(word) : word;
  const equals = whole.indexOf('=', 1);
  if (equals === -1) return { name: whole, value: undefined };
  return { name: whole.slice(0, equals), value: withoutQuotes(whole.slice(equals + 1)) };
}

function withoutQuotes(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.length > 1 && text.endsWith('"') ? text.slice(1, -1) : text.slice(1);
}

/**
 * Reads the `td.*` parameters of a kernel command line; never throws.
 *
 * @returns the parameters that were right, with defaults for the others, and every problem by name.
 */
export function parseBootParams(commandLine: string): { params: BootParams; problems: BootParamProblem[] } {
  const given = new Map<string, string>();
  const accepted: Record<string, string> = {};
  const problems: BootParamProblem[] = [];
  const report = (name: string, value: string, message: string) => {
    if (problems.length < PROBLEMS_MAX) problems.push({ name, value, message });
  };
  for (const word of splitCommandLine(commandLine.slice(0, COMMAND_LINE_CHARS_MAX))) {
    if (word.name.slice(0, PREFIX.length).toLowerCase() !== PREFIX) continue;
    const value = word.value ?? '';
    const parameter = word.name.startsWith(PREFIX)
      ? PARAMETER_OF.get(word.name.slice(PREFIX.length))
      : undefined;
    if (parameter === undefined) {
      report(word.name, value, unknownMessage(word.name));
      continue;
    }
    const before = given.get(parameter.name);
    given.set(parameter.name, value);
    if (before !== undefined && before !== value)
      report(word.name, value, twiceMessage(word.name, before, value));
    if (isAllowed(parameter.name, word.value)) accepted[parameter.name] = value;
    else if (before !== value) report(word.name, value, wrongMessage(word, parameter));
  }
  return { params: bootParamsSchema.parse(accepted), problems };
}

function isAllowed(name: BootParamName, value: string | undefined): boolean {
  if (name !== 'debug' && (value === undefined || value === '')) return false;
  return bootParamsSchema.shape[name].safeParse(value ?? '').success;
}

function wrongMessage(word: CommandLineWord, parameter: BootParameter): string {
  const given =
    word.value === undefined || word.value === '' ? 'has no value' : `cannot be ${shown(word.value)}`;
  return `${word.name} ${given}: use ${parameter.values}`;
}

function twiceMessage(name: string, before: string, value: string): string {
  return `${name} is given twice, as ${shown(before)} and ${shown(value)}: use one of them`;
}

function unknownMessage(name: string): string {
  const known = BOOT_PARAMETERS.map((parameter) => `${PREFIX}${parameter.name}`);
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase().slice(0, 40), candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = ranked[0]!;
  const advice =
    nearest.distance <= SUGGESTION_DISTANCE_MAX
      ? `did you mean ${nearest.candidate}?`
      : `use one of ${known.join(', ')}`;
  return `${shown(name).slice(1, -1)} is no parameter: ${advice}`;
}

/** Quoted, printable and short, whatever was given. */
function shown(value: string): string {
  const short = value.length > 80 ? `${value.slice(0, 80)}…` : value;
  return JSON.stringify(short).replace(/\x7f/g, '\\u007f');
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The table of the README: one row a parameter. */
export function markdownTable(): string {
  const cell = (text: string) => text.replace(/\|/g, '\\|');
  const rows = BOOT_PARAMETERS.map(
    (p) => `| \`${PREFIX}${p.name}\` | ${cell(p.values)} | ${cell(p.meaning)} | ${cell(p.default)} |`,
  );
  return ['| parameter | values | meaning | default |', '|---|---|---|---|', ...rows].join('\n');
}

/** `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`; undefined when it is none of them. */
export function parseHostPort(text: string): { host: string; port: number | undefined } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\s:[\]/@]{1,253}))(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  const host = match[1] ?? match[2]!;
  const valid = match[1] !== undefined ? z.ipv6().safeParse(host).success : isHostName(host);
  return valid ? { host, port } : undefined;
}

function isHostName(host: string): boolean {
  // Four numbers are meant as an address, so they must be one.
  if (/^[0-9.]+$/.test(host)) return z.ipv4().safeParse(host).success;
  return host.split('.').every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/.test(label));
}

type Context = z.RefinementCtx;

function refuse(context: Context): typeof z.NEVER {
  context.addIssue({ code: 'custom', message: 'not allowed' });
  return z.NEVER;
}

function wholeNumber(from: number, to: number) {
  return z
    .string()
    .regex(/^[0-9]{1,9}$/)
    .transform(Number)
    .pipe(z.number().int().min(from).max(to));
}

function ipSetting(text: string, context: Context): IpSetting {
  if (text === 'dhcp') return { kind: 'dhcp' };
  const [cidr = '', gateway = '', ...dns] = text.split(',');
  const isIpv4 = (address: string) => z.ipv4().safeParse(address).success;
  const match = /^([0-9.]+)\/([0-9]{1,2})$/.exec(cidr);
  const address = match?.[1] ?? '';
  const prefixLength = Number(match?.[2] ?? 0);
  const good =
    isIpv4(address) &&
    prefixLength >= 1 &&
    prefixLength <= 32 &&
    (gateway === '' ? !text.includes(',') || dns.length > 0 : isIpv4(gateway)) &&
    dns.length <= DNS_MAX &&
    dns.every(isIpv4);
  return good ? { kind: 'static', address, prefixLength, gateway, dns } : refuse(context);
}

function interfaceSetting(text: string, context: Context): InterfaceSetting {
  const mac = text.toLowerCase().replace(/-/g, ':');
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) return { kind: 'mac', mac };
  if (/^[A-Za-z][A-Za-z0-9._@-]{0,14}$/.test(text)) return { kind: 'name', name: text };
  return refuse(context);
}

/** The text of td.ip that gives such a setting. */
export function ipText(ip: IpSetting): string {
  if (ip.kind === 'dhcp') return 'dhcp';
  const { address, prefixLength, gateway, dns } = ip;
  const rest = gateway === '' && dns.length === 0 ? [] : [gateway, ...dns];
  return [`${address}/${prefixLength}`, ...rest].join(',');
}

/** Sorted and without doubles; an empty list means all. */
function partitionList(text: string, context: Context): number[] {
  if (text === 'all') return [];
  const numbers = new Set<number>();
  for (const item of text.split(',')) {
    const match = /^([0-9]{1,3})(?:-([0-9]{1,3}))?$/.exec(item);
    const from = Number(match?.[1] ?? 0);
    const to = Number(match?.[2] ?? from);
    if (from < 1 || to < from || to > 256) return refuse(context);
    for (let n = from; n <= to; n += 1) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}

function destination(text: string, context: Context): string {
  if (text.startsWith('console:')) {
    return imageNameSchema.safeParse(text.slice('console:'.length)).success ? text : refuse(context);
  }
  return /^\/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$/.test(text) ? text : refuse(context);
}

function logPath(text: string, context: Context): string {
  if (/^tty[A-Za-z]{0,8}[0-9]{1,3}$/.test(text)) return `/dev/${text}`;
  return /^\/[^\x00-\x20\x7f]+$/.test(text) ? text : refuse(context);
}

function flag(text: string, context: Context): boolean {
  if (text === '' || text === '1') return true;
  return text === '0' ? false : refuse(context);
}
