import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import type { RunOptions, RunResult } from '../lib/spawn.ts';
import { type MountOptions, mountShare, type ShareRequest } from './share-mount.ts';
import { parseShareSource, shareKindOf } from './share-source.ts';

let dir: string;
let calls: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-mount-test-'));
  calls = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

type Answer = Partial<RunResult> | ((args: readonly string[]) => Promise<Partial<RunResult>>);

/** Every program answers as told, by its name; unknown ones succeed. */
function programs(answers: Record<string, Answer> = {}): MountOptions {
  const runProgram = async (program: string, args: readonly string[], _options?: RunOptions) => {
    calls.push([program, ...args].join(' '));
    const answer = answers[program] ?? {};
    return {
      code: 0,
      stdout: '',
      stderr: '',
      ...(typeof answer === 'function' ? await answer(args) : answer),
    };
  };
  return { mountPoint: join(dir, 'mnt'), runProgram, reach: async () => {} };
}

const smb: ShareRequest = {
  kind: 'smb',
  source: '//nas/images',
  user: 'ann',
  password: 'p,a=s s',
  domain: 'LAB',
};

async function failure(request: ShareRequest, options: MountOptions): Promise<string> {
  const error = await mountShare(request, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TdError);
  expect((error as TdError).message).not.toContain('\n');
  return `${(error as TdError).code}: ${(error as TdError).message}`;
}

describe('mountShare', () => {
  it('hands credentials over in a file for root alone that is gone afterwards', async () => {
    let path = '';
    let content = '';
    let mode = 0;
    const options = programs({
      'mount.cifs': async (args) => {
        path = /credentials=([^,]+)/.exec(args.join(' '))![1]!;
        content = await readFile(path, 'utf8');
        mode = (await stat(path)).mode & 0o777;
        return {};
      },
    });
    const mounted = await mountShare(smb, options);
    expect(content).toBe('username=ann\npassword=p,a=s s\ndomain=LAB\n');
    expect(mode).toBe(0o600);
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
    expect(calls.join('\n')).not.toContain('p,a=s s');
    expect(calls[0]).toMatch(/^mount\.cifs \/\/nas\/images \S+\/mnt -o rw,nosuid,nodev,noexec,credentials=/);
    await mounted[Symbol.asyncDispose]();
    expect(calls.at(-1)).toBe(`umount ${join(dir, 'mnt')}`);
    await expect(stat(join(dir, 'mnt'))).rejects.toThrow(/ENOENT/);
  });

  it('mounts a share without a user as a guest, NFS so that it fails instead of hanging, and disks by what they hold', async () => {
    await mountShare({ kind: 'smb', source: '\\\\nas\\images\\old' }, programs());
    await mountShare({ kind: 'nfs', source: 'nas:/export/images', readOnly: true }, programs());
    const probe = async (args: readonly string[]) => ({ stdout: args.includes('TYPE') ? 'ntfs\n' : 'dos\n' });
    await mountShare({ kind: 'usb', source: '/dev/sdb1' }, programs({ blkid: probe }));
    const text = calls.join('\n');
    expect(text).toMatch(/^mount\.cifs \/\/nas\/images\/old \S+ -o \S+,guest,soft/m);
    expect(text).toMatch(/^mount\.nfs nas:\/export\/images \S+ -o ro,nosuid\S+softerr/m);
    expect(text).toMatch(/^mount -t ntfs3 -o rw,nosuid,nodev,noexec \/dev\/sdb1 /m);
  });

  it.each([
    ['mount error(13): Permission denied\nRefer to the mount.cifs(8) manual page', 'refused', /the password/],
    ['mount error(2): No such file or directory\nRefer to the mount.cifs(8)', 'not-found', /no such share/],
    ['mount error(112): Host is down\nRefer to', 'network', /does not answer/],
    ['mount error(95): Operation not supported', 'refused', /update it/],
    ['mount error: cifs filesystem not supported by the system', 'tool-failed', /no driver/],
    ['mount error: could not resolve address for nas', 'network', /check the name/],
    ['something new', 'io', /something new/],
  ])('reads what mount.cifs says: %s', async (stderr, code, text) => {
    const message = await failure(smb, programs({ 'mount.cifs': { code: 32, stderr } }));
    expect(message).toMatch(new RegExp(`^${code}: Cannot use "//nas/images": `));
    expect(message).toMatch(text);
    await expect(stat(join(dir, 'mnt'))).rejects.toThrow(/ENOENT/);
  });

  it.each([
    ['mount.nfs: access denied by server while mounting nas:/x', 'refused', /exports/],
    [
      'mount.nfs: mounting nas:/x failed, reason given by server: No such file or directory',
      'not-found',
      /name/,
    ],
    ['mount.nfs: Connection timed out for nas:/x on /mnt', 'network', /does not answer/],
    ['mount.nfs: No such device', 'tool-failed', /no driver/],
  ])('reads what mount.nfs says: %s', async (stderr, code, text) => {
    const message = await failure(
      { kind: 'nfs', source: 'nas:/x' },
      programs({ 'mount.nfs': { code: 32, stderr } }),
    );
    expect(message.startsWith(`${code}: `)).toBe(true);
    expect(message).toMatch(text);
  });

  it('finds out in seconds that a server is down or unknown, without mounting', async () => {
    const { reach: _, ...real } = programs();
    expect(await failure({ kind: 'smb', source: '//no-such-server.invalid/x' }, real)).toMatch(/^network: /);
    const refused = { ...programs(), reach: async () => Promise.reject(new Error('connect ECONNREFUSED')) };
    expect(await failure(smb, refused)).toMatch(/start its file service/);
    expect(calls).toEqual([]);
  });

  it('tells a whole disk, an empty one and a wrong one apart', async () => {
    const disk: ShareRequest = { kind: 'usb', source: '/dev/sdb' };
    const divided = async (args: readonly string[]) => ({ stdout: args.includes('PTTYPE') ? 'gpt\n' : '' });
    expect(await failure(disk, programs({ blkid: divided }))).toMatch(/one of its partitions/);
    expect(await failure(disk, programs())).toMatch(/no file system/);
    const stderr = 'mount: /mnt: special device /dev/sdb does not exist.\n dmesg(1) may have more';
    const gone = programs({ blkid: { stdout: 'ext4\n' }, mount: { code: 32, stderr } });
    expect(await failure(disk, gone)).toMatch(/^not-found: /);
  });

  it('refuses credentials that would become further lines of the file', async () => {
    expect(await failure({ ...smb, password: 'x\nuid=0' }, programs())).toMatch(/^usage: .*one short line/);
    expect(await failure({ ...smb, user: '' }, programs())).toMatch(/^usage: .*name one/);
    expect(calls).toEqual([]);
  });
});

describe('parseShareSource', () => {
  it.each([
    ['smb', 'smb://nas.lab/images/2026', '//nas.lab/images/2026', 'nas.lab', '2026'],
    ['smb', '\\\\10.0.0.5\\images\\', '//10.0.0.5/images', '10.0.0.5', 'images'],
    ['nfs', 'nfs://nas/export', 'nas:/export', 'nas', 'export'],
    ['nfs', 'nas:/', 'nas:/', 'nas', 'nas'],
    ['nfs', '[fe80::1]:/a/b', '[fe80::1]:/a/b', 'fe80::1', 'b'],
    ['usb', '/dev/sdb1', '/dev/sdb1', '', 'sdb1'],
  ] as const)('reads %s %s', (kind, text, source, server, label) => {
    expect(parseShareSource(kind, text)).toEqual({ kind, source, server, label });
    expect(shareKindOf(text)).toBe(kind);
  });

  it.each([
    ['smb', '//nas'],
    ['smb', '//nas/../etc'],
    ['smb', '//-o/x'],
    ['smb', '//user:secret@nas/x'],
    ['nfs', '-o:/x'],
    ['nfs', 'nas:/a//b'],
    ['nfs', 'nas:/a\nb'],
    ['usb', '/etc/passwd'],
    ['usb', '/dev/../etc/passwd'],
    ['usb', '-t'],
  ] as const)('refuses %s %j', (kind, text) => {
    expect(() => parseShareSource(kind, text)).toThrow(/^Cannot use .*write /);
  });
});
