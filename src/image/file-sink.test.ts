import { access, type FileHandle, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { openFileSink } from './file-sink.ts';
import { openImage } from './image-reader.ts';
import { createImageWriter } from './image-writer.ts';
import { noise, temporaryFolder, writeImage } from './testdata/small-image.ts';

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

let noLinks = false;
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const link: typeof real.link = async (from, to) => {
    if (noLinks) throw Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' });
    return real.link(from, to);
  };
  return { ...real, link };
});

afterEach(() => {
  noLinks = false;
  vi.restoreAllMocks();
});

/** The class of open files, to make the system calls of any of them fail. */
async function fileHandlePrototype(folder: string): Promise<FileHandle> {
  await using handle = await open(join(folder, 'any'), 'w');
  return Object.getPrototypeOf(handle) as FileHandle;
}

describe('file sink', () => {
  it('gives the file its name only at the end, for the owner only', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const sink = await openFileSink(path);
    await sink.write(Buffer.from('hello '));
    await sink.sync();
    expect(await exists(path)).toBe(false);
    expect(await readFile(sink.partialPath, 'utf8')).toBe('hello ');
    await sink.write(Buffer.from('world'));
    await sink.close();
    expect(await readFile(path, 'utf8')).toBe('hello world');
    expect(await exists(sink.partialPath)).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await sink.close();
    await expect(sink.write(Buffer.alloc(1))).rejects.toMatchObject({ code: 'usage' });
  });

  it('keeps the order of many writes of any size, written partly by the system', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const prototype = await fileHandlePrototype(folder.path);
    const writev = prototype.writev;
    vi.spyOn(prototype, 'writev').mockImplementation(function (this: FileHandle, buffers, ...rest) {
      const first = buffers[0] as Buffer;
      const some = first.length > 1000 ? [first.subarray(0, 777)] : buffers.slice(0, 3);
      return writev.call(this, some, ...rest);
    });
    const pieces = Array.from({ length: 300 }, (_, i) => noise(4 + ((i * 52) % 60_000), i));
    const sink = await openFileSink(path);
    for (const piece of pieces) await sink.write(piece);
    await sink.close();
    expect((await readFile(path)).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('never replaces an image, whenever it appears', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeFile(path, 'precious');
    await expect(openFileSink(path)).rejects.toMatchObject({ code: 'refused' });
    const later = join(folder.path, 'b.sco');
    const sink = await openFileSink(later);
    await writeFile(later, 'precious');
    await expect(sink.close()).rejects.toMatchObject({ code: 'refused' });
    expect(await readFile(path, 'utf8')).toBe('precious');
    expect(await readFile(later, 'utf8')).toBe('precious');
    expect(await exists(sink.partialPath)).toBe(true);
  });

  it('does not call the bytes of another writer its own', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const first = await openFileSink(path);
    await first.write(Buffer.from('first'));
    const second = await openFileSink(path);
    await second.write(Buffer.from('second'));
    await expect(first.close()).rejects.toThrow('does another capture use this name?');
    expect(await exists(path)).toBe(false);
    await second.close();
    expect(await readFile(path, 'utf8')).toBe('second');
  });

  it('finishes on a filesystem without links, such as FAT', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    noLinks = true;
    const sink = await openFileSink(path);
    await sink.write(Buffer.from('bytes'));
    await sink.close();
    expect(await readFile(path, 'utf8')).toBe('bytes');
    expect(await exists(sink.partialPath)).toBe(false);
    const late = join(folder.path, 'b.sco');
    const other = await openFileSink(late);
    await writeFile(late, 'precious');
    await expect(other.close()).rejects.toMatchObject({ code: 'refused' });
    expect(await readFile(late, 'utf8')).toBe('precious');
  });

  it.each([
    ['ENOSPC', 'no-space', 'the disk is full after 8.2 kB'],
    ['EDQUOT', 'no-space', 'the disk is full'],
    ['EFBIG', 'no-space', 'not FAT32'],
    ['EIO', 'io', 'Cannot write'],
  ])('ends a capture with one line when the system says %s', async (errno, code, message) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const prototype = await fileHandlePrototype(folder.path);
    const writev = prototype.writev;
    let left = 1;
    vi.spyOn(prototype, 'writev').mockImplementation(function (this: FileHandle, buffers, ...rest) {
      left -= 1;
      if (left < 0) throw Object.assign(new Error(`${errno}: it failed`), { code: errno });
      return writev.call(this, [(buffers[0] as Buffer).subarray(0, 100_000)], ...rest);
    });
    const writer = createImageWriter(await openFileSink(path), { level: 0, chunkBytes: 8 * 1024 * 1024 });
    const adding = (async () => {
      for (let i = 0; i < 40; i += 1) {
        await writer.add({ disk: 0, offsetBytes: i * 5e6 - ((i * 5e6) % 512) }, noise(4 * 1024 * 1024, i));
      }
    })();
    const error = await adding.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    await writer.abort();
    expect(error).toBeInstanceOf(TdError);
    expect(error).toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect((error as Error).message).not.toContain('\n');
    expect(await exists(path)).toBe(false);
    expect(await exists(`${path}.partial`)).toBe(true);
    await expect(openImage(`${path}.partial`)).rejects.toMatchObject({ code: 'incomplete' });
  });

  it('replaces what an earlier failure left, and names a missing folder', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeFile(`${path}.partial`, 'old');
    await writeImage(path);
    await using reader = await openImage(path);
    expect(reader.warnings).toEqual([]);
    await expect(openFileSink(join(folder.path, 'none', 'a.sco'))).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
