import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { changeSidOfVolume } from './ntfs-acl.ts';
import { newMachineSid, type SidChange } from './sid.ts';

const MIB = 1024 * 1024;
const FROM = [1_234_567_890, 987_654_321, 3_456_789_012] as const;
const CHANGE: SidChange = { from: FROM, to: newMachineSid(FROM, randomInt) };

/**
 * Makes files with raw security descriptors, or lists what these are. Every file has its own user; every tenth has none of this
 * machine, and all name a user of another domain too. Owner, group, then a list of who may do what.
 */
const PYTHON = `
import os, struct, sys
verb, folder, count, kinds, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
machine = [int(n) for n in sys.argv[6].split('-')]
def sid(*parts): return struct.pack('<BB', 1, len(parts)) + b'\\0\\0\\0\\0\\0\\5' + struct.pack('<%dI' % len(parts), *parts)
def ace(who): return struct.pack('<BBHI', 0, 0, 8 + len(who), 0x1f01ff) + who
def descriptor(i):
    own = i % 10 != 0
    owner = sid(21, *machine, 1000 + i % kinds) if own else sid(32, 544)
    group = sid(21, *machine, 513) if own else sid(18)
    aces = ace(owner) + ace(sid(18)) + ace(sid(21, 111111111, 222222222, 333333333, 2000 + i % kinds))
    acl = struct.pack('<BBHHH', 2, 0, 8 + len(aces), 3, 0) + aces
    return struct.pack('<BBHIIII', 1, 0, 0x8004, 20 + len(acl), 20 + len(acl) + len(owner), 0, 20) + acl + owner + group
if verb == 'fragment':
    try:
        for i in range(1 << 20):
            with open(folder + '/x%d' % i, 'wb', 0) as file: file.write(bytes(size))
    except OSError: pass
    for odd in range(1, i, 2): os.remove(folder + '/x%d' % odd)
    sys.exit(0)
for i in range(count):
    path = folder + '/d%d/f%d' % (i // 1000, i)
    if verb == 'list': print(path, descriptor(i).hex())
    else:
        if i % 1000 == 0: os.mkdir(folder + '/d%d' % (i // 1000))
        with open(path, 'wb') as file: file.write(bytes(size))
        os.setxattr(path, 'system.ntfs_acl', descriptor(i))
`;

let folder = '';
let mountPoint = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-acl-'));
  mountPoint = join(folder, 'mnt');
  await mkdir(mountPoint);
});
afterEach(async () => {
  await run('umount', [mountPoint], { okCodes: [0, 1, 32] });
  await rm(folder, { recursive: true, force: true });
});

/** In the foreground, because it goes on for a moment after umount; while it writes, the volume is not free. */
async function mounted(volume: string, work: () => Promise<unknown>): Promise<void> {
  const driver = run('ntfs-3g', ['-o', 'no_detach', volume, mountPoint], { timeoutMs: 300_000 });
  driver.catch(() => {});
  while (!(await readFile('/proc/mounts', 'utf8')).includes(` ${mountPoint} `)) {
    await Promise.race([setTimeout(20), driver]);
  }
  try {
    await work();
  } finally {
    await run('umount', [mountPoint]);
    await driver;
  }
}

interface Files {
  count: number;
  kinds: number;
  /** Of every file, in bytes. */
  size: number;
  sid: readonly number[];
}

async function python(
  verb: 'fragment' | 'make' | 'list',
  { count, kinds, size, sid }: Files,
): Promise<string> {
  const args = ['-c', PYTHON, verb, mountPoint, String(count), String(kinds), String(size), sid.join('-')];
  return (await run('python3', args)).stdout;
}

/** The descriptors of all files as ntfs-3g's auditor finds them on the unmounted volume, in the form of the list. */
async function readBack(volume: string): Promise<string[]> {
  const { stdout } = await run('ntfssecaudit', ['-b', volume], { outputBytesMax: 256 * MIB });
  const byKey = new Map<string, string>();
  const found: string[] = [];
  for (const part of stdout.split(/^(?:File|Directory) /m)) {
    const [path = '', security = '', ...lines] = part.split('\n');
    const key = /0x[0-9a-f]+/.exec(security)?.[0] ?? '';
    const hex = lines.map((line) => /^ +[0-9a-f]{6} ((?: [0-9a-f]+)+)$/.exec(line)?.[1] ?? '');
    // Each one is printed only where it is met first.
    if (!security.includes('already displayed')) byKey.set(key, hex.join('').replaceAll(' ', ''));
    if (/^\/d\d+\/f\d+$/.test(path)) found.push(`${mountPoint}${path} ${byKey.get(key)}`);
  }
  return found.sort();
}

async function makeVolume(megabytes: number, clusterBytes: number): Promise<string> {
  const path = join(folder, 'volume');
  await writeFile(path, '');
  await truncate(path, megabytes * MIB);
  await run('mkntfs', ['-q', '-F', '-Q', '-c', String(clusterBytes), path]);
  return path;
}

async function expectSound(volume: string): Promise<void> {
  expect((await run('ntfssecaudit', ['-ar', volume])).stdout).toMatch(/No errors were found/);
  await run('ntfsfix', ['-n', volume]);
  await run('ntfsresize', ['--info', '--force', '--no-progress-bar', volume]);
}

async function expectFiles(volume: string, files: Files): Promise<void> {
  const expected = (await python('list', files)).trim().split('\n').sort();
  const found = await readBack(volume);
  expect(found).toHaveLength(files.count);
  // Not by toEqual: of thousands of lines it would print the difference for minutes.
  expect(found.find((line, i) => line !== expected[i])).toBeUndefined();
}

describe('changeSidOfVolume', () => {
  it.each([
    { clusterBytes: 4096, count: 6000, kinds: 4000, size: 0 },
    { clusterBytes: 65_536, count: 1500, kinds: 1500, size: 0 },
  ])('changes the permissions of all files and no other: $clusterBytes bytes a cluster', async (options) => {
    const { count, kinds, clusterBytes } = options;
    const volume = await makeVolume(128, clusterBytes);
    await mounted(volume, () => python('make', { ...options, sid: CHANGE.from }));
    const acls = await changeSidOfVolume(volume, CHANGE);
    expect(acls).toMatchObject({ changedFiles: count * 0.9, changedDescriptors: kinds * 0.9 });
    await expectSound(volume);
    await expectFiles(volume, { ...options, sid: CHANGE.to });
  });

  it('changes permissions that lie all over the volume, and a second time', async () => {
    const files = { count: 2500, kinds: 2500, size: 1024 };
    const volume = await makeVolume(24, 512);
    await mounted(volume, async () => {
      await python('fragment', { ...files, sid: CHANGE.from });
      await python('make', { ...files, size: 0, sid: CHANGE.from });
    });
    expect((await run('ntfsinfo', ['-i', '9', volume])).stdout).toContain('$ATTRIBUTE_LIST');
    await changeSidOfVolume(volume, CHANGE);
    const back = { from: CHANGE.to, to: newMachineSid(CHANGE.to) };
    await changeSidOfVolume(volume, back);
    await expectSound(volume);
    await expectFiles(volume, { ...files, sid: back.to });
    expect(await changeSidOfVolume(volume, CHANGE)).toMatchObject({ changedFiles: 0, changedDescriptors: 0 });
  });

  it('touches no volume that is mounted', async () => {
    const volume = await makeVolume(16, 4096);
    const device = (await run('losetup', ['--find', '--show', volume])).stdout.trim();
    try {
      await mounted(device, () =>
        expect(changeSidOfVolume(device, CHANGE)).rejects.toMatchObject({
          code: 'refused',
          message: expect.stringContaining('it is mounted'),
        }),
      );
      expect(await changeSidOfVolume(device, CHANGE)).toMatchObject({ changedFiles: 0 });
    } finally {
      await run('losetup', ['--detach', device]);
    }
  });
});
