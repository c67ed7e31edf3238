import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeCertificate } from '../control/certificate.ts';
import { sha256Hex } from '../control/identity.ts';
import { type Secret, templateSchema } from '../schema/template.ts';
import { Secrets, templateSecrets } from './secrets.ts';

function newIdentity() {
  const { keyPem, certificateDer } = makeCertificate('test');
  return { keyPem, certificateSha256: sha256Hex(certificateDer) };
}

const identity = newIdentity();
const secrets = new Secrets(identity);
const otherIdentity = newIdentity();
const foreign = new Secrets(otherIdentity);

describe('sealed passwords', () => {
  it('open to what was sealed, also after a restart, and fit into a template', () => {
    const text = fc.string({ maxLength: 200, unit: 'grapheme' });
    fc.assert(
      fc.property(text, (password) => {
        const sealed = secrets.seal(password);
        expect(new Secrets(identity).open(sealed)).toBe(password);
      }),
      { numRuns: 20 },
    );
    const sealed = secrets.seal('x'.repeat(256));
    expect(
      templateSchema.parse({ version: 1, name: 'a', image: 'b', imagePassword: sealed }).imagePassword,
    ).toEqual(sealed);
  });

  it('show nothing of the password and differ each time', () => {
    const [a, b] = [secrets.seal('a very secret word'), secrets.seal('a very secret word')];
    expect(a).not.toEqual(b);
    expect(a).toEqual({ sealed: expect.any(String), console: identity.certificateSha256 });
    expect(Buffer.from((a as { sealed: string }).sealed, 'base64').toString('latin1')).not.toContain(
      'secret',
    );
    expect(secrets.seal(a)).toBe(a);
    expect(secrets.seal('')).toBe('');
  });

  it('of another console ask to be typed again', () => {
    expect(() => foreign.open(secrets.seal('word'))).toThrow(
      'Cannot open the password: another console sealed it; type it again',
    );
    // Not even under this console's name.
    const stolen = {
      ...(secrets.seal('word') as object),
      console: otherIdentity.certificateSha256,
    } as Secret;
    expect(() => foreign.open(stolen)).toThrow('type it again');
  });

  it('that were changed anywhere ask to be typed again', () => {
    const { sealed, console } = secrets.seal('password') as { sealed: string; console: string };
    const bytes = Buffer.from(sealed, 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(() => secrets.open({ sealed: changed.toString('base64'), console })).toThrow('type it again');
    }
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = bytes.subarray(0, length).toString('base64');
      expect(() => secrets.open({ sealed: cut, console }), `${length}`).toThrow('type it again');
    }
  });

  it('of a template are all found', () => {
    const template = {
      ...{ version: 1 as const, name: 'a', image: 'b', imagePassword: 'one' },
      users: [{ name: 'x' }, { name: 'y', password: 'two' }],
      membership: { kind: 'domain' as const, name: 'd', user: 'u', password: 'three' },
    };
    expect(templateSecrets(template)).toEqual([
      { path: 'imagePassword', secret: 'one' },
      { path: 'users.0.password', secret: '' },
      { path: 'users.1.password', secret: 'two' },
      { path: 'membership.password', secret: 'three' },
    ]);
  });
});
