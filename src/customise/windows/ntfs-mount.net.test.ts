import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { SystemRoot } from '../system-root.ts';
import { NTFS_USER_MAPPING, ntfsMountOptions } from './ntfs-mount.ts';

/** Owner Administrators, group SYSTEM; full control for both, inherited by files and folders. */
const FOLDER_ACL =
  '0100048448000000580000000000000014000000020034000200000000031400ff011f00010100000000000512000000' +
  '00031800ff011f000102000000000005200000002002000001020000000000052000000020020000010100000000000512000000';
const EVERYONE = '010100000000000100000000';
const SYSTEM = '010100000000000512000000';
const ADMINISTRATORS = '01020000000000052000000020020000';

const python = async (code: string, ...args: string[]) =>
  (await run('python3', ['-c', `import os,sys; ${code}`, ...args])).stdout;
const aclOf = (path: string) => python("print(os.getxattr(sys.argv[1], 'system.ntfs_acl').hex())", path);

async function mounted() {
  const dir = await mkdtemp(join(tmpdir(), 'td-ntfs-'));
  const [volume, mount, mapping] = ['volume', 'mount', 'mapping'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(mount);
  await writeFile(mapping, NTFS_USER_MAPPING);
  await writeFile(volume, '');
  await run('truncate', ['-s', '32M', volume]);
  await run('mkntfs', ['-q', '-Q', '-F', '-s', '512', '-p', '0', '-H', '1', '-S', '1', volume]);
  await run('ntfs-3g', ['-o', ntfsMountOptions(mapping).join(','), volume, mount]);
  return {
    mount,
    async [Symbol.asyncDispose]() {
      await run('umount', [mount]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

describe('a mounted Windows volume', () => {
  it('gives new and replaced files the permissions of their folder, not everyone all of them', async () => {
    await using volume = await mounted();
    const root = new SystemRoot(volume.mount, { caseInsensitive: true });
    await root.makeDir('drivers');
    const folder = join(volume.mount, 'drivers');
    await python(
      "os.setxattr(sys.argv[1], 'system.ntfs_acl', bytes.fromhex(sys.argv[2]))",
      folder,
      FOLDER_ACL,
    );
    await root.write('drivers/new.sys', 'driver');
    await root.write('drivers/new.sys', 'newer driver');
    await root.write('drivers/sub/deep.txt', 'text', { mode: 0o600 });
    for (const path of ['new.sys', 'sub', 'sub/deep.txt']) {
      const acl = await aclOf(join(folder, path));
      expect(acl).not.toContain(EVERYONE);
      expect(acl).toContain(SYSTEM);
      expect(acl).toContain(ADMINISTRATORS);
    }
  });
});
