import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { reportSchema } from '../src/console/report/report.ts';
import { filesBelow, textsInFile } from './driver/byte-search.ts';
import { exportPxe } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { deploy } from './driver/deploy-result.ts';
import { Lab } from './driver/lab.ts';
import { expectConnected } from './driver/milestones.ts';
import type { VmDisk } from './driver/qemu-arguments.ts';
import { SshClient } from './driver/ssh.ts';
import type { Vm } from './driver/vm.ts';
import { type DebianFacts, debianMaster } from './masters/debian.ts';
import { emptyDisk, MIB, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';
import { fileInMaster } from './masters/master-files.ts';

const TARGETS = [
  { id: 'target-1', mac: '52:54:00:7d:07:21', address: '10.77.0.21' },
  { id: 'target-2', mac: '52:54:00:7d:07:22', address: '10.77.0.22' },
] as const;

/** Found wherever a password is, however it is quoted there. */
const TRACES = { admin: 'Zq7wKp3xV', user: 'Hm4tRb9sJ' };
const ADMIN = {
  name: 'labadmin',
  fullName: 'Änne O\'Admin "Lab"',
  password: `"${TRACES.admin}' $HOME \`id\` %d 100% \\n #ßÜ€`,
};
const USER = { name: 'pupil', password: `${TRACES.user} two  spaces $(reboot)` };
const NOTE = 'A file of the console: ÄÖÜ "quoted" $HOME\n';
/** Its end shows that the log has exit codes, and that what follows is done all the same. */
const SETUP = `#!/bin/sh
echo "setup by $(id -un) on $(hostname) in $(pwd): $# arguments, $1, $2"
exit 7
`;

const TEMPLATE = {
  ...{ version: 1, name: 'Room 12', image: 'debian', after: 'shutdown' },
  computerNames: { kind: 'pattern', pattern: 'LAB-{n:02}' },
  network: {
    ...{ kind: 'static', first: '10.77.0.81', last: '10.77.0.89', prefixLength: 24 },
    ...{ gateway: '10.77.0.1', dnsServers: ['10.77.0.1'], dnsSuffix: 'lab.example' },
  },
  users: [{ ...ADMIN, group: 'administrators' }, USER],
  sid: 'new',
  applications: [{ path: '/usr/bin/install', arguments: '-d -m 711 "/srv/by the master"' }],
};

/** The master's initramfs knows virtio disks; to make one in software emulation takes minutes. */
const INITRAMFS_KEPT = {
  text: expect.stringContaining('Make the initramfs anew'),
  result: 'skipped',
  reason: expect.stringMatching(/^it has those of this computer's disk: virtio_blk\b/),
};

const plannedSchema = z
  .object({ name: z.string(), address: z.object({ address: z.string() }).loose() })
  .loose();

interface Target {
  mac: string;
  vm: Vm;
  disk: VmDisk;
  name: string;
  address: string;
}

describe('a Debian that becomes two computers', () => {
  let lab: Lab;
  let master: Master<DebianFacts>;
  let console: ConsoleProcess;
  /** Holds the passwords as a person typed them, so it is no part of the lab, which is searched. */
  let typedDir: string;
  const targets: Target[] = [];
  const hostKeys: string[] = [];
  const machineIds: string[] = [];

  beforeAll(async () => {
    master = await debianMaster();
    typedDir = await mkdtemp(join(tmpdir(), 'td-typed-'));
    lab = await Lab.create({
      name: 'linux-custom',
      reproduce: 'npx vitest run --config qemu-tests/vitest.long.config.ts linux-custom',
    });
    console = await lab.startConsole();
    const agentDir = await exportPxe(console, lab.path('agent'), { mode: 'agent' });
    await lab.startHttpServer(agentDir);
    await lab.startPxeServer(TARGETS.map(({ mac, address }) => ({ mac, address, pxeDir: agentDir })));
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
    if (typedDir !== undefined) await rm(typedDir, { recursive: true, force: true });
  });

  it('connects two computers while the master is captured', () =>
    lab.step('capture', async () => {
      const boots = TARGETS.map(async ({ id, mac }) => {
        const disk = { path: await emptyDisk(lab.path(`${id}.qcow2`), 3200 * MIB), format: 'qcow2' } as const;
        const spec = {
          name: id,
          firmware: 'bios',
          disks: [disk],
          nics: [{ mac }],
          boot: ['network'],
        } as const;
        const vm = await lab.startVm(spec);
        await expectConnected(vm, 'agent');
        return { mac, vm, disk, name: '', address: '' };
      });
      const order = ['backup', '--disk', master.path, '--to', console.imagePath('debian'), '--level', '1'];
      const [, ...started] = await Promise.all([console.program(order, { timeoutMs: 300_000 }), ...boots]);
      targets.push(...started);
    }));

  it('takes a template with everything a Linux can be given', () =>
    lab.step('template', async () => {
      const files = { 'note.txt': NOTE, 'set up.sh': SETUP };
      for (const [name, text] of Object.entries(files)) await writeFile(lab.path(name), text);
      const template = {
        ...TEMPLATE,
        files: [
          { source: lab.path('note.txt'), destination: '/srv/from console' },
          { source: lab.path('set up.sh'), execute: true, arguments: 'one "two words"' },
        ],
      };
      await writeFile(join(typedDir, 'room.json'), JSON.stringify(template));
      await console.run(['template', 'import', join(typedDir, 'room.json')]);
      for (const target of targets) {
        const planned = plannedSchema.parse(
          await console.json(['template', 'show', TEMPLATE.name, '--for', target.mac]),
        );
        target.name = planned.name;
        target.address = planned.address.address;
      }
      expect(targets.map(({ name }) => name).sort()).toEqual(['LAB-01', 'LAB-02']);
      expect(targets.map(({ address }) => address).sort()).toEqual(['10.77.0.81', '10.77.0.82']);
    }));

  it('deploys by it and reports every change', () =>
    lab.step('deploy', async () => {
      const order = { template: TEMPLATE.name, waitFor: 2, after: 'shutdown' } as const;
      const result = await deploy(console, order, { timeoutMs: 800_000 });
      const words = result.targets.map(({ reason, report }) => `${reason} ${JSON.stringify(report?.edits)}`);
      expect(result, words.join('\n')).toMatchObject({ exitCode: 0, state: 'done' });
      const { computers } = reportSchema.parse(await console.json(['report', result.id]));
      for (const { mac, name, address } of targets) {
        const { edits } = computers.find(({ computerId }) => computerId.endsWith(`/${mac}`))!;
        const notDone = edits.filter((edit) => edit.result !== 'done');
        expect(notDone).toEqual([INITRAMFS_KEPT]);
        expect(edits.map((edit) => edit.text)).toEqual(
          expect.arrayContaining([
            `Name the computer "${name}.lab.example"`,
            `Give the card ${mac} ${address}/24, by ifupdown`,
            'Have the system make a new machine ID at its first start',
            'Make new SSH host keys',
            `Make or update the user "${ADMIN.name}" in group sudo`,
            `Make or update the user "${USER.name}"`,
            'Put "note.txt" into /srv/from console',
            'Put "set up.sh" into /opt/totaldeploy and run it at the first start',
            'Run "/usr/bin/install" at the first start',
            'Prepare what is to be done at the first start',
            expect.stringMatching(/^Read again what was written on .*Debian GNU\/Linux 12/),
          ]),
        );
      }
      await Promise.all(targets.map(({ vm }) => vm.waitForEnd(60_000)));
    }));

  it('makes computers that are what the template says, by their own words', () =>
    lab.step('start from disk', async () => {
      await Promise.all(targets.map(askStarted));
      const before = await fileInMaster(master.path, '/etc/ssh/ssh_host_ed25519_key.pub');
      hostKeys.push(before.split(' ')[1]!);
      machineIds.push((await fileInMaster(master.path, '/etc/machine-id')).trim());
      expect(new Set(hostKeys).size, hostKeys.join('\n')).toBe(3);
      expect(new Set(machineIds).size, machineIds.join('\n')).toBe(3);
    }));

  async function askStarted({ vm, disk, mac, name, address }: Target): Promise<void> {
    const started = await lab.startVm({
      ...{ name: `${vm.name}-disk`, firmware: 'bios', disks: [disk], nics: [{ mac }], boot: ['disk'] },
    });
    await started.expect(new RegExp(`${name} login: `), 300_000);
    const admin = new SshClient(lab.network, { ...ADMIN, address }, lab.dir);
    const said = await answers(admin);
    expect(said).toMatchObject({
      ...{ who: 'root', kernelName: name, hostname: name, fullName: `${name}.lab.example` },
      ...{ machineIdLines: '1', groups: `${ADMIN.name} sudo`, user: `${USER.name}`, first: 'no\nno' },
      account: expect.stringContaining(
        `:${ADMIN.fullName.replaceAll(/[:,=]/g, ' ')}:/home/${ADMIN.name}:/bin/bash`,
      ),
      ...{
        note: NOTE.trimEnd(),
        folder: '711 root /srv/by the master',
        resolver: expect.stringContaining('search lab.example'),
      },
    });
    expect(said.cards).toMatch(new RegExp(`inet ${address}/24 .*scope global`));
    expect(said.cards).not.toMatch(/dynamic|10\.77\.0\.2\d\//);
    expect(said.routes).toContain('default via 10.77.0.1');
    expect(said.log).toMatch(
      new RegExp(
        [
          'first start begins',
          `setup by root on ${name} in /opt/totaldeploy: 2 arguments, one, two words`,
          'run /opt/totaldeploy/set up\\.sh: ended with 7',
          'run /usr/bin/install: ended with 0',
          'first start is done$',
        ].join('[\\s\\S]*'),
      ),
    );
    const pupil = new SshClient(lab.network, { ...USER, address }, lab.dir);
    expect((await pupil.run(['id', '-nG'], { timeoutMs: 60_000 })).trim()).toBe(USER.name);
    const wrong = new SshClient(lab.network, { ...USER, password: 'wrong', address }, lab.dir);
    await expect(wrong.run(['id'], { timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'refused' });
    machineIds.push(said.machineId!);
    hostKeys.push((await readFile(admin.knownHostsPath, 'utf8')).trim().split(' ')[2]!);
    started.serial.sendLine('root');
    await started.expect(/# /, 60_000);
    started.serial.sendLine('poweroff');
    await started.waitForEnd(120_000);
  }

  // The packet capture has heads of 400 bytes, and nothing of ports 5003 and 5004: the image, and what agents are
  // told over TLS. It shows that nothing else says a password.
  it('leaves no password anywhere', () =>
    lab.step('search', async () => {
      for (const { vm, disk } of targets) {
        await rawCopyOf(disk.path, lab.path(`${vm.name}.raw`));
        await rm(disk.path);
      }
      const marks = { ...TRACES, disk: NOTE.trimEnd(), template: TEMPLATE.name };
      const found: Record<string, string[]> = {};
      for (const path of await filesBelow(lab.dir)) {
        for (const text of await textsInFile(path, Object.values(marks))) {
          found[text] = [...(found[text] ?? []), path.slice(lab.dir.length + 1)];
        }
      }
      expect(found[TRACES.admin] ?? [], 'the administrator').toEqual([]);
      expect(found[TRACES.user] ?? [], 'the user').toEqual([]);
      // It does find what is there.
      expect(found[NOTE.trimEnd()]).toEqual(
        expect.arrayContaining(['target-1.raw', 'target-2.raw', 'note.txt']),
      );
      expect(found[TEMPLATE.name]).toEqual(
        expect.arrayContaining([expect.stringMatching(/^console-data\//)]),
      );
      for (const name of ['network.pcap', 'console.log', 'target-1.serial.log', 'target-1-disk.serial.log']) {
        expect((await stat(lab.path(name))).size, name).toBeGreaterThan(0);
      }
    }));
});

const QUESTIONS = {
  who: 'id -un',
  kernelName: 'uname -n',
  hostname: 'hostname',
  fullName: 'hostname -f',
  cards: 'ip -o -4 address show scope global',
  routes: 'ip -4 route',
  resolver: 'cat /etc/resolv.conf',
  machineId: 'cat /etc/machine-id',
  machineIdLines: 'grep -cxE "[0-9a-f]{32}" /etc/machine-id',
  groups: `id -nG ${ADMIN.name}`,
  account: `getent passwd ${ADMIN.name}`,
  user: `id -nG ${USER.name}`,
  note: 'cat "/srv/from console/note.txt"',
  folder: 'stat -c "%a %U %n" "/srv/by the master"',
  first:
    'for path in /var/lib/totaldeploy /etc/systemd/system/totaldeploy-firststart.service; do [ -e $path ] && echo yes || echo no; done',
  log: 'cat /var/log/totaldeploy-firststart.log',
};

/** Asks all in one session, as root by sudo: each log-on costs an emulated machine seconds. */
async function answers(admin: SshClient): Promise<Record<string, string>> {
  const wait = 'while [ -e /etc/systemd/system/totaldeploy-firststart.service ]; do sleep 1; done';
  const asked = Object.entries(QUESTIONS).map(([key, command]) => `echo "@@${key}"; ${command}`);
  const script = [wait, ...asked].join('\n');
  const words = ['sudo', '-S', '-p', '', 'sh', '-c', script];
  const text = await admin.run(words, { input: `${ADMIN.password}\n`, timeoutMs: 180_000 });
  const parts = text.split(/^@@(\w+)\n/m).slice(1);
  return Object.fromEntries(
    parts.flatMap((part, i) => (i % 2 === 0 ? [[part, (parts[i + 1] ?? '').trimEnd()]] : [])),
  );
}
