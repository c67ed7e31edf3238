import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import type { Site } from '../schema/site.ts';
import { encodeNewcArchive } from './newc-archive.ts';
import { decodeSiteImage, encodeSiteImage } from './site-image.ts';

const hex64 = fc.stringMatching(/^[0-9a-f]{64}$/);
const site: fc.Arbitrary<Site> = fc.record({
  version: fc.constant(1 as const),
  console: fc.string({ maxLength: 256 }),
  certificateSha256: hex64,
  siteKey: hex64,
});
const example: Site = {
  version: 1,
  console: '10.0.0.1:5001',
  certificateSha256: 'ab'.repeat(32),
  siteKey: 'cd'.repeat(32),
};

describe('site image', () => {
  it('reads back what was written, in the same bytes whatever the order of the fields', () => {
    fc.assert(
      fc.property(site, (value) => {
        const image = encodeSiteImage(value);
        expect(image.length % 4).toBe(0);
        expect(decodeSiteImage(image, 'x')).toEqual(value);
        const { siteKey, certificateSha256, console, version } = value;
        expect(encodeSiteImage({ siteKey, certificateSha256, console, version })).toEqual(image);
      }),
    );
  });

  it('is an archive that cpio understands, with the key for root only', () => {
    const list = spawnSync('cpio', ['-itv', '--quiet'], {
      input: encodeSiteImage(example),
      encoding: 'utf8',
    });
    expect(list.status).toBe(0);
    const lines = list.stdout.trim().split('\n');
    expect(lines.map((line) => line.replace(/\s+/g, ' ').split(' ')[0])).toEqual([
      'drwxr-xr-x',
      'drwxr-xr-x',
      '-rw-------',
    ]);
    expect(lines[2]).toMatch(/ etc\/totaldeploy\/site\.json$/);
  });

  it('answers any damage with the site or with one line that does not show the key', () => {
    const image = encodeSiteImage(example);
    const damage = fc.array(fc.tuple(fc.nat(image.length - 1), fc.nat(255)), { maxLength: 5 });
    fc.assert(
      fc.property(damage, fc.nat(image.length), (changes, length) => {
        const bytes = Buffer.from(image);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          decodeSiteImage(bytes.subarray(0, length), '"site.img"');
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
          expect((error as TdError).message).not.toMatch(/\n|(cd){4}/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses archives without a site, sites of another version and huge files', () => {
    expect(() => decodeSiteImage(encodeNewcArchive([]), '"a"')).toThrow(
      'Cannot read "a": it has no etc/totaldeploy/site.json',
    );
    expect(() => decodeSiteImage(withSite('{'), '"a"')).toThrow(/is not JSON/);
    expect(() => decodeSiteImage(withSite(JSON.stringify({ ...example, version: 2 })), '"a"')).toThrow(
      /version is wrong/,
    );
    expect(() => decodeSiteImage(Buffer.alloc(70_000), '"a"')).toThrow(/at most 65536/);
  });

  it('refuses to write a site without a key', () => {
    expect(() => encodeSiteImage({ ...example, siteKey: 'short' })).toThrow(/siteKey is wrong/);
  });
});

function withSite(text: string): Buffer {
  const content = Buffer.from(text);
  return encodeNewcArchive([{ path: 'etc/totaldeploy/site.json', permissions: 0o600, content }]);
}
