import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { openImage } from './image-reader.ts';
import { noise, temporaryFolder, writeImage } from './testdata/small-image.ts';

it('leaves no image on a filesystem that is really full', async () => {
  await using folder = await temporaryFolder();
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder.path]);
  try {
    const path = join(folder.path, 'a.sco');
    const blocks = Array.from({ length: 30 }, (_, i) => ({
      offsetBytes: i * 2 ** 20,
      raw: noise(2 ** 20, i),
    }));
    const writing = writeImage(path, { blocks, sizeBytes: 2 ** 26 });
    await expect(writing).rejects.toMatchObject({ code: 'no-space' });
    await expect(writing).rejects.toThrow(/the disk is full after [\d.]+ MB; free space there/);
    expect(await readdir(folder.path)).toEqual(['a.sco.partial']);
    await expect(openImage(`${path}.partial`)).rejects.toMatchObject({ code: 'incomplete' });
  } finally {
    await run('umount', [folder.path]);
  }
});
