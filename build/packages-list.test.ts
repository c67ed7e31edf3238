import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../src/lib/errors.ts';
import { packageFileName } from './packages-apt.ts';
import { parsePackageList, readPackageList } from './packages-list.ts';

describe('parsePackageList', () => {
  it('sorts names into sections and skips comments', () => {
    const text = '# all\n[kernel]\nlinux-image-amd64 # signed\n\n[left-out]\nlibicu*\n';
    expect(parsePackageList(text, 'x')).toEqual({
      kernel: ['linux-image-amd64'],
      loaders: [],
      root: [],
      'left-out': ['libicu*'],
    });
  });

  it.each([
    ['busybox', 'line 1: "busybox"'],
    ['[rootfs]', 'line 1: "[rootfs]"'],
    ['[root]\n--yes', 'line 2: "--yes"'],
    ['[root]\na b', 'line 2: "a b"'],
  ])('names the line that is wrong: %j', (text, words) => {
    expect(() => parsePackageList(text, 'x')).toThrow(words);
  });

  it('answers any text with a list or one error line', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom('[root]', '[kernel]', 'a-b', '#'), fc.string())),
        (lines) => {
          try {
            parsePackageList(lines.join('\n'), 'x');
          } catch (error) {
            expect(error).toBeInstanceOf(TdError);
          }
        },
      ),
    );
  });

  it('reads the list of this project', async () => {
    const list = await readPackageList(join(resolve(import.meta.dirname, '..'), 'appliance/packages.list'));
    expect(list.root).toContain('busybox-static');
    expect(list.loaders).toContain('shim-signed');
  });
});

describe('packageFileName', () => {
  it('is the name apt gives the file', () => {
    const entry = { name: 'libntfs-3g89t64', version: '1:2022.10.3-5+deb13u3', architecture: 'amd64' };
    expect(packageFileName(entry)).toBe('libntfs-3g89t64_1%3a2022.10.3-5+deb13u3_amd64.deb');
  });
});
