import { TdError } from '../../lib/errors.ts';
import type { Edit } from '../edit.ts';
import { findProgram } from './installed.ts';
import type { LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';

const DBUS_ID = '/var/lib/dbus/machine-id';

/** machine-id(5): an empty file is filled at the next start; D-Bus alone makes its own when there is none. */
export const machineIdEdit: Edit<LinuxSystem> = {
  text: 'Have the system make a new machine ID at its first start',
  async apply({ root, facts }) {
    const hasDbus = await root.exists('/var/lib/dbus');
    if (!facts.systemd && !(await root.exists('/etc/machine-id'))) {
      if (!hasDbus) return 'the system has none';
      await root.remove(DBUS_ID);
      return undefined;
    }
    await root.write('/etc/machine-id', '', { mode: 0o444 });
    if (hasDbus) await root.makeLink(DBUS_ID, '/etc/machine-id');
    return undefined;
  },
};

const HOST_KEY = /^ssh_host_.+_key(?:\.pub|-cert\.pub)?$/;

/** Computers with the master's keys could pose as each other. */
export const sshHostKeysEdit: Edit<LinuxSystem> = {
  text: 'Make new SSH host keys',
  async apply({ root, runInside, firstStart }) {
    const keygen = await findProgram(root, 'ssh-keygen');
    const isServer = (await findProgram(root, 'sshd')) !== undefined;
    const old = (await root.list('/etc/ssh')).filter((name) => HOST_KEY.test(name));
    for (const name of old) await root.remove(`/etc/ssh/${name}`);
    if (!isServer && old.length === 0) return 'no SSH server is installed';
    if (keygen === undefined) {
      throw new TdError(
        'not-found',
        'Cannot make new SSH host keys: ssh-keygen is not installed; the old are removed',
      );
    }
    try {
      await runInside('ssh-keygen', ['-A']);
    } catch {
      // Another processor's programs do not run here; they do there.
      firstStart.unshift(
        { name: 'make SSH host keys', command: [keygen, '-A'] },
        { name: 'start the SSH server', command: RESTART_SSHD },
      );
    }
    return undefined;
  },
};

const RESTART_SSHD = [
  '/bin/sh',
  '-c',
  'systemctl restart ssh.service || systemctl restart sshd.service || service ssh restart || service sshd restart',
];

/** Cleared whole, and by pattern in folders that hold other things too. */
const STALE_PATHS = [
  '/etc/udev/rules.d/70-persistent-net.rules',
  '/etc/udev/rules.d/70-persistent-cd.rules',
  '/var/lib/systemd/random-seed',
  '/var/lib/urandom/random-seed',
  '/var/lib/random-seed',
  '/var/lib/misc/random-seed',
  '/var/lib/NetworkManager/secret_key',
  '/var/lib/NetworkManager/seen-bssids',
  '/var/lib/NetworkManager/timestamps',
  '/etc/dhcpcd.duid',
];
const STALE_IN_FOLDERS: readonly [folder: string, name: RegExp][] = [
  ['/var/lib/dhcp', /lease/],
  ['/var/lib/dhcp3', /lease/],
  ['/var/lib/dhcp6', /lease/],
  ['/var/lib/dhclient', /lease/],
  ['/var/lib/dhcpcd', /./],
  ['/var/db/dhcpcd', /./],
  ['/var/lib/NetworkManager', /lease/],
  ['/var/lib/wicked', /lease|duid|iaid/],
  ['/var/lib/systemd/network', /./],
  ['/var/lib/cloud', /^(?:instance|instances|data|sem|seed\.done)$/],
];

/** A lease or a random seed of the master would be used by every target. */
export const staleStateEdit: Edit<LinuxSystem> = {
  text: "Clear the master's DHCP leases, card names, random seeds and cloud-init state",
  async apply({ root }) {
    const paths = [...STALE_PATHS];
    for (const [folder, pattern] of STALE_IN_FOLDERS) {
      const names = (await root.list(folder)).filter((name) => pattern.test(name));
      paths.push(...names.map((name) => `${folder}/${name}`));
    }
    for (const path of paths) await root.remove(path);
    return undefined;
  },
};

/** Otherwise cloud-init takes a deployed computer for a new instance and sets name and addresses again. */
export function cloudInitEdits(
  facts: LinuxFacts,
  sets: { hostname: boolean; network: boolean },
): Edit<LinuxSystem>[] {
  if (!facts.cloudInit || !(sets.hostname || sets.network)) return [];
  const text = [
    ...(sets.hostname ? ['preserve_hostname: true', 'manage_etc_hosts: false'] : []),
    ...(sets.network ? ['network: {config: disabled}'] : []),
  ];
  return [
    {
      text: 'Have cloud-init leave name and addresses as they are set here',
      async apply({ root }) {
        await root.write('/etc/cloud/cloud.cfg.d/99-totaldeploy.cfg', `${text.join('\n')}\n`);
        return undefined;
      },
    },
  ];
}
