import { z } from 'zod';
import { imageNameSchema } from './image-manifest.ts';
import { afterSchema, diskRuleSchema } from './job.ts';

/** Raised when a field changes its meaning; a template of a newer version is refused. */
export const TEMPLATE_VERSION = 1;

const LIST_MAX = 2000;
const SECONDS_MAX = 7 * 24 * 3600;

/** One line without control characters. */
const line = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\x00-\x1f\x7f]*$/, 'must be one line');
const filled = (max: number) => line(max).min(1, 'must not be empty');
const mac = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'use e.g. 52:54:00:12:34:56 in lower case');
export const ipv4Schema = z.ipv4('use an IPv4 address such as 10.0.0.5');
export const prefixLengthSchema = z.number().int().min(1).max(30);
export const gatewayOrNoneSchema = z.union(
  [z.literal(''), ipv4Schema],
  'use an IPv4 address such as 10.0.0.1, or leave it empty',
);

const NAME_RULE = 'use up to 15 letters, digits and dashes, not digits alone, no dash at an end';

/** RFC 1123 label of at most 15 characters, the longest a NetBIOS name may be; not digits alone. */
export const computerNameSchema = z
  .string()
  .regex(/^(?=.{1,15}$)(?!\d+$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/, NAME_RULE);

const dnsName = z
  .string()
  .max(253)
  .regex(/^(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*$/, 'use a DNS name such as lab.example.org');

export function ipv4Number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function ipv4Text(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

interface Subnet {
  network: number;
  broadcast: number;
}

function subnetOf(address: string, prefixLength: number): Subnet {
  const size = 2 ** (32 - prefixLength);
  const network = Math.floor(ipv4Number(address) / size) * size;
  return { network, broadcast: network + size - 1 };
}

function isHost(address: string, { network, broadcast }: Subnet): boolean {
  const number = ipv4Number(address);
  return number > network && number < broadcast;
}

/** A password: as typed, or sealed by a console's identity (see `console/secrets.ts`). */
export const secretSchema = z.union(
  [
    line(256),
    z.strictObject({
      /** AES-256-GCM: nonce, ciphertext and tag in base64. */
      sealed: z.string().regex(/^[A-Za-z0-9+/=]{1,2000}$/),
      /** SHA-256 of the certificate of the console that can open it. */
      console: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ],
  'use one line of up to 256 characters, or a password that a console sealed',
);

export const USER_GROUPS = ['administrators', 'power-users', 'users'] as const;
export const FREE_SPACE_POLICIES = ['keep', 'grow-last', 'proportional'] as const;

export const userAccountSchema = z.strictObject({
  name: z.string().regex(/^(?=.{1,20}$)[^"/\\[\]:;|=,+*?<>@\x00-\x1f]*[^"/\\[\]:;|=,+*?<>@\x00-\x1f. ]$/, {
    error: 'use up to 20 characters, none of "/\\[]:;|=,+*?<>@, and no dot or space at the end',
  }),
  fullName: line(256).default(''),
  password: secretSchema.default(''),
  group: z.enum(USER_GROUPS).default('users'),
});

/** `{n}` counts; `{n:03}` with leading zeros; `{mac}` last six digits of the MAC; `{serial}` the serial number. */
const namePattern = filled(60).regex(
  /^(?:[A-Za-z0-9-]|\{n(?::0?[1-9])?\}|\{mac\}|\{serial\})+$/,
  'use letters, digits, dashes and {n}, {n:03}, {mac} or {serial}',
);

/** One computer of a table of names and addresses, found by the MAC of any of its cards. */
export const tableRowSchema = z.strictObject({
  mac,
  name: computerNameSchema.exactOptional(),
  address: ipv4Schema.exactOptional(),
  prefixLength: prefixLengthSchema.exactOptional(),
  gateway: ipv4Schema.exactOptional(),
});

const namesByPattern = z
  .strictObject({
    kind: z.literal('pattern'),
    pattern: namePattern,
    /** What `{n}` is for the first computer. */
    first: z.number().int().min(0).max(999_999).default(1),
  })
  .superRefine(({ pattern, first }, context) => {
    // Serial numbers differ; the shortest shows whether any computer could have such a name.
    const name = expandNamePattern(pattern, { number: first, mac: 'ab:cd:ef:ab:cd:ef', serial: 'S' });
    if (computerNameSchema.safeParse(name).success) return;
    context.addIssue({
      code: 'custom',
      path: ['pattern'],
      message: `gives names such as "${name}"; ${NAME_RULE}`,
    });
  });

export const computerNamesSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('keep') }),
    namesByPattern,
    /** The names of the template's table. */
    z.strictObject({ kind: z.literal('table') }),
  ],
  { error: 'use keep, pattern or table' },
);

/** What a pattern gives for one computer; not yet checked. */
export function expandNamePattern(
  pattern: string,
  computer: { number: number; mac: string; serial: string },
): string {
  return pattern.replace(/\{(n|mac|serial)(?::0?([1-9]))?\}/g, (_whole, field: string, width = '1') => {
    if (field === 'mac') return computer.mac.replaceAll(':', '').slice(-6);
    if (field === 'serial') return computer.serial.replace(/[^A-Za-z0-9-]/g, '');
    return String(computer.number).padStart(Number(width), '0');
  });
}

const domainMembership = z.strictObject({
  kind: z.literal('domain'),
  name: dnsName,
  /** The domain administrator who may join computers. */
  user: filled(256),
  /** Empty: it is asked for when a deployment starts. */
  password: secretSchema.default(''),
  /** Organisational unit, e.g. `OU=Lab,DC=example,DC=org`; empty for the default one. */
  ou: line(1000).default(''),
});

export const membershipSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('keep') }),
    z.strictObject({
      kind: z.literal('workgroup'),
      name: z
        .string()
        .regex(
          /^(?=.{1,15}$)[^"/\\[\]:;|=,+*?<>\x00-\x1f]*[^\s"/\\[\]:;|=,+*?<>\x00-\x1f]$/,
          'use up to 15 characters, none of "/\\[]:;|=,+*?<>',
        ),
    }),
    domainMembership,
  ],
  { error: 'use keep, workgroup or domain' },
);

const dnsSettings = {
  dnsServers: z.array(ipv4Schema).max(3).default([]),
  dnsSuffix: z
    .union([z.literal(''), dnsName], 'use a DNS name such as lab.example.org, or leave it empty')
    .default(''),
};

const staticNetwork = z
  .strictObject({
    kind: z.literal('static'),
    /** Addresses are given out from the first to the last, one a computer. */
    first: ipv4Schema,
    last: ipv4Schema,
    prefixLength: prefixLengthSchema,
    gateway: gatewayOrNoneSchema.default(''),
    ...dnsSettings,
  })
  .superRefine(({ first, last, prefixLength, gateway }, context) => {
    const problem = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });
    const subnet = subnetOf(first, prefixLength);
    const [from, to, router] = [ipv4Number(first), ipv4Number(last), ipv4Number(gateway || '0.0.0.0')];
    if (from > to) problem('last', `must not be before ${first}`);
    if (!isHost(first, subnet))
      problem('first', `is no address for a computer in a /${prefixLength} network`);
    if (!isHost(last, subnet))
      problem('last', `is no address for a computer in the network of ${first}/${prefixLength}`);
    if (gateway === '') return;
    if (!isHost(gateway, subnet)) problem('gateway', `is not in the network of ${first}/${prefixLength}`);
    else if (router >= from && router <= to) problem('gateway', `must not be between ${first} and ${last}`);
  });

export const networkSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('keep') }),
    z.strictObject({ kind: z.literal('dhcp'), ...dnsSettings }),
    staticNetwork,
    /** The addresses of the template's table. */
    z.strictObject({
      kind: z.literal('table'),
      prefixLength: prefixLengthSchema,
      gateway: gatewayOrNoneSchema.default(''),
      ...dnsSettings,
    }),
  ],
  { error: 'use keep, dhcp, static or table' },
);

export const fileTransferSchema = z.strictObject({
  /** A file or folder at the console, or `smb://server/share/path`. */
  source: filled(1000),
  /** Where it goes on the target; empty for the default folder. */
  destination: line(1000).default(''),
  execute: z.boolean().default(false),
  arguments: line(1000).default(''),
});

/**
 * Values that may be there once in a list, upper and lower case alike; it also looks at rows beside wrong ones, so
 * that every problem is told at once.
 */
function once(fields: readonly string[]) {
  return (rows: unknown, context: z.core.$RefinementCtx) => {
    for (const field of Array.isArray(rows) ? fields : []) {
      const seen = new Map<string, number>();
      for (const [i, row] of (rows as unknown[]).entries()) {
        const value = (row as Record<string, unknown> | null)?.[field];
        if (typeof value !== 'string') continue;
        const first = seen.get(value.toLowerCase());
        if (first === undefined) seen.set(value.toLowerCase(), i);
        else {
          const message = `"${value}" is there already, as number ${first + 1}`;
          context.addIssue({ code: 'custom', path: [i, field], message });
        }
      }
    }
  };
}

const EVEN_BESIDE_PROBLEMS = { when: () => true };

const PARTITIONS_RULE = 'use "all", or the numbers of partitions such as [1, 2], each once';
const partitionNumber = z.number().int().min(1).max(256);

/** What one field alone does not show; some fields may be missing, for they were wrong. */
function checkTogether(template: Partial<Template> | null, context: z.core.$RefinementCtx): void {
  const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  const { computerNames, network, table, partitions, targetPartition } = template ?? {};
  const hasNo = (field: 'name' | 'address') =>
    Array.isArray(table) && !table.some((row) => row?.[field] !== undefined);
  if (computerNames?.kind === 'table' && hasNo('name')) {
    problem(['computerNames', 'kind'], 'the table has no names; import one, or use a pattern');
  }
  if (network?.kind === 'table' && hasNo('address')) {
    problem(['network', 'kind'], 'the table has no addresses; import one, or use static or dhcp');
  }
  if (targetPartition !== undefined && !(Array.isArray(partitions) && partitions.length === 1)) {
    problem(['targetPartition'], 'only with one partition of the image');
  }
}

/** Every field has a default but version, name and image. */
const templateFields = z.strictObject({
  version: z.literal(TEMPLATE_VERSION, `must be ${TEMPLATE_VERSION}`),
  name: imageNameSchema,
  comment: line(500).default(''),
  /** Name of an image in one of the console's image folders, or its path. */
  image: filled(1000),
  imagePassword: secretSchema.default(''),
  disk: z
    .number()
    .int()
    .min(0)
    .max(15)
    .default(0)
    .describe('Which disk of the image: 0 is its first one, which screens and commands call disk 1.'),
  /** Partitions of that disk; the boot area is always deployed. */
  partitions: z
    .union(
      [
        z.literal('all'),
        z
          .array(partitionNumber)
          .min(1)
          .max(256)
          .refine((numbers) => new Set(numbers).size === numbers.length, PARTITIONS_RULE),
      ],
      PARTITIONS_RULE,
    )
    .default('all'),
  /** Only with one partition: the existing partition of the target that it replaces. */
  targetPartition: partitionNumber.exactOptional(),
  targetDisk: diskRuleSchema.default('auto'),
  freeSpace: z.enum(FREE_SPACE_POLICIES).default('keep'),
  users: z
    .array(userAccountSchema)
    .max(100)
    .superRefine(once(['name']), EVEN_BESIDE_PROBLEMS)
    .default([]),
  computerNames: computerNamesSchema.default({ kind: 'keep' }),
  membership: membershipSchema.default({ kind: 'keep' }),
  network: networkSchema.default({ kind: 'keep' }),
  /** Names and addresses by MAC, for the kinds `table`. */
  table: z
    .array(tableRowSchema)
    .max(LIST_MAX)
    .superRefine(once(['mac', 'name', 'address']), EVEN_BESIDE_PROBLEMS)
    .default([]),
  sid: z.enum(['new', 'keep']).default('new'),
  files: z.array(fileTransferSchema).max(100).default([]),
  /** Programs of the master image that are run on the target. */
  applications: z
    .array(z.strictObject({ path: filled(1000), arguments: line(1000).default('') }))
    .max(100)
    .default([]),
  /** Folders or `.inf` files at the console. */
  drivers: z
    .array(z.strictObject({ source: filled(1000) }))
    .max(100)
    .default([]),
  after: afterSchema.default('shutdown'),
  /** Shown on waiting computers: custom deployment mode. */
  offeredOnTargets: z.boolean().default(false),
  /** How the deployment runs. */
  run: z
    .strictObject({
      /** Start when so many computers are connected; 0 starts with those that are there. */
      waitFor: z.number().int().min(0).max(LIST_MAX).default(0),
      /** Start with those that are there after this long. */
      waitSeconds: z.number().min(0).max(SECONDS_MAX).default(600),
      /** Wakes the chosen computers first. */
      wake: z.boolean().default(false),
      /** Computers that connect while it runs join it. */
      joinLate: z.boolean().default(false),
      allOrNothing: z.boolean().default(false),
      lostWaitSeconds: z.number().min(0).max(SECONDS_MAX).default(90),
      /** Upper limit of the multicast rate in Mbit/s; 0 finds it. */
      rateMbit: z.number().min(0).max(100_000).default(0),
    })
    .prefault({}),
});

export const templateSchema = templateFields.superRefine(checkTogether, EVEN_BESIDE_PROBLEMS);

/** Of a template, what each deployed system is changed by; a job keeps it with its passwords sealed. */
export const targetSettingsSchema = templateFields.pick({
  ...{ computerNames: true, membership: true, network: true, table: true, users: true, sid: true },
  ...{ files: true, applications: true, drivers: true },
});

/** For editors and for programs that write templates: what one field alone must look like. */
export function templateJsonSchema(): object {
  return z.toJSONSchema(templateSchema, { io: 'input' });
}

export type Template = z.output<typeof templateFields>;
export type TargetSettings = z.output<typeof targetSettingsSchema>;
export type TemplateInput = z.input<typeof templateFields>;
export type Secret = z.infer<typeof secretSchema>;
export type UserAccount = z.output<typeof userAccountSchema>;
export type TableRow = z.infer<typeof tableRowSchema>;
export type ComputerNames = z.output<typeof computerNamesSchema>;
export type Membership = z.output<typeof membershipSchema>;
export type TargetNetwork = z.output<typeof networkSchema>;
export type FileTransfer = z.output<typeof fileTransferSchema>;
