import { z } from 'zod';
import {
  computerNameSchema,
  gatewayOrNoneSchema,
  ipv4Schema,
  membershipSchema,
  networkSchema,
  prefixLengthSchema,
  userAccountSchema,
} from './template.ts';

/** One file a console has for its targets; `path` is below its set, with slashes. */
export const offeredFileSchema = z.strictObject({
  path: z
    .string()
    .max(1000)
    .regex(
      /^(?!\/)(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^\x00-\x1f\x7f\\]+$/,
      'must be a path below its folder, without . and ..',
    ),
  bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const FILES_MAX = 20_000;

/** What one line of a template named: a single file, or a folder with everything in it. */
const fileSet = {
  /** Name of the file or folder itself. */
  name: z
    .string()
    .min(1)
    .max(255)
    .regex(/^(?!\.{1,2}$)[^/\\\x00-\x1f\x7f]+$/, 'must be the name of one file or folder'),
  isFolder: z.boolean(),
  /** For a single file one entry, whose path is the name. */
  entries: z.array(offeredFileSchema).max(FILES_MAX),
};

const clearPassword = z.string().max(256);

/** What one computer is to become: a template with this computer's values put in. Its passwords are readable. */
export const customisationSchema = z.strictObject({
  /** Absent: the master's. */
  computerName: computerNameSchema.exactOptional(),
  membership: z.discriminatedUnion('kind', [
    membershipSchema.options[0],
    membershipSchema.options[1],
    membershipSchema.options[2].safeExtend({ password: clearPassword.min(1) }),
  ]),
  network: z.discriminatedUnion('kind', [
    networkSchema.options[0],
    networkSchema.options[1],
    z.strictObject({
      kind: z.literal('static'),
      address: ipv4Schema,
      prefixLength: prefixLengthSchema,
      gateway: gatewayOrNoneSchema,
      ...networkSchema.options[1].omit({ kind: true }).shape,
    }),
  ]),
  users: z.array(userAccountSchema.extend({ password: clearPassword })).max(100),
  sid: z.enum(['new', 'keep']),
  files: z
    .array(
      z.strictObject({
        ...fileSet,
        /** Folder on the target; empty for the default one. */
        destination: z.string().max(1000),
        execute: z.boolean(),
        arguments: z.string().max(1000),
      }),
    )
    .max(100),
  applications: z
    .array(z.strictObject({ path: z.string().min(1).max(1000), arguments: z.string().max(1000) }))
    .max(100),
  drivers: z.array(z.strictObject(fileSet)).max(100),
});

export type Customisation = z.output<typeof customisationSchema>;
export type OfferedFile = z.output<typeof offeredFileSchema>;
export type FileSet = Pick<Customisation['drivers'][number], 'name' | 'isFolder' | 'entries'>;
