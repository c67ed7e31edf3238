import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { type Customisation, customisationSchema } from '../schema/customisation.ts';
import type { FilesystemKind, Partition } from '../schema/disk-layout.ts';
import type { EditResult } from '../schema/edit-result.ts';
import { customiseDisk } from './customise-disk.ts';
import { makePhonyWindows, readValue } from './windows/testdata/phony-windows.ts';
import { openWindows } from './windows/windows-root.ts';

const MIB = 1024 * 1024;
const UUID = (digit: number) => `11111111-2222-4333-8444-55555555555${digit}`;

let dir: string;
/** Partitions of one disk, each in a file of its own. */
let volumes: { file: string; partition: Partition }[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-customise-disk-'));
  volumes = [];
});
afterEach(async () => {
  expect(await leftovers()).toEqual([]);
  await rm(dir, { recursive: true, force: true });
});

/** Mounts and loop devices of this test. */
async function leftovers(): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const loops = (await run('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'])).stdout.split(
    '\n',
  );
  return [
    ...mounts.filter((line) => line.includes('td-system-')),
    ...loops.filter((line) => line.includes(dir)),
  ];
}

async function addVolume(
  kind: FilesystemKind,
  options: { mib: number; make: string[]; uuid?: string },
): Promise<string> {
  const number = volumes.length + 1;
  const file = join(dir, `partition-${number}`);
  await using handle = await open(file, 'w');
  await handle.truncate(options.mib * MIB);
  const [program = '', ...args] = options.make;
  if (program !== '') await run(program, [...args, file]);
  const partition: Partition = {
    ...{ number, startBytes: 0, sizeBytes: options.mib * MIB, typeId: '', id: '', name: '' },
    ...{ attributes: '', filesystem: { kind, label: '', uuid: options.uuid ?? '' } },
  };
  volumes.push({ file, partition });
  return file;
}

/** Works on a mounted volume. */
async function inside<T>(
  file: string,
  work: (dir: string) => Promise<T>,
  mount: readonly string[] = ['mount', '-o', 'loop'],
): Promise<T> {
  const at = join(dir, 'at');
  await mkdir(at, { recursive: true });
  const [program = '', ...args] = mount;
  await run(program, [...args, file, at]);
  try {
    return await work(at);
  } finally {
    await run('umount', [at]);
  }
}

async function put(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

const attachFile = async ({ number }: Partition) => {
  const { file } = volumes[number - 1]!;
  const path = (await run('losetup', ['--find', '--show', file])).stdout.trim();
  return { path, [Symbol.asyncDispose]: async () => void (await run('losetup', ['--detach', path])) };
};

async function customise(
  changes: object,
  { signal = new AbortController().signal, attach = attachFile } = {},
): Promise<EditResult[]> {
  const customisation: Customisation = customisationSchema.parse({
    ...{ computerName: 'PC-07', membership: { kind: 'keep' }, network: { kind: 'keep' }, users: [] },
    ...{ sid: 'new', files: [], applications: [], drivers: [], ...changes },
  });
  return await customiseDisk({
    customisation,
    signal,
    partitions: volumes.map(({ partition }) => partition),
    attach,
    machine: { macs: ['52:54:00:12:34:56'], pciDevices: [] },
    openFile: async function* () {
      yield Buffer.from('from the console');
    },
  });
}

const failed = (results: readonly EditResult[]) => results.filter(({ result }) => result === 'failed');
const DEBIAN = {
  'etc/os-release': 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13"\n',
  'etc/hostname': 'master\n',
  'etc/hosts': '127.0.1.1 master\n',
  'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
};
const TRANSFER = {
  ...{ name: 'setup.sh', isFolder: false, destination: '/boot/firmware', execute: false, arguments: '' },
  entries: [
    {
      ...{ path: 'setup.sh', bytes: 16 },
      sha256: '0'.repeat(64),
    },
  ],
};

describe('customising a deployed disk', () => {
  it('finds a Linux with its other partitions, and writes into each of them', async () => {
    const fstab = `UUID=${UUID(1)} / ext4 defaults 0 1\nUUID=${UUID(2)} /boot/firmware ext4 defaults 0 2\n`;
    const root = await addVolume('ext4', {
      mib: 32,
      make: ['mkfs.ext4', '-q', '-U', UUID(1)],
      uuid: UUID(1),
    });
    const boot = await addVolume('ext4', { mib: 8, make: ['mkfs.ext4', '-q', '-U', UUID(2)], uuid: UUID(2) });
    await addVolume('ext4', { mib: 8, make: ['mkfs.ext4', '-q'] });
    await addVolume('luks', { mib: 8, make: [] });
    await inside(root, async (at) => {
      await put(at, { ...DEBIAN, 'etc/fstab': fstab });
      await mkdir(join(at, 'boot/firmware'), { recursive: true });
    });
    const results = await customise({ files: [TRANSFER] });
    expect(failed(results)).toEqual([]);
    expect(results.at(-1)).toEqual({
      ...{ text: 'Look for a system on partition 4', result: 'skipped', reason: 'it is encrypted' },
    });
    expect(results.at(-2)).toMatchObject({
      text: expect.stringContaining('(Debian GNU/Linux 13)'),
      result: 'done',
    });
    const name = await inside(root, (at) => readFile(join(at, 'etc/hostname'), 'utf8'));
    expect(name.trim()).toBe('PC-07');
    const file = await inside(boot, (at) => readFile(join(at, 'setup.sh'), 'utf8'));
    expect(file).toBe('from the console');
  });

  it('finds a Windows on NTFS, and the SID of its files follows', async () => {
    const file = await addVolume('ntfs', { mib: 64, make: ['mkntfs', '-q', '-F'] });
    await inside(file, (at) => makePhonyWindows(at, { release: '10' }), ['ntfs-3g']);
    const results = await customise({});
    expect(failed(results)).toEqual([]);
    expect(results.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'Write the changed registry',
        'Give the permissions of all files on partition 1 the new SID',
      ]),
    );
    await inside(
      file,
      async (at) => {
        const openFile = () => {
          throw new Error('no files here');
        };
        const windows = (await openWindows(at, { openFile }))!;
        const name = 'ControlSet001\\Control\\ComputerName\\ComputerName!ComputerName';
        expect(readValue(await windows.hives.open('SYSTEM'), name)).toBe('PC-07');
      },
      ['ntfs-3g'],
    );
  });

  it('finds the root in a subvolume of btrfs', async () => {
    const file = await addVolume('btrfs', { mib: 128, make: ['mkfs.btrfs', '-q', '--mixed'] });
    await inside(file, async (at) => {
      await run('btrfs', ['subvolume', 'create', join(at, '@')]);
      await put(join(at, '@'), DEBIAN);
    });
    expect(failed(await customise({}))).toEqual([]);
    const name = await inside(file, (at) => readFile(join(at, '@/etc/hostname'), 'utf8'));
    expect(name.trim()).toBe('PC-07');
  });

  it('says that there is no system, and leaves it', async () => {
    await addVolume('ext4', { mib: 8, make: ['mkfs.ext4', '-q'] });
    await addVolume('swap', { mib: 8, make: [] });
    expect(await customise({})).toEqual([
      {
        text: 'Change the deployed system',
        ...{ result: 'skipped', reason: 'none of the deployed partitions holds a Windows or Linux' },
      },
    ]);
  });

  it('leaves a hibernated Windows as it is, with the reason', async () => {
    const file = await addVolume('ntfs', { mib: 64, make: ['mkntfs', '-q', '-F'] });
    const hibernated = async (at: string) => {
      await makePhonyWindows(at, { release: '10' });
      await writeFile(join(at, 'hiberfil.sys'), Buffer.concat([Buffer.from('HIBR'), Buffer.alloc(8188)]));
    };
    await inside(file, hibernated, ['ntfs-3g']);
    const results = await customise({});
    expect(failed(results)).toHaveLength(1);
    expect(failed(results)[0]?.reason).toMatch(/hibernated/);
  });

  it('says so when the partitions cannot be reached', async () => {
    await addVolume('ext4', { mib: 8, make: ['mkfs.ext4', '-q'] });
    const attach = async () => {
      throw new Error('no loop devices here');
    };
    expect(await customise({}, { attach })).toEqual([
      { text: 'Reach the deployed partitions', result: 'failed', reason: 'no loop devices here' },
    ]);
  });

  it('stops when it is cancelled, and leaves nothing mounted', async () => {
    const root = await addVolume('ext4', { mib: 32, make: ['mkfs.ext4', '-q'] });
    await inside(root, (at) => put(at, DEBIAN));
    await expect(customise({}, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});
