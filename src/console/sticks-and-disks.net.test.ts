import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openIdentity } from '../control/identity.ts';
import { listMounts } from '../disk/mounts.ts';
import { writeImage } from '../image/testdata/small-image.ts';
import { silentLog } from '../lib/log.ts';
import { run } from '../lib/spawn.ts';
import { writeFixtureMedia } from '../media/testdata/media-tree-fixture.ts';
import type { MachineDisk } from '../schema/machine.ts';
import { ImageLibrary } from './image-library.ts';
import { runMediaExport } from './media-export.ts';
import { Secrets } from './secrets.ts';
import { Storages } from './storages.ts';

const MIB = 1024 * 1024;

let dir: string;
let cleanups: (() => Promise<unknown>)[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-disks-'));
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await rm(dir, { recursive: true, force: true });
});

/** A loop device in the place of a stick. */
async function loopDevice(name: string, sizeBytes: number): Promise<string> {
  const file = join(dir, name);
  {
    await using handle = await open(file, 'wx');
    await handle.truncate(sizeBytes);
  }
  const device = (await run('losetup', ['--find', '--show', file])).stdout.trim();
  cleanups.push(async () => {
    await forgetPartitions(device);
    await run('losetup', ['--detach', device]);
  });
  await forgetPartitions(device);
  return device;
}

/** The kernel keeps a loop device's partitions when its file goes, and then takes the next one for divided. */
async function forgetPartitions(device: string): Promise<void> {
  await run('partx', ['--delete', device], { okCodes: [0, 1] });
}

const newIdentity = () => openIdentity(join(dir, 'identity'), { name: 'test' });

describe('a USB disk as a place for images', () => {
  it('is mounted, holds images, comes back after a restart and a kill, and is let go', async () => {
    const device = await loopDevice('disk', 64 * MIB);
    await run('mkfs.ext4', ['-q', '-L', 'My images', device]);
    const images = join(dir, 'images');
    await mkdir(images);
    const secrets = new Secrets(await newIdentity());
    const start = async () => {
      const storages = await Storages.open({
        ...{ dataDir: dir, ownDir: images, mountsDir: join(dir, 'mounts'), secrets, logger: silentLog },
        release: (path) => library.release(path),
      });
      const library: ImageLibrary = new ImageLibrary(images, {
        places: () => storages.imagePlaces(),
        captureFolder: () => storages.captureFolder(),
      });
      cleanups.push(async () => storages[Symbol.asyncDispose]());
      return { storages, library };
    };
    const first = await start();
    const place = await first.storages.add({ kind: 'usb', source: device, makeDefault: true });
    expect(place).toMatchObject({
      id: 'my-images',
      kind: 'usb',
      writable: true,
      isDefault: true,
      problem: '',
    });
    expect(first.library.dir).toBe(place.path);
    await writeImage(first.library.pathOf('office'));
    expect(await readFile(join(dir, 'storages.json'), 'utf8')).toMatch(/"uuid": "[0-9a-f-]{36}"/);
    expect((await first.library.list()).map((one) => [one.name, one.path])).toEqual([
      ['office', join(place.path, 'office.sco')],
    ]);
    await first.library[Symbol.asyncDispose]();

    // Killed: the mount stays, and the next start replaces it.
    const second = await start();
    second.storages.start();
    while ((await second.storages.list())[1]?.problem !== '') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const mounted = (await listMounts()).filter((mount) => mount.mountPoint === place.path);
    expect(mounted).toHaveLength(1);
    const lease = await second.library.lease('office');
    await expect(second.storages.remove(place.id)).rejects.toThrow(/a job uses an image/);
    await lease[Symbol.asyncDispose]();
    const busy = await open(join(place.path, 'office.sco'));
    await expect(second.storages.remove(place.id)).rejects.toThrow(/in use/);
    await busy.close();
    await second.storages.remove(place.id);
    expect((await listMounts()).some((mount) => mount.mountPoint === place.path)).toBe(false);
    await expect(stat(place.path)).rejects.toThrow(/ENOENT/);
    expect(second.library.dir).toBe(images);
  });

  it('says what is wrong with a disk that is empty, divided or gone', async () => {
    const empty = await loopDevice('empty', 8 * MIB);
    const divided = await loopDevice('divided', 8 * MIB);
    await run('sfdisk', ['--quiet', divided], { input: 'label: gpt\n,2M\n' });
    const options = { dataDir: dir, ownDir: dir, mountsDir: join(dir, 'mounts'), logger: silentLog };
    const storages = await Storages.open({ ...options, secrets: new Secrets(await newIdentity()) });
    for (const [source, reason] of [
      [empty, /no file system is on it/],
      [divided, /one of its partitions/],
      ['/dev/no-such-disk', /no file system is on it|no such/],
    ] as const) {
      await expect(storages.add({ kind: 'usb', source })).rejects.toThrow(reason);
    }
    expect(await storages.list()).toHaveLength(1);
  });
});

describe('a stick', () => {
  const stickOf = async (device: string): Promise<MachineDisk> => ({
    ...{ name: device.slice('/dev/'.length), model: 'Test stick', serial: '1', wwn: '', bus: 'usb' },
    ...{ sizeBytes: Number((await run('blockdev', ['--getsize64', device])).stdout), bootMedium: false },
    ...{
      logicalSectorBytes: 512,
      physicalSectorBytes: 512,
      rotational: false,
      removable: true,
      readOnly: false,
    },
  });

  async function exporter(device: string, changes: Partial<MachineDisk> = {}) {
    const mediaDir = join(dir, 'media');
    await writeFixtureMedia(mediaDir);
    const disk = { ...(await stickOf(device)), ...changes };
    const options = { identity: await newIdentity(), workDir: join(dir, 'work'), mediaDir };
    const steps = new Set<string>();
    const write = (confirmBytes: number, signal?: AbortSignal) =>
      runMediaExport(
        { kind: 'usb', dest: device, confirmBytes },
        {
          ...{ ...options, disks: async () => [disk], ...(signal === undefined ? {} : { signal }) },
          onProgress: (step) => void steps.add(step),
        },
      );
    return { write, disk, steps };
  }

  it('is written, read back and compared, and starts with nothing of what was on it', async () => {
    const device = await loopDevice('stick', 300 * MIB);
    await run('sfdisk', ['--quiet', device], { input: 'label: gpt\n,2M\n' });
    const { write, disk, steps } = await exporter(device);
    await write(disk.sizeBytes);
    expect(steps).toContain('Writing the stick');
    expect(steps).toContain('Reading it back');
    const table = JSON.parse((await run('sfdisk', ['--json', device])).stdout);
    expect(table.partitiontable).toMatchObject({ label: 'dos', partitions: [{ bootable: true, type: 'c' }] });
    expect((await run('mdir', ['-i', `${device}@@1M`, '-b', '::/boot'])).stdout).toContain('totaldeploy.wim');
    const image = await readFile(join(dir, 'stick'));
    expect(image.subarray(-MIB).every((byte) => byte === 0)).toBe(true);
    await expect(stat(join(dir, 'work', 'stick.img'))).rejects.toThrow(/ENOENT/);
  });

  it('is left as it was when it is another one, in use, or too small', async () => {
    const device = await loopDevice('stick', 32 * MIB);
    await writeFile(join(dir, 'stick'), 'precious', { flag: 'r+' });
    const small = await exporter(device);
    await expect(small.write(small.disk.sizeBytes + 512)).rejects.toThrow(/not that size was confirmed/);
    await expect(small.write(small.disk.sizeBytes)).rejects.toMatchObject({ code: 'no-space' });
    for (const changes of [
      { bootMedium: true },
      { bus: 'ata' },
      { readOnly: true },
      { removable: false },
    ] as const) {
      const { write, disk } = await exporter(device, changes);
      await expect(write(disk.sizeBytes)).rejects.toThrow(/not a USB stick that is free/);
    }
    expect((await readFile(join(dir, 'stick'))).subarray(0, 8).toString()).toBe('precious');
  });

  it('is empty, never half a medium, when writing is cancelled', async () => {
    const device = await loopDevice('stick', 300 * MIB);
    await writeFile(join(dir, 'stick'), 'something before', { flag: 'r+' });
    const { disk } = await exporter(device);
    const cancel = new AbortController();
    const attempt = runMediaExport(
      { kind: 'usb', dest: device, confirmBytes: disk.sizeBytes },
      {
        ...{ identity: await newIdentity(), workDir: join(dir, 'work'), mediaDir: join(dir, 'media') },
        ...{ disks: async () => [disk], signal: cancel.signal },
        onProgress: (step, doneBytes) => {
          if (step === 'Writing the stick' && doneBytes > 20 * MIB) cancel.abort();
        },
      },
    );
    await expect(attempt).rejects.toThrow(/cancelled; the stick is empty now/);
    expect((await readFile(join(dir, 'stick'))).subarray(0, MIB).every((byte) => byte === 0)).toBe(true);
  });
});
