import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { openFileSink } from '../../image/file-sink.ts';
import { openImage } from '../../image/image-reader.ts';
import { createImageWriter } from '../../image/image-writer.ts';
import { manifestDraft, smallBlocks, temporaryFolder, writeImage } from '../../image/testdata/small-image.ts';
import type { ImageCommandContext } from './image-command-context.ts';
import { registerImageCommands } from './image-commands.ts';

const DISK_BYTES = 1024 * 1024;

/** An MBR disk with one partition from 8192 on, so that every kind of place is in it. */
async function writeMaster(path: string): Promise<void> {
  const draft = manifestDraft(DISK_BYTES);
  const layout = draft.disks[0]!;
  layout.table = 'mbr';
  layout.bootAreas = [{ kind: 'head', startBytes: 0, sizeBytes: 8192 }];
  layout.partitions = [
    {
      number: 1,
      startBytes: 8192,
      sizeBytes: 512 * 1024,
      typeId: '83',
      id: '00000000-01',
      name: '',
      attributes: '80',
      filesystem: { kind: 'ext4', label: 'ro\u001b[31mot', uuid: '' },
    },
  ];
  draft.flaws = ['the filesystem was mounted'];
  const writer = createImageWriter(await openFileSink(path));
  for (const { offsetBytes, raw } of smallBlocks()) await writer.add({ disk: 0, offsetBytes }, raw);
  await writer.finish(draft);
}

async function flipChunk(path: string, ordinal: number): Promise<void> {
  const bytes = await readFile(path);
  const offset = await (async () => {
    await using reader = await openImage(path);
    return reader.index.chunk(ordinal).fileOffset;
  })();
  bytes[offset]! ^= 1;
  await writeFile(path, bytes);
}

async function command(args: string[], context: Partial<ImageCommandContext> = {}): Promise<string> {
  let printed = '';
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerImageCommands(program, async () => ({
    out: (text) => {
      printed += text;
    },
    progress: () => {},
    progressEnd: () => {},
    ask: undefined,
    signal: new AbortController().signal,
    ...context,
  }));
  try {
    await program.parseAsync(['image', ...args], { from: 'user' });
  } catch (error) {
    throw Object.assign(error as Error, { printed });
  }
  return printed;
}

describe('image info', () => {
  it('prints disks, partitions, sizes and warnings, and no control characters', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeMaster(path);
    const text = await command(['info', path]);
    expect(text).toContain('Disk 1  1.0 MB, MBR, 512-byte sectors, Test disk');
    expect(text).toMatch(/1 +8\.2 kB +524 kB +not in it +ext4 +ro\?\[31mot/);
    expect(text).toContain('Warning: the filesystem was mounted');
    const json = JSON.parse(await command(['info', path, '--json']));
    expect(json).toMatchObject({ chunkCount: 3, placementCount: 5, rawBytes: 4096 * 4 + 512 });
    expect(json.manifest.disks[0].partitions[0].number).toBe(1);
  });

  it('says in one line what is wrong with a file', async () => {
    await using folder = await temporaryFolder();
    await expect(command(['info', join(folder.path, 'none.sco')])).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(command(['info', folder.path])).rejects.toThrow(/it is no file/);
  });
});

describe('image check', () => {
  it('says that a good image is good', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeMaster(path);
    expect(await command(['check', path])).toContain('is good: all 3 chunks were verified');
    expect(JSON.parse(await command(['check', path, '--quick', '--json']))).toMatchObject({ ok: true });
  });

  it('fails for a damaged one and names what is touched', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeMaster(path);
    await flipChunk(path, 0);
    const checking = command(['check', path]);
    await expect(checking).rejects.toMatchObject({
      code: 'damaged',
      printed: expect.stringMatching(
        /Chunk 0: .*\(boot area of disk 1 at byte 0; partition 1 \(ext4 "ro\?\[31mot"\) of disk 1 at byte 12288\)/,
      ),
    });
    await expect(command(['check', path, '--json'])).rejects.toMatchObject({
      printed: expect.stringContaining('"chunk": 0'),
    });
  });
});

describe('image restore', () => {
  it('makes a new file that holds the disk', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const device = join(folder.path, 'disk.raw');
    await writeMaster(path);
    const result = JSON.parse(await command(['restore', path, device, '--verify', '--json']));
    expect(result).toMatchObject({ writtenBytes: 4096 * 4 + 512, verified: true, gptBackupMoved: false });
    const bytes = await readFile(device);
    expect(bytes.length).toBe(DISK_BYTES);
    for (const { offsetBytes, raw } of smallBlocks()) {
      expect(bytes.subarray(offsetBytes, offsetBytes + raw.length).equals(raw)).toBe(true);
    }
  });

  it('overwrites something only when asked to in so many words', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const device = join(folder.path, 'disk.raw');
    await writeMaster(path);
    const before = Buffer.alloc(2 * DISK_BYTES, 0xee);
    await writeFile(device, before);
    await expect(command(['restore', path, device])).rejects.toMatchObject({ code: 'usage' });
    await expect(command(['restore', path, device], { ask: async () => 'yes' })).rejects.toMatchObject({
      code: 'refused',
    });
    expect((await readFile(device)).equals(before)).toBe(true);
    await command(['restore', path, device, '--disk', '1'], { ask: async () => '2.1MB' });
    expect((await readFile(device)).equals(before)).toBe(false);
  });

  it('writes nothing to a target that is too small or an image disk that is not there', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    const device = join(folder.path, 'disk.raw');
    await writeMaster(path);
    const before = Buffer.alloc(512 * 1024, 0xee);
    await writeFile(device, before);
    await expect(command(['restore', path, device, '--yes'])).rejects.toThrow(/the image needs 532480/);
    await expect(command(['restore', path, device, '--yes', '--disk', '3'])).rejects.toThrow(
      /no disk 3; it holds 1/,
    );
    await expect(command(['restore', path, device, '--disk', '0'])).rejects.toThrow();
    expect((await readFile(device)).equals(before)).toBe(true);
    await expect(command(['restore', path, '/dev/no-such-disk', '--yes'])).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('can be cancelled and stops at a damaged chunk', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'a.sco');
    await writeImage(path);
    await flipChunk(path, 1);
    const device = join(folder.path, 'disk.raw');
    await expect(command(['restore', path, device])).rejects.toMatchObject({ code: 'damaged' });
    const cancel = new AbortController();
    cancel.abort();
    const other = join(folder.path, 'other.raw');
    await expect(command(['restore', path, other], { signal: cancel.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect((await stat(other)).size).toBe(DISK_BYTES);
  });
});
