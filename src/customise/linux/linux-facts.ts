import type { SystemRoot } from '../system-root.ts';
import { assignmentOf, configText, lines } from './config-text.ts';
import { findProgram, isServiceEnabled } from './installed.ts';

export type LinuxFamily = 'debian' | 'redhat' | 'suse' | 'other';

/** What configures the network cards; `ifcfg` is Red Hat's initscripts or SUSE's wicked, by family. */
export type NetworkSystem = 'netplan' | 'networkmanager' | 'networkd' | 'ifupdown' | 'ifcfg';

export type InitramfsTool = 'dracut' | 'initramfs-tools' | 'mkinitcpio';

export interface LinuxFacts {
  /** For people, e.g. `Debian GNU/Linux 12 (bookworm)`. */
  name: string;
  family: LinuxFamily;
  /** The master's, without its domain; empty when there is none. */
  hostname: string;
  network: NetworkSystem | undefined;
  systemd: boolean;
  /** `/bin` is a link to `/usr/bin`. */
  usrMerged: boolean;
  /** `hostOnly`: made for the master's own controllers. */
  initramfs: { tool: InitramfsTool; hostOnly: boolean } | undefined;
  bootLoader: 'grub' | 'systemd-boot' | undefined;
  selinux: boolean;
  cloudInit: boolean;
}

/** Looks at a stopped system and changes nothing; undefined when it is no Linux. */
export async function detectLinux(root: SystemRoot): Promise<LinuxFacts | undefined> {
  const release =
    (await configText(root, '/etc/os-release')) || (await configText(root, '/usr/lib/os-release'));
  const family = await familyOf(root, release);
  if (family === undefined) return undefined;
  return {
    name: await nameOf(root, release),
    family,
    hostname: await hostnameOf(root),
    network: await networkSystemOf(root, family),
    systemd: await hasSystemd(root),
    usrMerged: (await root.linkTarget('/bin')) !== undefined,
    initramfs: await initramfsOf(root),
    bootLoader: await bootLoaderOf(root),
    selinux: ['enforcing', 'permissive'].includes(
      assignmentOf(await configText(root, '/etc/selinux/config'), 'SELINUX') ?? '',
    ),
    cloudInit: await root.exists('/etc/cloud/cloud.cfg'),
  };
}

async function familyOf(root: SystemRoot, release: string): Promise<LinuxFamily | undefined> {
  const ids = `${assignmentOf(release, 'ID') ?? ''} ${assignmentOf(release, 'ID_LIKE') ?? ''}`.split(/\s+/);
  const isOne = (...names: string[]) => ids.some((id) => names.includes(id));
  if (isOne('debian', 'ubuntu') || (await root.exists('/etc/debian_version'))) return 'debian';
  if (isOne('suse', 'opensuse', 'sles', 'sled') || (await root.exists('/etc/SuSE-release'))) return 'suse';
  if (isOne('fedora', 'rhel', 'centos') || (await root.exists('/etc/redhat-release'))) return 'redhat';
  return release === '' ? undefined : 'other';
}

async function nameOf(root: SystemRoot, release: string): Promise<string> {
  const named = assignmentOf(release, 'PRETTY_NAME') ?? assignmentOf(release, 'NAME');
  return named ?? lines(await configText(root, '/etc/redhat-release'))[0] ?? 'Linux';
}

async function hostnameOf(root: SystemRoot): Promise<string> {
  const files = [await configText(root, '/etc/hostname'), await configText(root, '/etc/HOSTNAME')];
  const named = files.flatMap(lines).find((line) => line.trim() !== '' && !line.startsWith('#'));
  const full = named ?? assignmentOf(await configText(root, '/etc/sysconfig/network'), 'HOSTNAME') ?? '';
  return full.trim().split('.')[0] as string;
}

async function hasSystemd(root: SystemRoot): Promise<boolean> {
  return (
    (await root.exists('/usr/lib/systemd/systemd')) ||
    (await root.exists('/lib/systemd/systemd')) ||
    (await root.exists('/bin/systemd'))
  );
}

/** The one that is in use where several are installed: netplan writes for others, and an enabled service decides. */
async function networkSystemOf(root: SystemRoot, family: LinuxFamily): Promise<NetworkSystem | undefined> {
  const netplan = (await root.list('/etc/netplan')).some((name) => name.endsWith('.yaml'));
  if (netplan && (await findProgram(root, 'netplan'))) return 'netplan';
  const wicked = family === 'suse' && (await isServiceEnabled(root, 'wicked'));
  if (wicked) return 'ifcfg';
  if (await isServiceEnabled(root, 'NetworkManager')) return 'networkmanager';
  if (await isServiceEnabled(root, 'systemd-networkd')) return 'networkd';
  if ((await findProgram(root, 'ifup')) && (await root.exists('/etc/network'))) return 'ifupdown';
  if (family === 'suse' && (await root.exists('/etc/sysconfig/network'))) return 'ifcfg';
  if (await root.exists('/etc/sysconfig/network-scripts/ifup-eth')) return 'ifcfg';
  if (await findProgram(root, 'NetworkManager')) return 'networkmanager';
  return undefined;
}

async function initramfsOf(root: SystemRoot): Promise<LinuxFacts['initramfs']> {
  if (await findProgram(root, 'update-initramfs')) {
    return { tool: 'initramfs-tools', hostOnly: await initramfsToolsIsHostOnly(root) };
  }
  if (await findProgram(root, 'dracut')) return { tool: 'dracut', hostOnly: await dracutIsHostOnly(root) };
  if (!(await findProgram(root, 'mkinitcpio'))) return undefined;
  const hooks = lines(await configText(root, '/etc/mkinitcpio.conf')).findLast((line) =>
    /^\s*HOOKS=/.test(line),
  );
  return { tool: 'mkinitcpio', hostOnly: /\bautodetect\b/.test(hooks ?? '') };
}

/** initramfs.conf(5): `most` and `netboot` hold every driver; `dep` and `list` those of the master. */
async function initramfsToolsIsHostOnly(root: SystemRoot): Promise<boolean> {
  const folder = '/etc/initramfs-tools';
  const files = [`${folder}/initramfs.conf`, ...(await inFolder(root, `${folder}/conf.d`))];
  return ['dep', 'list'].includes((await lastAssignment(root, { files, key: 'MODULES' })) ?? 'most');
}

/** dracut.conf(5): the distribution's files, then the administrator's; a name in both counts in the latter. */
async function dracutIsHostOnly(root: SystemRoot): Promise<boolean> {
  const byName = new Map<string, string>();
  for (const folder of ['/usr/lib/dracut/dracut.conf.d', '/etc/dracut.conf.d']) {
    for (const path of await inFolder(root, folder)) {
      if (path.endsWith('.conf')) byName.set(path.slice(folder.length), path);
    }
  }
  const ordered = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  const value = await lastAssignment(root, { files: ['/etc/dracut.conf', ...ordered], key: 'hostonly' });
  return value !== undefined && value !== 'no' && value !== '';
}

async function inFolder(root: SystemRoot, folder: string): Promise<string[]> {
  return (await root.list(folder)).map((name) => `${folder}/${name}`);
}

async function lastAssignment(
  root: SystemRoot,
  { files, key }: { files: readonly string[]; key: string },
): Promise<string | undefined> {
  let value: string | undefined;
  for (const path of files) value = assignmentOf(await configText(root, path), key) ?? value;
  return value;
}

async function bootLoaderOf(root: SystemRoot): Promise<LinuxFacts['bootLoader']> {
  for (const path of GRUB_FILES) if (await root.exists(path)) return 'grub';
  for (const path of [
    '/boot/loader/loader.conf',
    '/efi/loader/loader.conf',
    '/boot/efi/loader/loader.conf',
  ]) {
    if (await root.exists(path)) return 'systemd-boot';
  }
  return undefined;
}

/** Where GRUB 2 and GRUB 0.97 keep their menus. */
export const GRUB_FILES = [
  '/boot/grub/grub.cfg',
  '/boot/grub2/grub.cfg',
  '/boot/grub/grub.conf',
  '/boot/grub/menu.lst',
];
