import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlignedBuffers } from './aligned-buffers.ts';
import { openBlockDevice } from './block-device.ts';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-device-'));
  path = join(folder, 'disk');
  await writeFile(path, Buffer.alloc(100_000, 1));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('openBlockDevice on a file', () => {
  it('reads and writes at any place', async () => {
    {
      await using device = await openBlockDevice(path, { write: true, fileSectorBytes: 4096 });
      expect(device).toMatchObject({
        path,
        sizeBytes: 100_000,
        logicalSectorBytes: 4096,
        kernelName: undefined,
      });
      await device.write(99_990, Buffer.from('0123456789'));
      await device.write(3, Buffer.from('abc'));
      await device.flush();
      expect((await device.read(0, 8)).toString('latin1')).toBe('\x01\x01\x01abc\x01\x01');
    }
    const bytes = await readFile(path);
    expect(bytes.length).toBe(100_000);
    expect(bytes.subarray(99_989).toString('latin1')).toBe('\x010123456789');
  });

  it('reads and writes nothing beyond the end', async () => {
    await using device = await openBlockDevice(path, { write: true });
    await expect(device.read(99_999, 2)).rejects.toThrow(
      `Cannot read 2 bytes at 99999 of "${path}": it ends at 100000`,
    );
    await expect(device.write(100_000, Buffer.alloc(1))).rejects.toThrow('it ends at 100000');
    await expect(device.read(-1, 2)).rejects.toThrow('Cannot read');
    expect(await device.read(100_000, 0)).toHaveLength(0);
  });

  it('says where a file that was shortened meanwhile ends', async () => {
    await using device = await openBlockDevice(path);
    await truncate(path, 50_000);
    await expect(device.read(0, 60_000)).rejects.toThrow(`Cannot read "${path}" at 50000: it ended there`);
  });

  it('opens for reading only unless asked', async () => {
    await using device = await openBlockDevice(path);
    expect(device.readOnly).toBe(true);
    await expect(device.write(0, Buffer.alloc(1))).rejects.toThrow(`Cannot write "${path}" at 0`);
  });

  it.each([
    ['a missing path', () => join(folder, 'none'), 'not-found', 'there is no such disk or file'],
    ['a folder', () => folder, 'invalid', 'neither a disk nor a file'],
    ['a character device', () => '/dev/null', 'invalid', 'neither a disk nor a file'],
  ])('refuses %s', async (_title, pathOf, code, message) => {
    const opening = openBlockDevice(pathOf());
    await expect(opening).rejects.toMatchObject({ code });
    await expect(opening).rejects.toThrow(message);
  });

  it('refuses a folder for writing', async () => {
    await expect(openBlockDevice(folder, { write: true })).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('AlignedBuffers', () => {
  it('gives buffers that the kernel takes for direct writes, and no more than it has', async () => {
    const buffers = new AlignedBuffers();
    const taken: Uint8Array[] = [];
    for (let i = 0; i < 8; i += 1) taken.push(await buffers.take());
    expect(new Set(taken.map((buffer) => buffer.byteOffset)).size).toBe(8);
    expect(taken.every((buffer) => buffer.length === 1024 * 1024 && buffer.byteOffset % 4096 === 0)).toBe(
      true,
    );
    let got: Uint8Array | undefined;
    const waiting = buffers.take().then((buffer) => {
      got = buffer;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(got).toBeUndefined();
    buffers.give(taken[3]!);
    await waiting;
    expect(got).toBe(taken[3]);
  });
});

describe('reading side by side', () => {
  it('gives every reader its own bytes', async () => {
    const handle = await open(path, 'r+');
    await handle.write(Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251)), 0, 1000, 0);
    await handle.close();
    await using device = await openBlockDevice(path);
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => device.read(i * 10, 10)));
    for (const [i, bytes] of all.entries()) expect(bytes[0]).toBe((i * 10) % 251);
  });
});
