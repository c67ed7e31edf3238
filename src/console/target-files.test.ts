import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ShareFiles, type ShareFilesOptions } from './share-files.ts';
import { gatherFiles, sourceProblem, TargetFiles } from './target-files.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-target-files-'));
  await mkdir(join(dir, 'tools/deep'), { recursive: true });
  await writeFile(join(dir, 'tools/a.txt'), 'aaa');
  await writeFile(join(dir, 'tools/deep/b.txt'), 'bb');
  await mkdir(join(dir, 'ahci/x64'), { recursive: true });
  for (const name of ['ahci.inf', 'other.INF', 'ahci.cat', 'x64/ahci.sys']) {
    await writeFile(join(dir, 'ahci', name), name);
  }
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const gather = (source: string, isDriver = false) =>
  gatherFiles([{ source, isDriver }], { find: async (path) => path });
const whole = { first: 0, last: 2 };

describe('files for targets', () => {
  it('are listed with their hashes: one file, a folder, and a driver without its neighbours', async () => {
    const folder = join(dir, 'tools');
    const tools = await gather(folder);
    const set = tools.setOf(folder);
    expect(set).toMatchObject({ name: 'tools', isFolder: true });
    expect(set.entries.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['a.txt', 3],
      ['deep/b.txt', 2],
    ]);
    expect(tools.words).toBe('2 files, 5 B');
    const { sha256 } = set.entries[0]!;
    expect((await tools.read(sha256, whole)).bytes.toString()).toBe('aaa');
    const file = join(folder, 'a.txt');
    expect((await gather(file)).setOf(file)).toEqual({
      ...{ name: 'a.txt', isFolder: false, entries: [{ path: 'a.txt', bytes: 3, sha256 }] },
    });
    const inf = join(dir, 'ahci/ahci.inf');
    const driver = (await gather(inf, true)).setOf(inf);
    expect(driver).toMatchObject({ name: 'ahci', isFolder: true });
    expect(driver.entries.map(({ path }) => path)).toEqual(['ahci.cat', 'ahci.inf', 'x64/ahci.sys']);
  });

  it('that were changed since are refused, and so is what the job has not', async () => {
    const path = join(dir, 'tools/a.txt');
    const files = await gather(path);
    const { sha256 } = files.setOf(path).entries[0]!;
    // What is kept over a restart is all there is.
    const again = new TargetFiles(JSON.parse(JSON.stringify(files.sets)));
    expect((await again.read(sha256, whole)).bytes.toString()).toBe('aaa');
    await expect(files.read('0'.repeat(64), whole)).rejects.toMatchObject({ code: 'not-found' });
    await expect(files.read(sha256, { first: 0, last: 3 })).rejects.toMatchObject({ code: 'invalid' });
    await expect(files.read(sha256, { first: 0, last: 2e6 })).rejects.toMatchObject({ code: 'invalid' });
    await writeFile(path, 'xxx');
    await expect(again.read(sha256, whole)).rejects.toMatchObject({ code: 'refused' });
    await rm(path);
    await expect(again.read(sha256, whole)).rejects.toThrow('was changed since the job began');
  });

  it('that are missing, relative or no files stop everything with their name', async () => {
    await expect(gather(join(dir, 'gone'))).rejects.toThrow('gone": it is not there');
    expect(await sourceProblem(join(dir, 'gone'))).toContain('it is not there');
    expect(await sourceProblem('setup.exe')).toContain('write the full path');
    expect(await sourceProblem('smb://server/share/setup.exe')).toBe('');
    await symlink('/', join(dir, 'tools/all'));
    await expect(gather(join(dir, 'tools'))).rejects.toThrow('links to folders are not followed');
    await expect(gather('/dev/null')).rejects.toThrow('no plain file');
  });

  it('stop being listed when the job is cancelled', async () => {
    await truncate(join(dir, 'tools/a.txt'), 50_000_000);
    const signal = AbortSignal.abort(new Error('enough'));
    const options = { find: async (path: string) => path, signal };
    await expect(gatherFiles([{ source: join(dir, 'tools'), isDriver: false }], options)).rejects.toThrow(
      'enough',
    );
  });
});

describe('files on shares', () => {
  const none = async () => {
    throw new Error('nothing is mounted here');
  };
  const options = (place: object, mount: unknown = none): ShareFilesOptions => ({
    places: () => [{ kind: 'smb', source: '//nas/lab', path: dir, problem: '', ...place }],
    mountsDir: dir,
    mount: mount as NonNullable<ShareFilesOptions['mount']>,
  });

  it("are found in the console's storage, in any case and spelling", async () => {
    await using shares = new ShareFiles('job-1', options({}));
    expect(await shares.find('smb://NAS/Lab/tools/a.txt')).toBe(join(dir, 'tools/a.txt'));
    expect(await shares.find('\\\\nas\\lab\\tools')).toBe(join(dir, 'tools'));
    expect(await shares.find('/srv/a')).toBe('/srv/a');
    await expect(shares.find('srv/a')).rejects.toThrow('write the full path');
    await expect(shares.find('//nas/lab2/a')).rejects.toThrow('nothing is mounted');
    await expect(shares.find('nas:/export/a')).rejects.toThrow('storage add');
    await using down = new ShareFiles('job-1', options({ problem: 'it is away' }));
    await expect(down.find('//nas/lab/a')).rejects.toMatchObject({ code: 'network', message: 'it is away' });
  });

  it('of other servers are mounted once as a guest and let go at the end', async () => {
    const log: unknown[] = [];
    const mount = async (request: object, { mountPoint }: { mountPoint: string }) => {
      log.push(request);
      return { path: mountPoint, [Symbol.asyncDispose]: async () => void log.push('gone') };
    };
    {
      await using shares = new ShareFiles('job-1', options({}, mount));
      expect(await shares.find('smb://other/share/x/a')).toBe(join(dir, 'job-1-1/x/a'));
      expect(await shares.find('//other/share/b')).toBe(join(dir, 'job-1-1/b'));
    }
    expect(log).toEqual([{ kind: 'smb', source: '//other/share', readOnly: true }, 'gone']);
  });
});
