import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SystemRoot } from './system-root.ts';

let folder = '';
let outside = '';
let dir = '';
let root: SystemRoot;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-root-'));
  outside = join(folder, 'outside');
  dir = join(folder, 'root');
  await mkdir(join(outside, 'etc'), { recursive: true });
  await mkdir(join(dir, 'etc'), { recursive: true });
  await writeFile(join(outside, 'etc/hostname'), 'outside\n');
  root = new SystemRoot(dir);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('SystemRoot', () => {
  it('follows absolute links and dots inside the root only', async () => {
    await rm(join(dir, 'etc'), { recursive: true });
    await symlink(join(outside, 'etc'), join(dir, 'etc'));
    await symlink('../../../../../../outside/etc/hostname', join(dir, 'up'));
    await symlink('/usr/lib', join(dir, 'lib'));
    expect(await root.resolve('/../../etc/passwd')).toBe(join(dir, outside, 'etc/passwd'));
    expect(await root.resolve('lib/os-release')).toBe(join(dir, 'usr/lib/os-release'));
    expect(await root.exists('/etc/hostname')).toBe(false);
    await root.write('/etc/hostname', 'inside\n');
    await root.write('/up', 'inside\n');
    await root.write('/../../outside/etc/hostname', 'inside\n');
    await root.remove('/etc/hostname');
    expect(await readFile(join(outside, 'etc/hostname'), 'utf8')).toBe('outside\n');
    expect(await readFile(join(dir, 'outside/etc/hostname'), 'utf8')).toBe('inside\n');
  });

  it('removes and moves a link, not what it leads to', async () => {
    await symlink(join(outside, 'etc'), join(dir, 'out'));
    await root.move('/out', '/moved/out');
    expect(await root.linkTarget('/moved/out')).toBe(join(outside, 'etc'));
    await root.remove('/moved');
    expect(await readdir(join(outside, 'etc'))).toEqual(['hostname']);
    await expect(root.remove('/etc/..')).rejects.toThrow('the root itself');
  });

  it('ends on a loop of links', async () => {
    await symlink('b', join(dir, 'a'));
    await symlink('/a', join(dir, 'b'));
    await expect(root.read('/a/file')).rejects.toThrow('Cannot resolve "/a/file": a loop of links');
    await root.makeLink('/a', 'etc');
    expect(await root.resolve('/b')).toBe(join(dir, 'etc'));
  });

  it('reads and replaces regular files only, of a limited size', async () => {
    await root.write('/big', Buffer.alloc(11));
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    await expect(root.read('/big', { bytesMax: 10 })).rejects.toThrow('larger than 10 bytes');
    await expect(root.read('/pipe')).rejects.toThrow('no regular file');
    await expect(root.write('/pipe', '')).rejects.toThrow('no regular file');
    await expect(root.readText('/none')).rejects.toMatchObject({ code: 'not-found' });
    await expect(root.read('/a\0b')).rejects.toMatchObject({ code: 'invalid' });
  });

  it('keeps the mode of a file it replaces, and leaves nothing when the data fails', async () => {
    const mode = async (path: string) => (await stat(join(dir, path))).mode & 0o7777;
    async function* failing() {
      yield Buffer.from('half');
      throw new Error('the link broke');
    }
    await root.write('/new/a', 'a');
    await root.write('/new/b', 'b', { mode: 0o600 });
    await root.write('/new/b', 'c');
    await root.makeDir('/new/folder', { mode: 0o700 });
    expect([await mode('new/a'), await mode('new/b'), await mode('new/folder')]).toEqual([
      0o644, 0o600, 0o700,
    ]);
    await expect(root.write('/new/b', failing())).rejects.toThrow('the link broke');
    expect(await root.readText('/new/b')).toBe('c');
    expect(await root.list('/new')).toEqual(['a', 'b', 'folder']);
    expect([await root.list('/none'), await root.list('/new/a')]).toEqual([[], []]);
  });

  it('matches Windows paths in any case, with either slash, through junctions as ntfs-3g shows them', async () => {
    const windows = new SystemRoot(dir, { caseInsensitive: true });
    await windows.write('Windows\\System32\\config\\SYSTEM', 'hive');
    await symlink(join(dir, 'Windows/System32'), join(dir, 'Junction'));
    expect(await windows.readText('/WINDOWS/system32/CONFIG/system')).toBe('hive');
    expect(await windows.readText('junction\\config\\System')).toBe('hive');
    await windows.write('windows\\SYSTEM32\\drivers\\New.sys', 'driver');
    expect(await windows.list('Windows\\System32')).toEqual(['config', 'drivers']);
    expect((await lstat(join(dir, 'Windows/System32/drivers/New.sys'))).size).toBe(6);
    expect(await root.exists('/WINDOWS')).toBe(false);
  });
});
