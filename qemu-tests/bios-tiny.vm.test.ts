import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportPxe } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { type DeployResult, deploy } from './driver/deploy-result.ts';
import type { Dnsmasq } from './driver/dnsmasq.ts';
import { Lab } from './driver/lab.ts';
import { expectCapture, expectConnected } from './driver/milestones.ts';
import type { VmDisk } from './driver/qemu-arguments.ts';
import type { Vm } from './driver/vm.ts';
import { compareDisks } from './masters/compare.ts';
import { emptyDisk, MIB, overlayOf, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';
import { type TinyFacts, tinyMaster } from './masters/tiny.ts';

const MASTER = { mac: '52:54:00:7d:01:01', address: '10.77.0.11' };
const TARGETS = [
  { name: 'target-1', mac: '52:54:00:7d:01:21', address: '10.77.0.21', sizeBytes: 384 * MIB, bus: 'virtio' },
  { name: 'target-2', mac: '52:54:00:7d:01:22', address: '10.77.0.22', sizeBytes: 640 * MIB, bus: 'nvme' },
] as const;

describe('MBR disk, BIOS network start, two targets in one session', () => {
  let lab: Lab;
  let master: Master<TinyFacts>;
  let console: ConsoleProcess;
  let pxe: Dnsmasq;
  let agentDir: string;
  let targets: { vm: Vm; disk: VmDisk }[] = [];
  let result: DeployResult & { exitCode: number };

  beforeAll(async () => {
    master = await tinyMaster();
    lab = await Lab.create({
      name: 'bios-tiny',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts bios-tiny',
      igmpSnooping: true,
      mtuBytes: 1500,
    });
    console = await lab.startConsole();
    const backup = {
      mode: 'backup',
      params: ['td.disk=first', 'td.to=console:tiny', 'td.after=shutdown'],
    } as const;
    const backupDir = await exportPxe(console, lab.path('backup'), backup);
    agentDir = await exportPxe(console, lab.path('agent'), { mode: 'agent' });
    pxe = await lab.startPxeServer([
      { ...MASTER, pxeDir: backupDir },
      ...TARGETS.map(({ mac, address }) => ({ mac, address, pxeDir: agentDir })),
    ]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('captures a master booted from the network to the console', () =>
    lab.step('capture', async () => {
      const disk = await overlayOf(master.path, lab.path('master.qcow2'));
      const vm = await lab.startVm({
        name: 'master',
        firmware: 'bios',
        disks: [{ path: disk, format: 'qcow2' }],
        nics: [{ mac: MASTER.mac }],
        boot: ['network'],
      });
      await expectCapture(vm, 300_000);
      const check = await console.program(['image', 'check', console.imagePath('tiny'), '--json']);
      expect(JSON.parse(check.stdout)).toMatchObject({ ok: true });
    }));

  it('connects two targets booted from the network', () =>
    lab.step('boot targets', async () => {
      // The master got everything by TFTP alone; with a web server beside it the payload comes faster.
      await lab.startHttpServer(agentDir);
      for (const { name, mac, sizeBytes, bus } of TARGETS) {
        const disk = {
          path: await emptyDisk(lab.path(`${name}.qcow2`), sizeBytes),
          format: 'qcow2',
          bus,
        } as const;
        const spec = { name, firmware: 'bios', disks: [disk], nics: [{ mac }], boot: ['network'] } as const;
        targets.push({ vm: await lab.startVm(spec), disk });
      }
      await Promise.all(targets.map(({ vm }) => expectConnected(vm, 'agent')));
      const files = (await pxe.sent()).map(({ path }) => path.split('/').slice(-2).join('/'));
      expect(files).toContain('boot/pxeboot.com');
    }));

  it('deploys to both and switches them off', () =>
    lab.step('deploy', async () => {
      result = await deploy(
        console,
        { image: 'tiny', waitFor: 2, after: 'shutdown' },
        { timeoutMs: 420_000 },
      );
      expect(result).toMatchObject({ exitCode: 0, state: 'done' });
      await Promise.all(targets.map(({ vm }) => vm.waitForEnd(60_000)));
      expect(result.targets).toHaveLength(2);
      for (const { report } of result.targets) {
        expect(report).toMatchObject({ ok: true, badDatagrams: 0 });
        expect(report!.multicastChunks).toBeGreaterThan(0);
      }
      expect(result.sessions).toHaveLength(1);
    }));

  it('gives both the same used blocks as the master', () =>
    lab.step('compare', async () => {
      for (const { vm, disk } of targets) {
        const raw = await rawCopyOf(disk.path, lab.path(`${vm.name}.raw`));
        const comparison = await compareDisks(master.path, raw);
        expect(comparison.problems, vm.name).toEqual([]);
        expect(comparison.partitions.map(({ filesystem, equal }) => ({ filesystem, equal }))).toEqual([
          { filesystem: 'ext4', equal: true },
          { filesystem: 'swap', equal: true },
        ]);
      }
    }));

  it('leaves disks that start by themselves', () =>
    lab.step('start from disk', async () => {
      const boots = targets.map(async ({ vm, disk }) => {
        const started = await lab.startVm({
          name: `${vm.name}-disk`,
          firmware: 'bios',
          disks: [disk],
          nics: [],
          boot: ['disk'],
        });
        const [line] = await started.expect(/BOOTED .*\n/, 120_000);
        expect(line).toContain(`sum=${master.facts.md5} swap=on`);
        await started.kill();
      });
      await Promise.all(boots);
      targets = [];
    }));
});
