import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { applyEdits } from '../edit.ts';
import { SystemRoot } from '../system-root.ts';
import { insideOf } from './chroot.ts';
import { linuxEdits } from './linux-edits.ts';
import { detectLinux, type LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import { NOTHING } from './testdata/linux-trees.ts';

let folder = '';
let root: SystemRoot;
let upper = '';
/** The system that runs this test, as if it were deployed: what is written goes to `upper`. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-chroot-'));
  await run('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
  const dirs = ['upper', 'work', 'root'].map((name) => join(folder, name)) as [string, string, string];
  for (const dir of dirs) await mkdir(dir);
  upper = dirs[0];
  const options = `lowerdir=/,upperdir=${dirs[0]},workdir=${dirs[1]}`;
  await run('mount', ['-t', 'overlay', 'overlay', '-o', options, dirs[2]]);
  root = new SystemRoot(dirs[2]);
});
afterEach(async () => {
  await run('umount', [join(folder, 'root')], { okCodes: [0, 32] });
  await run('umount', [folder]);
  await rm(folder, { recursive: true });
});

async function inside(program: string, args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await insideOf(root)(program, args, input === undefined ? {} : { input });
  return stdout.trim();
}

/** Files below `dir` that hold the text. */
async function holding(dir: string, text: string): Promise<string[]> {
  const { stdout } = await run('grep', ['-rlaF', '-e', text, dir], { okCodes: [0, 1] });
  return stdout.split('\n').filter((line) => line !== '');
}

async function processesWith(text: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (words.includes(text) && Number(pid) !== process.pid) count += 1;
  }
  return count;
}

const mounts = () => readFile('/proc/self/mountinfo', 'utf8');

describe('linuxEdits in a real Debian', () => {
  const passwords = ['Pa55: "$x" \'ü\\`', 'second # pass'];

  async function customise() {
    await root.write('/etc/ssh/ssh_host_ed25519_key', 'master key');
    await root.write('/var/lib/dbus/machine-id', 'old');
    await insideOf(root)('useradd', ['-m', 'tdold']);
    const facts = { ...((await detectLinux(root)) as LinuxFacts), initramfs: undefined };
    const customisation = {
      ...NOTHING,
      computerName: 'pc-7',
      membership: { kind: 'domain', name: 'ad.example.org', user: 'j', password: 'join me', ou: '' } as const,
      users: [
        {
          name: 'tdnew',
          fullName: 'Anna Ü: A',
          password: passwords[0] ?? '',
          group: 'administrators' as const,
        },
        { name: 'tdold', fullName: '', password: passwords[1] ?? '', group: 'users' as const },
        { name: 'tdlocked', fullName: '', password: '', group: 'users' as const },
        { name: 'two words', fullName: '', password: 'x', group: 'users' as const },
      ],
    };
    const system: LinuxSystem = {
      root,
      facts,
      runInside: insideOf(root),
      openFile: async function* () {},
      firstStart: [],
    };
    const edits = linuxEdits(customisation, facts, { macs: [], pciDevices: [] });
    return applyEdits(edits, system);
  }

  it("makes users, groups, passwords and host keys that the system's own programs accept", async () => {
    const results = await customise();
    const failed = results.filter(({ result }) => result === 'failed');
    expect(failed.map(({ text }) => text)).toEqual(['Make or update the user "two words"']);
    expect(failed[0]?.reason).toContain("invalid user name 'two words'");
    expect(await inside('id', ['-nG', 'tdnew'])).toBe('tdnew sudo');
    expect(await inside('getent', ['passwd', 'tdnew'])).toMatch(/:Anna Ü A:\/home\/tdnew:\/\S*bash$/);
    for (const [i, user] of ['tdnew', 'tdold'].entries()) {
      const program = '$p=<STDIN>; $h=(getpwnam($ARGV[0]))[1]; print crypt($p,$h) eq $h ? "same" : "other"';
      expect(await inside('perl', ['-e', program, user], passwords[i])).toBe('same');
      expect(await inside('perl', ['-e', program, user], 'wrong')).toBe('other');
    }
    expect(await inside('passwd', ['-S', 'tdlocked'])).toMatch(/^tdlocked L /);
    expect(await inside('getent', ['hosts', 'pc-7'])).toMatch(/^127\.0\.1\.1\s+pc-7\.ad\.example\.org pc-7$/);
    expect(await inside('ssh-keygen', ['-lf', '/etc/ssh/ssh_host_ed25519_key'])).toMatch(/^256 SHA256:/);
    expect(await root.readText('/etc/machine-id')).toBe('');
    for (const password of passwords) expect(await holding(upper, password)).toEqual([]);
  });
});

describe('insideOf', () => {
  it('leaves neither mounts nor processes behind, and shows no network', async () => {
    const before = await mounts();
    await insideOf(root)('sh', ['-c', 'sleep 4711.25 & ls /proc/self /dev/null /sys/kernel']);
    expect(await inside('cat', ['/proc/net/route'])).not.toContain('\n');
    expect(await inside('ls', ['/run'])).toBe('');
    expect(await mounts()).toBe(before);
    expect(await processesWith('4711.25')).toBe(0);
  });

  it('ends a program that takes too long', async () => {
    const late = insideOf(root)('sleep', ['4712.25'], { timeoutMs: 300 });
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    expect(await processesWith('4712.25')).toBe(0);
  });

  it('says what failed without the input', async () => {
    await expect(insideOf(root)('chpasswd', [], { input: 'nobody-here:s3cret\n' })).rejects.toThrow(
      /^Cannot run "chpasswd" in the deployed system: it ended with 1: (?!.*s3cret)/,
    );
    await expect(insideOf(root)('td-none', [])).rejects.toMatchObject({ code: 'not-found' });
  });

  it('mounts nothing through a link', async () => {
    const dir = join(folder, 'evil');
    await mkdir(join(dir, 'bin'), { recursive: true });
    await writeFile(join(dir, 'bin/sh'), '');
    await symlink('/etc', join(dir, 'proc'));
    await expect(insideOf(new SystemRoot(dir))('sh', [])).rejects.toThrow('its /proc is no folder');
  });
});
