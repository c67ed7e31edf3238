import { createHash, createPrivateKey, randomBytes, timingSafeEqual, X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { type Logger, silentLog } from '../lib/log.ts';
import type { Site } from '../schema/site.ts';
import { certificatePem, makeCertificate } from './certificate.ts';

const FILES = { certificate: 'certificate.pem', key: 'key.pem', siteKey: 'site.key' } as const;
export const SITE_KEY_BYTES = 32;

/** What makes a console itself: agents pin the certificate and prove that they know the site key. */
export interface Identity {
  certificatePem: string;
  keyPem: string;
  /** SHA-256 of the certificate in DER, 64 lower-case hexadecimal digits. */
  certificateSha256: string;
  /** 32 bytes. */
  siteKey: Buffer;
}

export interface IdentityOptions {
  /** Shown in the certificate; default `TotalDeploy console`. */
  name?: string;
  logger?: Logger;
}

/**
 * Loads the identity kept in a folder, or makes one when the folder does not exist yet.
 *
 * @throws TdError as {@link loadIdentity} and {@link createIdentity}.
 */
export async function openIdentity(dir: string, options: IdentityOptions = {}): Promise<Identity> {
  try {
    return await loadIdentity(dir, options);
  } catch (error) {
    if (!(error instanceof TdError) || error.code !== 'not-found') throw error;
  }
  const identity = await createIdentity(dir, options);
  options.logger?.info({ dir, certificate: identity.certificateSha256 }, 'made a new console identity');
  return identity;
}

/**
 * Makes a certificate, its key and a site key in a new folder (0700, files 0600); all of it or nothing.
 *
 * @throws TdError `refused` when the folder exists, `io` and `no-space` when it cannot be written.
 */
export async function createIdentity(dir: string, options: IdentityOptions = {}): Promise<Identity> {
  const made = makeCertificate(options.name ?? 'TotalDeploy console');
  const siteKey = randomBytes(SITE_KEY_BYTES);
  let temporary: string | undefined;
  try {
    await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    if (await exists(dir)) throw new TdError('refused', `Cannot make an identity in "${dir}": it exists`);
    temporary = await mkdtemp(`${dir}.new-`);
    await writeSecret(join(temporary, FILES.certificate), certificatePem(made.certificateDer));
    await writeSecret(join(temporary, FILES.key), made.keyPem);
    await writeSecret(join(temporary, FILES.siteKey), `${siteKey.toString('hex')}\n`);
    await rename(temporary, dir);
    await syncFolder(dirname(dir));
  } catch (cause) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    if (cause instanceof TdError) throw cause;
    const full = errnoOf(cause) === 'ENOSPC';
    throw new TdError(
      full ? 'no-space' : 'io',
      `Cannot make the console's identity in "${dir}": ${errorLine(cause)}`,
      { cause },
    );
  }
  return loadIdentity(dir, options);
}

/**
 * Loads an identity and proves that certificate and key belong together; permissions that are too open
 * are corrected with a warning.
 *
 * @throws TdError `not-found` when the folder does not exist, `damaged` when a file is missing or wrong.
 */
export async function loadIdentity(dir: string, options: IdentityOptions = {}): Promise<Identity> {
  if (!(await exists(dir))) {
    throw new TdError('not-found', `Cannot load the console's identity: "${dir}" does not exist`);
  }
  await closePermissions(dir, 0o700, options.logger);
  const certificate = await readSecret(dir, FILES.certificate, options.logger);
  const keyPem = await readSecret(dir, FILES.key, options.logger);
  const siteKeyHex = (await readSecret(dir, FILES.siteKey, options.logger)).trim();
  if (!/^[0-9a-f]{64}$/.test(siteKeyHex)) {
    throw damaged(join(dir, FILES.siteKey), 'it is not 64 hexadecimal digits');
  }
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(certificate);
  } catch (cause) {
    throw damaged(join(dir, FILES.certificate), 'it is no certificate', cause);
  }
  let belongs: boolean;
  try {
    belongs = x509.checkPrivateKey(createPrivateKey(keyPem));
  } catch (cause) {
    throw damaged(join(dir, FILES.key), 'it is no private key', cause);
  }
  if (!belongs) throw damaged(join(dir, FILES.key), 'it does not belong to the certificate');
  return {
    certificatePem: certificate,
    keyPem,
    certificateSha256: sha256Hex(x509.raw),
    siteKey: Buffer.from(siteKeyHex, 'hex'),
  };
}

/** What exported media carry of this console. `console` is `HOST[:PORT]`, or empty for discovery. */
export function siteOf(identity: Identity, console: string): Site {
  return {
    version: 1,
    console,
    certificateSha256: identity.certificateSha256,
    siteKey: identity.siteKey.toString('hex'),
  };
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Compares two hexadecimal strings without telling by its time where they differ. */
export function equalHex(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  return left.length === right.length && timingSafeEqual(left, right);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw new TdError('io', `Cannot look at "${path}": ${errorLine(error)}`, { cause: error });
  }
}

async function writeSecret(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function readSecret(dir: string, name: string, logger: Logger | undefined): Promise<string> {
  const path = join(dir, name);
  try {
    await closePermissions(path, 0o600, logger);
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw damaged(path, errnoOf(cause) === 'ENOENT' ? 'it is missing' : errorLine(cause), cause);
  }
}

async function closePermissions(path: string, mode: number, logger: Logger = silentLog): Promise<void> {
  const found = (await stat(path)).mode & 0o777;
  if ((found & ~mode) === 0) return;
  await chmod(path, mode);
  logger.warn(
    { path, found: found.toString(8), set: mode.toString(8) },
    'the file was open to others; corrected',
  );
}

function damaged(path: string, why: string, cause?: unknown): TdError {
  return new TdError(
    'damaged',
    `Cannot load the console's identity from "${path}": ${why}; restore it from a copy, or move its folder away to start with a new one (then export the media again)`,
    { cause },
  );
}
