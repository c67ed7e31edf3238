import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeNewcArchive } from '../src/media/newc-archive.ts';
import { packStage1, withFolders } from './stage1.ts';

const file = (path: string) => ({ path, permissions: 0o644, content: Buffer.from(path) });

describe('withFolders', () => {
  it('puts every folder before what is in it', () => {
    const paths = withFolders([file('lib/modules/a.ko'), file('init')]).map((entry) => entry.path);
    expect(paths).toEqual(['init', 'lib', 'lib/modules', 'lib/modules/a.ko']);
  });

  it('keeps the permissions of a folder that is named', () => {
    const folder = { path: 'tmp', permissions: 0o1777 };
    expect(withFolders([file('tmp/x'), folder])[0]).toEqual(folder);
  });
});

describe('packStage1', () => {
  const modules = [file('lib/a.ko.xz')];
  const programs = [file('init')];

  it('holds a plain archive of drivers, then a compressed one, and ends at a multiple of four', () => {
    const image = packStage1({ modules, programs });
    expect(decodeNewcArchive(image, 'x').map((entry) => entry.path)).toEqual(['lib', 'lib/a.ko.xz']);
    const at = image.indexOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
    expect(at % 4).toBe(0);
    expect(image.length % 4).toBe(0);
    const rest = zstdDecompressSync(image.subarray(at, image.length - trailingZeros(image)));
    expect(decodeNewcArchive(rest, 'x').map((entry) => entry.path)).toEqual(['init']);
  });

  it('gives the same bytes whatever the order of its files', () => {
    const more = [file('b'), file('a')];
    const one = packStage1({ modules, programs: more });
    expect(packStage1({ modules, programs: more.toReversed() })).toEqual(one);
  });
});

function trailingZeros(bytes: Buffer): number {
  let count = 0;
  while (bytes[bytes.length - 1 - count] === 0) count += 1;
  return count;
}
