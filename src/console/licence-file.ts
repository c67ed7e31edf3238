import { createPublicKey, verify } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { readJsonFile } from '../lib/json-file.ts';

/** Ed25519 public key of the vendor, SPKI in base64: what it signs is a licence. */
export const VENDOR_KEY = 'MCowBQYDK2VwAyEAoREiIVQzNX7EZEUIPCbrt7uF6eIA2TxQTVC3zBrrZCw=';

const BYTES_MAX = 65_536;
const COUNT_MAX = 1_000_000;

const line = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\x00-\x1f\x7f]*$/);
const licenceShape = {
  version: z.literal(1),
  holder: line,
  /** How many server and workstation licences were bought. */
  server: z.number().int().min(0).max(COUNT_MAX),
  workstation: z.number().int().min(0).max(COUNT_MAX),
  id: line,
  issued: z.iso.date(),
};
const licenceFileSchema = z.strictObject({ ...licenceShape, signature: z.base64().max(200) });

export type LicenceFile = z.infer<typeof licenceFileSchema>;

/** The bytes the vendor signs: the fields in this order, whatever order the file has. */
export function signedBytes(licence: Omit<LicenceFile, 'signature'>): Buffer {
  const { version, holder, server, workstation, id, issued } = licence;
  return Buffer.from(
    `totaldeploy licence\n${JSON.stringify([version, holder, server, workstation, id, issued])}`,
  );
}

/**
 * Reads a licence and checks its signature.
 *
 * @returns undefined when there is no such file.
 * @throws TdError `untrusted` when the vendor did not sign this, `damaged`, `io`.
 */
export async function readLicence(path: string, vendorKey: string): Promise<LicenceFile | undefined> {
  // A licence is small; a device or a film that was named by mistake is not read.
  const found = await stat(path).catch((cause: unknown) => {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw new TdError('io', `Cannot read the licence "${path}": ${errorLine(cause)}`, { cause });
  });
  if (found === undefined) return undefined;
  if (!found.isFile() || found.size > BYTES_MAX) {
    throw new TdError(
      'damaged',
      `Cannot use "${path}" as a licence: it is none; name the file the vendor sent`,
    );
  }
  const licence = await readJsonFile(path, {
    ...{ schema: licenceFileSchema, what: 'the licence', version: 1 },
    advice: 'load the file as the vendor sent it',
  });
  if (licence === undefined) return undefined;
  const key = createPublicKey({ key: Buffer.from(vendorKey, 'base64'), format: 'der', type: 'spki' });
  if (!verify(null, signedBytes(licence), key, Buffer.from(licence.signature, 'base64'))) {
    throw new TdError(
      'untrusted',
      `Cannot use the licence "${path}": its signature is wrong, so it was changed or is not the vendor's; load the file as the vendor sent it`,
    );
  }
  return licence;
}
