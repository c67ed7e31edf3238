import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openBlockDevice } from '../../disk/block-device.ts';
import { readDiskLayout } from '../../disk/partition-table.ts';
import { openFileSink } from '../../image/file-sink.ts';
import { createImageWriter } from '../../image/image-writer.ts';
import { manifestDraft, temporaryFolder } from '../../image/testdata/small-image.ts';
import { run } from '../../lib/spawn.ts';
import { runImageRestore } from './image-restore.ts';

const MIB = 1024 * 1024;

/** An image of every MiB of a GPT disk with one ext4 filesystem on it. */
async function writeGptImage(folder: string): Promise<string> {
  const disk = join(folder, 'master.raw');
  await writeFile(disk, '');
  await truncate(disk, 32 * MIB);
  await run('sfdisk', ['--quiet', disk], {
    input: 'label: gpt\nstart=2048, size=40960, type=linux, name=root\n',
  });
  await run('mkfs.ext4', ['-q', '-E', `offset=${MIB}`, disk, '20480']);
  const path = join(folder, 'master.sco');
  await using device = await openBlockDevice(disk);
  const writer = createImageWriter(await openFileSink(path));
  for (let offsetBytes = 0; offsetBytes < device.sizeBytes; offsetBytes += MIB) {
    await writer.add({ disk: 0, offsetBytes }, await device.read(offsetBytes, MIB));
  }
  await writer.finish({ ...manifestDraft(device.sizeBytes), disks: [await readDiskLayout(device)] });
  return path;
}

/** A loop device over a new sparse file, gone when disposed of. */
async function loopDevice(folder: string, sizeBytes: number): Promise<AsyncDisposable & { path: string }> {
  const file = join(folder, `target-${sizeBytes}.raw`);
  await using handle = await open(file, 'wx');
  await handle.truncate(sizeBytes);
  const { stdout } = await run('losetup', ['--find', '--show', '--partscan', file]);
  const path = stdout.trim();
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await run('losetup', ['--detach', path]);
    },
  };
}

async function restore(path: string, device: string): Promise<string> {
  let printed = '';
  await runImageRestore(path, {
    ...{ device, disk: 0, yes: true, verify: true, json: true },
    context: {
      out: (text) => {
        printed += text;
      },
      progress: () => {},
      progressEnd: () => {},
      ask: undefined,
      signal: new AbortController().signal,
    },
  });
  return printed;
}

describe('image restore to a real block device', () => {
  it('makes a larger disk whose table and filesystem are sound', async () => {
    await using folder = await temporaryFolder();
    const path = await writeGptImage(folder.path);
    await using target = await loopDevice(folder.path, 48 * MIB);
    const result = JSON.parse(await restore(path, target.path));
    expect(result).toMatchObject({ verified: true, gptBackupMoved: true });
    const { stderr, stdout } = await run('sfdisk', ['--verify', target.path]);
    expect(`${stdout}${stderr}`).toContain('No errors detected');
    const dump = JSON.parse((await run('sfdisk', ['--json', target.path])).stdout);
    expect(dump.partitiontable.lastlba).toBe((48 * MIB) / 512 - 34);
    await run('e2fsck', ['-f', '-n', `${target.path}?offset=${MIB}`]);
  });

  it('does not touch a disk that is mounted', async () => {
    await using folder = await temporaryFolder();
    const path = await writeGptImage(folder.path);
    await using target = await loopDevice(folder.path, 40 * MIB);
    await run('mkfs.ext4', ['-q', target.path]);
    const mountPoint = join(folder.path, 'mnt');
    await run('mkdir', [mountPoint]);
    await run('mount', [target.path, mountPoint]);
    try {
      await expect(restore(path, target.path)).rejects.toMatchObject({ code: 'refused' });
    } finally {
      await run('umount', [mountPoint]);
    }
    await run('e2fsck', ['-f', '-n', target.path]);
  });
});
