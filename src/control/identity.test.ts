import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../lib/log.ts';
import { siteSchema } from '../schema/site.ts';
import { createIdentity, loadIdentity, openIdentity, siteOf } from './identity.ts';

let base: string;
let dir: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'td-identity-'));
  dir = join(base, 'data', 'identity');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('console identity', () => {
  it('is made once, with closed files, and loads as the same', async () => {
    const made = await openIdentity(dir, { name: 'lab server' });
    const loaded = await openIdentity(dir);
    expect(loaded).toEqual(made);
    expect(made.siteKey.length).toBe(32);
    expect(await modeOf(dir)).toBe(0o700);
    for (const name of await readdir(dir)) expect(await modeOf(join(dir, name))).toBe(0o600);
    expect(siteSchema.parse(siteOf(made, ''))).toMatchObject({ certificateSha256: made.certificateSha256 });
    expect(await readdir(join(base, 'data'))).toEqual(['identity']);
  });

  it('has a certificate that OpenSSL reads, signed by its own key and without a real end', async () => {
    const identity = await createIdentity(dir, { name: 'Prüfstand № 7' });
    const certificate = new X509Certificate(identity.certificatePem);
    expect(certificate.subject).toContain('CN=');
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
    expect(certificate.ca).toBe(false);
    expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(identity.certificateSha256);
    expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it('differs between consoles', async () => {
    const [a, b] = [await createIdentity(dir), await createIdentity(join(base, 'other'))];
    expect(a.certificateSha256).not.toBe(b.certificateSha256);
    expect(a.siteKey.equals(b.siteKey)).toBe(false);
  });

  it('closes files that were open to others and says so', async () => {
    await createIdentity(dir);
    await chmod(join(dir, 'key.pem'), 0o644);
    const warnings: string[] = [];
    await loadIdentity(dir, { logger: { ...silentLog, warn: (_fields, text) => warnings.push(text) } });
    expect(await modeOf(join(dir, 'key.pem'))).toBe(0o600);
    expect(warnings).toHaveLength(1);
  });

  it.each([
    ['certificate.pem', 100],
    ['key.pem', 60],
    ['site.key', 20],
    ['site.key', 0],
  ])('refuses a cut %s (%i bytes) with one line that names it', async (name, length) => {
    await createIdentity(dir);
    await truncate(join(dir, name), length);
    const error = await loadIdentity(dir).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'damaged' });
    expect(error.message).toContain(name);
    expect(error.message).not.toContain('\n');
  });

  it('refuses a missing file instead of making a new identity', async () => {
    await createIdentity(dir);
    await rm(join(dir, 'site.key'));
    await expect(openIdentity(dir)).rejects.toMatchObject({ code: 'damaged' });
  });

  it("refuses another console's key", async () => {
    await createIdentity(dir);
    const other = await createIdentity(join(base, 'other'));
    await writeFile(join(dir, 'key.pem'), other.keyPem);
    await expect(loadIdentity(dir)).rejects.toThrow('does not belong');
  });

  it('never overwrites an identity', async () => {
    await createIdentity(dir);
    await expect(createIdentity(dir)).rejects.toMatchObject({ code: 'refused' });
  });
});
