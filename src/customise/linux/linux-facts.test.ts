import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SystemRoot } from '../system-root.ts';
import { detectLinux } from './linux-facts.ts';
import { makeTree, TREES } from './testdata/linux-trees.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-linux-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('detectLinux', () => {
  it.each([
    ['UBUNTU', { family: 'debian', network: 'netplan', bootLoader: 'grub', cloudInit: true }],
    ['DEBIAN', { family: 'debian', network: 'ifupdown', hostname: 'master', systemd: true, usrMerged: true }],
    ['FEDORA', { family: 'redhat', network: 'networkmanager', selinux: true, bootLoader: 'grub' }],
    ['CENTOS6', { family: 'redhat', network: 'ifcfg', systemd: false, usrMerged: false, hostname: 'master' }],
    ['OPENSUSE', { family: 'suse', network: 'ifcfg', name: 'openSUSE Leap 15.6', selinux: false }],
    ['ARCH', { family: 'other', network: 'networkd', bootLoader: 'systemd-boot', name: 'Arch Linux' }],
  ] as const)('knows %s', async (name, facts) => {
    await makeTree(dir, TREES[name]);
    expect(await detectLinux(new SystemRoot(dir))).toMatchObject(facts);
  });

  it.each([
    ['UBUNTU', { tool: 'initramfs-tools', hostOnly: false }],
    ['DEBIAN', { tool: 'initramfs-tools', hostOnly: true }],
    ['FEDORA', { tool: 'dracut', hostOnly: true }],
    ['OPENSUSE', { tool: 'dracut', hostOnly: false }],
    ['ARCH', { tool: 'mkinitcpio', hostOnly: true }],
  ] as const)('knows whether the initramfs of %s is for the master alone', async (name, initramfs) => {
    await makeTree(dir, TREES[name]);
    expect((await detectLinux(new SystemRoot(dir)))?.initramfs).toEqual(initramfs);
  });

  it("lets the administrator's dracut settings count, and a masked service not", async () => {
    await makeTree(dir, TREES.FEDORA);
    await mkdir(join(dir, 'etc/dracut.conf.d'));
    await writeFile(join(dir, 'etc/dracut.conf.d/02-generic.conf'), 'hostonly="no"\n');
    await symlink('/dev/null', join(dir, 'etc/systemd/system/NetworkManager.service'));
    const facts = await detectLinux(new SystemRoot(dir));
    expect(facts).toMatchObject({ initramfs: { hostOnly: false } });
    expect(facts?.network).toBeUndefined();
  });

  it('is not misled by links, folders and loops in the place of files, nor by another system', async () => {
    expect(await detectLinux(new SystemRoot(dir))).toBeUndefined();
    await mkdir(join(dir, 'etc/os-release'), { recursive: true });
    await symlink('hostname', join(dir, 'etc/hostname'));
    await symlink('/../../../../../../../etc/os-release', join(dir, 'usr'));
    expect(await detectLinux(new SystemRoot(dir))).toBeUndefined();
  });
});
