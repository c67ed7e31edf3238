import { createCipheriv, createDecipheriv, createPrivateKey, hkdfSync, randomBytes } from 'node:crypto';
import type { Identity } from '../control/identity.ts';
import { TdError } from '../lib/errors.ts';
import type { Secret, Template, TemplateInput } from '../schema/template.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_PURPOSE = 'totaldeploy template secrets 1';

/** Seals passwords for files that are copied about: only the console that sealed one can open it. */
export class Secrets {
  readonly #key: Buffer;
  readonly #console: string;

  /** The key is derived from the identity's private key, which never leaves the console. */
  constructor(identity: Pick<Identity, 'keyPem' | 'certificateSha256'>) {
    const privateKey = createPrivateKey(identity.keyPem).export({ type: 'pkcs8', format: 'der' });
    this.#key = Buffer.from(hkdfSync('sha256', privateKey, '', KEY_PURPOSE, KEY_BYTES));
    this.#console = identity.certificateSha256;
  }

  /** AES-256-GCM; no password stays none, what is sealed stays as it is. */
  seal(secret: Secret): Secret {
    if (secret === '' || typeof secret !== 'string') return secret;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(this.#console));
    const parts = [nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return { sealed: Buffer.concat(parts).toString('base64'), console: this.#console };
  }

  /**
   * The password in the clear.
   *
   * @throws TdError `untrusted` when another console sealed it, `damaged` when it is not what was sealed.
   */
  open(secret: Secret): string {
    if (typeof secret === 'string') return secret;
    if (secret.console !== this.#console) {
      throw new TdError('untrusted', 'Cannot open the password: another console sealed it; type it again');
    }
    const bytes = Buffer.from(secret.sealed, 'base64');
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(this.#console))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      const clear = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([clear, decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new TdError('damaged', 'Cannot open the password: it was changed in the file; type it again', {
        cause,
      });
    }
  }
}

/** The same settings with every password as `change` makes it. */
export function withSecrets<Settings extends Pick<Template, 'users' | 'membership'>>(
  settings: Settings,
  change: (secret: Secret) => Secret,
): Settings {
  const { users, membership } = settings;
  return {
    ...settings,
    users: users.map((user) => ({ ...user, password: change(user.password) })),
    membership:
      membership.kind === 'domain' ? { ...membership, password: change(membership.password) } : membership,
  };
}

/** Every password of a template with its path. */
export function templateSecrets(template: TemplateInput): { path: string; secret: Secret }[] {
  const { imagePassword = '', users = [], membership } = template;
  return [
    { path: 'imagePassword', secret: imagePassword },
    ...users.map(({ password = '' }, i) => ({ path: `users.${i}.password`, secret: password })),
    ...(membership?.kind === 'domain'
      ? [{ path: 'membership.password', secret: membership.password ?? '' }]
      : []),
  ];
}
