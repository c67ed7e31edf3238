import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { type ArchiveEntry, decodeNewcArchive, encodeNewcArchive } from './newc-archive.ts';

const pathSegment = fc.stringMatching(/^[a-z0-9_-]{1,12}(\.[a-z]{1,3})?$/);
const entry: fc.Arbitrary<ArchiveEntry> = fc
  .record({
    path: fc.array(pathSegment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    permissions: fc.integer({ min: 0, max: 0o7777 }),
    content: fc.option(fc.uint8Array({ maxLength: 70 }), { nil: undefined }),
  })
  .map(({ path, permissions, content }) =>
    content === undefined ? { path, permissions } : { path, permissions, content: Buffer.from(content) },
  );

const folder: ArchiveEntry = { path: 'etc', permissions: 0o755 };
const file: ArchiveEntry = { path: 'etc/a.json', permissions: 0o600, content: Buffer.from('hello') };

describe('encodeNewcArchive', () => {
  it('writes the header that the kernel documents, and pads every part to four bytes', () => {
    const archive = encodeNewcArchive([file]);
    expect(archive.length % 4).toBe(0);
    const header = archive.subarray(0, 110).toString('latin1');
    expect(header.slice(0, 6)).toBe('070701');
    const fields = Array.from({ length: 13 }, (_, i) =>
      Number.parseInt(header.slice(6 + 8 * i, 14 + 8 * i), 16),
    );
    expect(fields).toEqual([1, 0o100600, 0, 0, 1, 0, 5, 0, 0, 0, 0, 11, 0]);
    expect(archive.subarray(110, 124).toString('latin1')).toBe('etc/a.json\0\0\0\0');
    expect(archive.subarray(124, 132).toString('latin1')).toBe('hello\0\0\0');
    expect(archive.subarray(132 + 110).toString('latin1')).toMatch(/^TRAILER!!!\0+$/);
  });

  it('gives the same bytes for the same entries', () => {
    expect(encodeNewcArchive([folder, file])).toEqual(encodeNewcArchive([folder, file]));
  });
});

describe('decodeNewcArchive', () => {
  it('reads back whatever was written', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        expect(decodeNewcArchive(encodeNewcArchive(entries), 'x')).toEqual(entries);
      }),
    );
  });

  it('answers any bytes with entries or with one line', () => {
    const archive = encodeNewcArchive([folder, file]);
    const damage = fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(damage, fc.nat(archive.length), (changes, length) => {
        const bytes = Buffer.from(archive);
        for (const [at, value] of changes) bytes[at] = value;
        expectEntriesOrInvalid(bytes.subarray(0, length));
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), expectEntriesOrInvalid));
  });

  it('refuses an archive cut short at any byte', () => {
    const archive = encodeNewcArchive([folder, file]);
    // Up to the last name's end; what follows is only padding.
    for (let length = 0; length < archive.length - 1; length += 1) {
      expect(() => decodeNewcArchive(archive.subarray(0, length), 'x'), `${length} bytes`).toThrow(TdError);
    }
  });

  it('refuses names that lead out of the folder, links and devices', () => {
    for (const path of ['../etc/passwd', '/etc/passwd', 'a//b', 'a/../../b']) {
      const archive = encodeNewcArchive([{ path, permissions: 0o644, content: Buffer.from('x') }]);
      expect(() => decodeNewcArchive(archive, 'x'), path).toThrow(/is not allowed/);
    }
    const link = Buffer.from(
      encodeNewcArchive([file]).toString('latin1').replace('00008180', '0000a1ff'),
      'latin1',
    );
    expect(() => decodeNewcArchive(link, 'x')).toThrow(/neither a file nor a folder/);
  });

  it('does not believe a size of four gigabytes', () => {
    const archive = encodeNewcArchive([file]).toString('latin1').replace('00000005', 'ffffffff');
    expect(() => decodeNewcArchive(Buffer.from(archive, 'latin1'), '"a"')).toThrow(
      /^Cannot read "a": 4294967295/,
    );
  });
});

function expectEntriesOrInvalid(bytes: Uint8Array): void {
  try {
    expect(Array.isArray(decodeNewcArchive(bytes, 'x'))).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(TdError);
    expect((error as TdError).code).toBe('invalid');
    expect((error as TdError).message).not.toContain('\n');
  }
}
