import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportPxe, waitForComputer } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { deploy } from './driver/deploy-result.ts';
import { Lab } from './driver/lab.ts';
import { expectCapture, expectConnected } from './driver/milestones.ts';
import type { VmDisk } from './driver/qemu-arguments.ts';
import type { Vm } from './driver/vm.ts';
import { compareDisks } from './masters/compare.ts';
import { type DebianFacts, debianMaster } from './masters/debian.ts';
import { emptyDisk, MIB, overlayOf, rawCopyOf } from './masters/disk-file.ts';
import type { Master } from './masters/master-cache.ts';

const MASTER = { mac: '52:54:00:7d:02:01', address: '10.77.0.11' };
/** Both bigger than the master: the backup partition table must move to the true end. */
const TARGETS = [
  { name: 'target-1', mac: '52:54:00:7d:02:21', address: '10.77.0.21', sizeBytes: 4096 * MIB },
  { name: 'target-2', mac: '52:54:00:7d:02:22', address: '10.77.0.22', sizeBytes: 3300 * MIB },
] as const;

describe('GPT disk with Debian, UEFI network start, two targets in one session', () => {
  let lab: Lab;
  let master: Master<DebianFacts>;
  let console: ConsoleProcess;
  const targets: { vm: Vm; disk: VmDisk }[] = [];

  beforeAll(async () => {
    master = await debianMaster();
    lab = await Lab.create({
      name: 'uefi-debian',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts uefi-debian',
    });
    console = await lab.startConsole();
    const backup = {
      mode: 'backup',
      params: ['td.disk=only', 'td.to=console:debian', 'td.after=shutdown', 'td.level=1'],
    } as const;
    const backupDir = await exportPxe(console, lab.path('backup'), backup);
    const agentDir = await exportPxe(console, lab.path('agent'), { mode: 'agent' });
    await lab.startHttpServer(agentDir);
    await lab.startPxeServer([
      { ...MASTER, pxeDir: backupDir },
      ...TARGETS.map(({ mac, address }) => ({ mac, address, pxeDir: agentDir })),
    ]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('captures the server', () =>
    lab.step('capture', async () => {
      const disk = await overlayOf(master.path, lab.path('master.qcow2'));
      const vm = await lab.startVm({
        name: 'master',
        firmware: 'uefi',
        disks: [{ path: disk, format: 'qcow2' }],
        nics: [{ mac: MASTER.mac }],
        boot: ['network'],
      });
      await expectCapture(vm, 600_000);
    }));

  it('deploys it to two bigger disks and switches the computers off', () =>
    lab.step('deploy', async () => {
      for (const { name, mac, sizeBytes } of TARGETS) {
        const disk = {
          path: await emptyDisk(lab.path(`${name}.qcow2`), sizeBytes),
          format: 'qcow2',
        } as const;
        const spec = { name, firmware: 'uefi', disks: [disk], nics: [{ mac }], boot: ['network'] } as const;
        targets.push({ vm: await lab.startVm(spec), disk });
      }
      await Promise.all(targets.map(({ vm }) => expectConnected(vm, 'agent')));
      const computer = await waitForComputer(console, TARGETS[0].mac, 30_000);
      expect(computer.firmware).toBe('uefi');
      const order = { image: 'debian', waitFor: 2, after: 'shutdown' } as const;
      const result = await deploy(console, order, { timeoutMs: 800_000 });
      expect(result).toMatchObject({ exitCode: 0, state: 'done' });
      expect(result.targets.map((target) => target.report?.ok)).toEqual([true, true]);
      expect(result.sessions).toHaveLength(1);
      await Promise.all(targets.map(({ vm }) => vm.waitForEnd(60_000)));
    }));

  it('gives both the same used blocks as the master and a whole partition table', () =>
    lab.step('compare', async () => {
      for (const { vm, disk } of targets) {
        const comparison = await compareDisks(
          master.path,
          await rawCopyOf(disk.path, lab.path(`${vm.name}.raw`)),
        );
        expect(comparison.problems, vm.name).toEqual([]);
        expect(comparison.partitions.map(({ filesystem, equal }) => ({ filesystem, equal }))).toEqual([
          { filesystem: 'none', equal: true },
          { filesystem: 'vfat', equal: true },
          { filesystem: 'ext4', equal: true },
        ]);
      }
    }));

  it('leaves disks that start to a login prompt, on fresh UEFI variables', () =>
    lab.step('start from disk', async () => {
      const boots = targets.map(async ({ vm, disk }) => {
        const name = `${vm.name}-disk`;
        const started = await lab.startVm({
          name,
          firmware: 'uefi',
          disks: [disk],
          nics: [],
          boot: ['disk'],
        });
        await started.expect(/master login: /, 300_000);
        await started.kill();
      });
      await Promise.all(boots);
    }));
});
