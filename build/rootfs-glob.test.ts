import { matchesGlob } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globToRegExp } from './rootfs-glob.ts';

describe('globToRegExp', () => {
  it.each([
    ['usr/share/doc/**', 'usr/share/doc/a/b', true],
    ['usr/share/doc/**', 'usr/share/docs', false],
    ['usr/bin/{ss,tc}', 'usr/bin/tc', true],
    ['usr/bin/{ss,tc}', 'usr/bin/tcx', false],
    ['net/*', 'net/a.b', true],
    ['net/*', 'net/a/b', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a.b', 'axb', false],
    ['rc?.d', 'rc3.d', true],
  ])('%s against %s is %s', (glob, path, matches) => {
    expect(globToRegExp(glob).test(path)).toBe(matches);
  });

  it('agrees with path.matchesGlob', () => {
    const segment = fc.stringMatching(/^[ab]{1,3}$/);
    const pattern = fc.oneof(segment, fc.constantFrom('*', '**', 'a*', '?b', '{a,bb}', '*{a,b}'));
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 4 }),
        fc.array(segment, { minLength: 1, maxLength: 4 }),
        (globs, segments) => {
          // Where they differ on purpose: `x/**` does not match `x` itself here, a folder is no file.
          fc.pre(globs.at(-1) !== '**');
          const glob = globs.join('/');
          const path = segments.join('/');
          expect(globToRegExp(glob).test(path)).toBe(matchesGlob(path, glob));
        },
      ),
    );
  });

  it('takes every text as a pattern', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        (glob, path) => typeof globToRegExp(glob).test(path) === 'boolean',
      ),
    );
  });
});
