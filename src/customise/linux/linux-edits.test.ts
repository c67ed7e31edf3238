import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import type { Customisation } from '../../schema/customisation.ts';
import { applyEdits } from '../edit.ts';
import { SystemRoot } from '../system-root.ts';
import { linuxEdits } from './linux-edits.ts';
import { detectLinux, type LinuxFacts } from './linux-facts.ts';
import type { LinuxSystem } from './linux-system.ts';
import { makeTree, NOTHING, TREES, type Tree } from './testdata/linux-trees.ts';

const SECRETS = ['Geheim: "$x" \'ü', 'second secret', 'join secret'];
const FILE = { path: 'setup.sh', bytes: 5, sha256: '0'.repeat(64) };

const ALL: Customisation = {
  ...NOTHING,
  computerName: 'pc-7',
  membership: {
    kind: 'domain',
    name: 'ad.example.org',
    user: 'LAB\\joiner@ad.example.org',
    password: SECRETS[2] as string,
    ou: 'OU=The Lab',
  },
  network: { kind: 'dhcp', dnsServers: [], dnsSuffix: 'lab.example.org' },
  users: [
    { name: 'anna', fullName: 'Anna: "A", $HOME', password: SECRETS[0] as string, group: 'administrators' },
    { name: '-bob b', fullName: '', password: SECRETS[1] as string, group: 'users' },
    { name: 'guest', fullName: '', password: '', group: 'power-users' },
    { name: 'daemon', fullName: '', password: 'x', group: 'users' },
  ],
  files: [
    {
      name: 'setup.sh',
      isFolder: false,
      entries: [FILE],
      destination: '',
      execute: true,
      arguments: '-a "b c" $HOME',
    },
    {
      name: 'docs',
      isFolder: true,
      entries: [{ ...FILE, path: 'a/b é.txt' }],
      destination: '/srv/in/',
      execute: false,
      arguments: '',
    },
    { name: 'x', isFolder: false, entries: [], destination: 'C:\\Temp', execute: false, arguments: '' },
  ],
  applications: [
    { path: '/usr/bin/dracut', arguments: '--version' },
    { path: '/usr/bin/none', arguments: '' },
  ],
  drivers: [{ name: 'iastor', isFolder: true, entries: [] }],
};

let dir = '';
let root: SystemRoot;
let calls: { line: string; input: string }[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-edits-'));
  root = new SystemRoot(dir);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function customise(tree: Tree, customisation: Customisation, missing: readonly string[] = []) {
  calls = [];
  await makeTree(dir, tree);
  const facts = (await detectLinux(root)) as LinuxFacts;
  const edits = linuxEdits(customisation, facts, { macs: ['52:54:00:12:34:56'], pciDevices: [] });
  const system: LinuxSystem = {
    root,
    facts,
    firstStart: [],
    openFile: async function* () {
      yield Buffer.from('bytes');
    },
    runInside: async (program, args, options = {}) => {
      if (missing.includes(program)) throw new TdError('tool-failed', `Cannot run "${program}"`);
      calls.push({ line: [program, ...args].join('|'), input: options.input ?? '' });
      return { code: 0, stdout: '', stderr: '' };
    },
  };
  const results = await applyEdits(edits, system);
  const notDone = results.filter(({ result }) => result !== 'done');
  return { results, notDone: notDone.map(({ text, result, reason }) => `${text} - ${result}: ${reason}`) };
}

/** Every file of the tree that holds the text. */
async function holding(text: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = names.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  const found: string[] = [];
  for (const path of paths) if ((await readFile(path)).includes(text)) found.push(path.slice(dir.length));
  return found;
}

describe('linuxEdits', () => {
  it('does everything that was asked for, tells what it could not, and shows no secret', async () => {
    const { results, notDone } = await customise(TREES.FEDORA, ALL);
    expect(notDone).toEqual([
      'Make or update the user "daemon" - failed: Cannot change the user "daemon": it is an account of the system itself',
      'Put "x" into C:\\Temp - failed: Cannot put "x" into "C:\\Temp": use a path that begins with /',
      'Run "/usr/bin/none" at the first start - failed: Cannot run "/usr/bin/none": the deployed system has no such file',
      'Add the disk driver "iastor" - skipped: a Linux kernel has its own drivers',
    ]);
    expect(calls.map(({ line }) => line)).toEqual([
      'dracut|--force|--regenerate-all|--no-hostonly',
      'ssh-keygen|-A',
      'usermod|-c|Anna "A" $HOME|--|anna',
      'chpasswd',
      'usermod|-a|-G|wheel|--|anna',
      'useradd|-m|-s|/bin/bash|-c||--|-bob b',
      'chpasswd',
      'useradd|-m|-s|/bin/bash|-c||--|guest',
      'setfiles|-F|/etc/selinux/targeted/contexts/files/file_contexts|/etc|/var/lib|/opt/totaldeploy/setup.sh|/srv/in/docs',
    ]);
    const inputs = calls.filter(({ line }) => line === 'chpasswd').map(({ input }) => input);
    expect(inputs).toEqual([`anna:${SECRETS[0]}\n`, `-bob b:${SECRETS[1]}\n`]);
    const shown = JSON.stringify([results, calls.map(({ line }) => line)]);
    for (const secret of SECRETS) expect(shown).not.toContain(secret);
  });

  it('leaves no password on the disk but the one that joins the domain, for root alone', async () => {
    await customise(TREES.FEDORA, ALL);
    expect(await holding(SECRETS[0] as string)).toEqual([]);
    expect(await holding(SECRETS[1] as string)).toEqual([]);
    expect(await holding(SECRETS[2] as string)).toEqual(['/var/lib/totaldeploy/first-start/secret-1']);
    const mode = async (path: string) => (await stat(join(dir, path))).mode & 0o777;
    expect(await mode('var/lib/totaldeploy/first-start')).toBe(0o700);
    expect(await mode('var/lib/totaldeploy/first-start/secret-1')).toBe(0o600);
  });

  it('leaves the first start its steps in order, enabled, and puts files where they belong', async () => {
    await customise(TREES.FEDORA, ALL);
    const script = await root.readText('/var/lib/totaldeploy/first-start/run');
    const steps = script.split('\n').filter((line) => line.startsWith('  step '));
    expect(steps).toEqual([
      `  step 1 'join the domain ad.example.org' 3 /var/lib/totaldeploy/first-start/secret-1 /usr/bin/realm join --unattended --user=joiner@AD.EXAMPLE.ORG '--computer-ou=OU=The Lab' -- ad.example.org`,
      `  step 2 'run /opt/totaldeploy/setup.sh' 1 /dev/null /opt/totaldeploy/setup.sh -a 'b c' '$HOME'`,
      "  step 3 'run /usr/bin/dracut' 1 /dev/null /usr/bin/dracut --version",
    ]);
    expect(
      await root.linkTarget('/etc/systemd/system/multi-user.target.wants/totaldeploy-firststart.service'),
    ).toBe('/etc/systemd/system/totaldeploy-firststart.service');
    expect((await stat(join(dir, 'opt/totaldeploy/setup.sh'))).mode & 0o777).toBe(0o755);
    expect(await root.readText('/srv/in/docs/a/b é.txt')).toBe('bytes');
  });

  it("gives the computer its own identity and clears the master's", async () => {
    await customise(TREES.DEBIAN, { ...NOTHING, computerName: 'pc-7' });
    expect(await root.readText('/etc/hostname')).toBe('pc-7\n');
    expect(await root.readText('/etc/machine-id')).toBe('');
    expect(await root.linkTarget('/var/lib/dbus/machine-id')).toBe('/etc/machine-id');
    expect(await root.list('/etc/ssh')).toEqual(['sshd_config']);
    expect(await root.list('/var/lib/dhcp')).toEqual([]);
    expect(await root.list('/etc/udev/rules.d')).toEqual([]);
    expect(await root.readText('/etc/initramfs-tools/conf.d/zz-totaldeploy')).toBe('MODULES=most\n');
    expect(calls[0]?.line).toBe('update-initramfs|-u|-k|all');
  });

  it('tells of disks by name, and has cloud-init keep name and addresses', async () => {
    const debian = await customise(TREES.DEBIAN, NOTHING);
    expect(debian.notDone.join('\n')).toContain(
      '/etc/fstab names /dev/sda1; /boot/grub/grub.cfg names /dev/sda1: a computer whose disk has another name',
    );
    await rm(dir, { recursive: true });
    const network = { kind: 'dhcp', dnsServers: [], dnsSuffix: '' } as const;
    const ubuntu = await customise(TREES.UBUNTU, {
      ...NOTHING,
      computerName: 'a',
      network: { ...network, dnsServers: [] },
    });
    expect(ubuntu.notDone).toEqual([
      'Prepare what is to be done at the first start - skipped: nothing is left to be done then',
    ]);
    expect(await root.readText('/etc/cloud/cloud.cfg.d/99-totaldeploy.cfg')).toBe(
      'preserve_hostname: true\nmanage_etc_hosts: false\nnetwork: {config: disabled}\n',
    );
    expect(await root.list('/var/lib/cloud')).toEqual(['scripts']);
    expect(calls.map(({ line }) => line)).not.toContain('update-initramfs|-u|-k|all');
  });

  it('makes host keys at the first start where the programs do not run here, by rc.local without systemd', async () => {
    await customise(TREES.CENTOS6, { ...NOTHING, computerName: 'pc-7' }, ['ssh-keygen']);
    const rcLocal = await root.readText('/etc/rc.d/rc.local');
    expect(rcLocal.split('\n').slice(1, 4)).toEqual([
      'touch /var/lock/subsys/local',
      '[ ! -f /var/lib/totaldeploy/first-start/run ] || /bin/sh /var/lib/totaldeploy/first-start/run </dev/null >/dev/null 2>&1 &',
      'exit 0',
    ]);
    expect(await root.readText('/var/lib/totaldeploy/first-start/run')).toContain(
      "step 1 'make SSH host keys' 1 /dev/null /usr/bin/ssh-keygen -A",
    );
    expect(await root.readText('/etc/sysconfig/network')).toContain('HOSTNAME=pc-7\n');
  });

  it('leaves a file alone that is too large to be read', async () => {
    const hosts = '0.0.0.0 ads.example\n'.repeat(900_000);
    const { notDone } = await customise(
      { ...TREES.ARCH, 'etc/hosts': hosts },
      { ...NOTHING, computerName: 'a' },
    );
    expect(notDone[0]).toMatch(/^Name the computer "a" - failed: .*larger than/);
    expect((await stat(join(dir, 'etc/hosts'))).size).toBe(hosts.length);
    expect(await root.readText('/etc/hostname')).toBe('master\n');
  });

  it("lets SUSE's administrators in, takes back a user without a password, and refuses two lines", async () => {
    const user = { name: 'eva', fullName: '', group: 'administrators' } as const;
    const withUser = (password: string) => ({ ...NOTHING, users: [{ ...user, password }] });
    await customise(TREES.OPENSUSE, withUser('secret'));
    expect(await root.readText('/etc/sudoers.d/totaldeploy')).toContain('%wheel ALL=(ALL) ALL\n');
    await rm(dir, { recursive: true });
    const failed = await customise(TREES.OPENSUSE, withUser('secret'), ['chpasswd']);
    expect(failed.notDone.join('\n')).toContain('failed: Cannot run "chpasswd"');
    expect(calls.at(-1)?.line).toBe('userdel|-r|--|eva');
    await rm(dir, { recursive: true });
    const injected = await customise(TREES.OPENSUSE, withUser('x\nroot:x'));
    expect(injected.notDone.join('\n')).toContain(
      'Cannot set the password of "eva": it has a control character',
    );
    expect(calls).toEqual([]);
  });
});
