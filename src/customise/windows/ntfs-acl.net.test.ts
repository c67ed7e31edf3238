import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
verb, folder, count, kinds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
machine = [int(n) for n in sys.argv[5].split('-')]
def sid(*parts): return struct.pack('<BB', 1, len(parts)) + b'\\0\\0\\0\\0\\0\\5' + struct.pack('<%dI' % len(parts), *parts)
def ace(who): return struct.pack('<BBHI', 0, 0, 8 + len(who), 0x1f01ff) + who
def descriptor(i):
    own = i % 10 != 0
    owner = sid(21, *machine, 1000 + i % kinds) if own else sid(32, 544)
    group = sid(21, *machine, 513) if own else sid(18)
    aces = ace(owner) + ace(sid(18)) + ace(sid(21, 111111111, 222222222, 333333333, 2000 + i % kinds))
    acl = struct.pack('<BBHHH', 2, 0, 8 + len(aces), 3, 0) + aces
    return struct.pack('<BBHIIII', 1, 0, 0x8004, 20 + len(acl), 20 + len(acl) + len(owner), 0, 20) + acl + owner + group
for i in range(count):
    path = folder + '/d%d/f%d' % (i // 1000, i)
    if verb == 'list': print(path, descriptor(i).hex())
    else:
        if i % 1000 == 0: os.mkdir(folder + '/d%d' % (i // 1000))
        open(path, 'w').close()
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

async function mounted(volume: string, work: () => Promise<unknown>): Promise<void> {
  await run('ntfs-3g', [volume, mountPoint]);
  try {
    await work();
  } finally {
    await run('umount', [mountPoint]);
    await closed(volume);
  }
}

/** ntfs-3g goes on for a moment after umount; while it writes, the volume is not free. */
async function closed(volume: string): Promise<void> {
  for (let i = 0; i < 100; i += 1) {
    const { stdout } = await run('fuser', [volume], { okCodes: [0, 1] });
    if (stdout.trim() === '') return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

interface Files {
  count: number;
  kinds: number;
  sid: readonly number[];
}

async function python(verb: 'make' | 'list', { count, kinds, sid }: Files): Promise<string> {
  const args = ['-c', PYTHON, verb, mountPoint, String(count), String(kinds), sid.join('-')];
  return (await run('python3', args)).stdout;
}

/** The descriptors of all files as ntfs-3g finds them, in the form of the list. */
async function readBack(): Promise<string[]> {
  const args = ['-R', '--absolute-names', '-n', 'system.ntfs_acl', '-e', 'hex', mountPoint];
  const { stdout } = await run('getfattr', args);
  const found = stdout.matchAll(/^# file: (.*\/f\d+)\nsystem\.ntfs_acl=0x([0-9a-f]+)$/gm);
  return [...found].map(([, path, hex]) => `${path} ${hex}`).sort();
}

async function makeVolume(megabytes: number, args: readonly string[]): Promise<string> {
  const path = join(folder, 'volume');
  await writeFile(path, '');
  await truncate(path, megabytes * MIB);
  await run('mkntfs', ['-q', '-F', '-Q', ...args, path]);
  return path;
}

describe('changeSidOfVolume', () => {
  it.each([
    ['4096', 6000, 4000],
    ['65536', 1500, 1500],
    ['512', 1500, 700],
  ])(
    'changes the permissions of all files on a volume with clusters of %s bytes, and no other',
    async (clusterBytes, count, kinds) => {
      const volume = await makeVolume(128, ['-c', clusterBytes]);
      await mounted(volume, () => python('make', { count, kinds, sid: CHANGE.from }));
      const started = performance.now();
      const acls = await changeSidOfVolume(volume, CHANGE);
      console.log(`${acls.changedFiles} files in ${Math.round(performance.now() - started)} ms`);
      expect(acls.changedFiles).toBe(count * 0.9);
      expect(acls.changedDescriptors).toBe(kinds * 0.9);
      const audit = await run('ntfssecaudit', ['-ar', volume]);
      expect(audit.stdout).toMatch(/No errors were found/);
      await run('ntfsfix', ['-n', volume]);
      await run('ntfsresize', ['--info', '--force', '--no-progress-bar', volume]);
      await mounted(volume, async () => {
        const expected = (await python('list', { count, kinds, sid: CHANGE.to })).trim().split('\n').sort();
        expect(expected).toHaveLength(count);
        expect(await readBack()).toEqual(expected);
      });
    },
  );
});
