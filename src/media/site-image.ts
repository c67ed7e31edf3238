import { TdError } from '../lib/errors.ts';
import { type Site, siteSchema } from '../schema/site.ts';
import { decodeNewcArchive, encodeNewcArchive } from './newc-archive.ts';

const SITE_FILE = 'etc/totaldeploy/site.json';
const SITE_BYTES_MAX = 64 * 1024;

/**
 * The site image: the one more initrd that tells an agent which console to trust. The same site gives the same bytes.
 *
 * @throws TdError `invalid` when the site does not have the schema's shape.
 */
export function encodeSiteImage(site: Site): Buffer {
  // Written in the schema's order, whatever the order of the caller's object.
  const { version, console, certificateSha256, siteKey } = checkedSite(site, 'the site');
  const text = `${JSON.stringify({ version, console, certificateSha256, siteKey }, null, 2)}\n`;
  const image = encodeNewcArchive([
    { path: 'etc', permissions: 0o755 },
    { path: 'etc/totaldeploy', permissions: 0o755 },
    { path: SITE_FILE, permissions: 0o600, content: Buffer.from(text, 'utf8') },
  ]);
  decodeSiteImage(image, 'the new site image');
  return image;
}

/**
 * @param what names the image in errors, e.g. `"boot/site.img"`.
 * @throws TdError `invalid` for anything that is not a whole site image.
 */
export function decodeSiteImage(bytes: Uint8Array, what: string): Site {
  if (bytes.length > SITE_BYTES_MAX) {
    throw new TdError('invalid', `Cannot read ${what}: ${bytes.length} bytes, at most ${SITE_BYTES_MAX}`);
  }
  const file = decodeNewcArchive(bytes, what).find((entry) => entry.path === SITE_FILE);
  if (file?.content === undefined)
    throw new TdError('invalid', `Cannot read ${what}: it has no ${SITE_FILE}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(file.content).toString('utf8'));
  } catch (cause) {
    throw new TdError('invalid', `Cannot read ${what}: ${SITE_FILE} is not JSON`, { cause });
  }
  return checkedSite(value, what);
}

function checkedSite(value: unknown, what: string): Site {
  const result = siteSchema.safeParse(value);
  if (result.success) return result.data;
  // The path only: the value next to it may be the site key.
  const where = result.error.issues[0]?.path.join('.') || 'its shape';
  throw new TdError('invalid', `Cannot read ${what}: ${where} is wrong or missing; make the media again`);
}
