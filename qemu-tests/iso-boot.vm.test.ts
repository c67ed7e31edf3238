import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportAgentIso, recordedMachine, waitForComputer } from './driver/console-commands.ts';
import type { ConsoleProcess } from './driver/console-process.ts';
import { Lab } from './driver/lab.ts';
import { expectConnected } from './driver/milestones.ts';
import { ISO_PATH } from './driver/project-paths.ts';
import type { Vm } from './driver/vm.ts';

const BIOS_MAC = '52:54:00:7d:03:01';
const SECURE_MAC = '52:54:00:7d:03:02';
const STICK_MAC = '52:54:00:7d:03:03';

describe('boot media', () => {
  let lab: Lab;
  let console: ConsoleProcess;
  let agentIso: string;

  beforeAll(async () => {
    lab = await Lab.create({
      name: 'iso-boot',
      reproduce: 'npx vitest run --config qemu-tests/vitest.config.ts iso-boot',
    });
    console = await lab.startConsole();
    agentIso = await exportAgentIso(console, lab.path('agent.iso'));
    // Addresses only: these computers start from their media.
    await lab.startPxeServer([
      { mac: BIOS_MAC, address: '10.77.0.31' },
      { mac: SECURE_MAC, address: '10.77.0.32' },
      { mac: STICK_MAC, address: '10.77.0.33' },
    ]);
  });

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  it('start the agent from CD, on BIOS and on UEFI with Secure Boot enforced', () =>
    lab.step('CD', async () => {
      const medium = { path: agentIso, kind: 'cd' } as const;
      const start = (name: string, firmware: 'bios' | 'uefi-secureboot', mac: string) =>
        lab.startVm({ name, firmware, disks: [], nics: [{ mac }], medium, boot: ['medium'] });
      const bios = await start('bios-cd', 'bios', BIOS_MAC);
      const secure = await start('secure-cd', 'uefi-secureboot', SECURE_MAC);
      await Promise.all([expectConnected(bios, 'agent'), expectConnected(secure, 'agent')]);
      const [one, other] = await Promise.all([
        waitForComputer(console, BIOS_MAC, 30_000),
        waitForComputer(console, SECURE_MAC, 30_000),
      ]);
      expect(recordedMachine(console, one.computerId)).toMatchObject({ firmware: 'bios', secureBoot: false });
      expect(recordedMachine(console, other.computerId)).toMatchObject({
        firmware: 'uefi',
        secureBoot: true,
      });
      const text = await bios.expectScreen(/Deploy agent/i, 20_000);
      expect(text).toMatch(/TotalDeploy/);
      await useShell(bios);
      await Promise.all([bios.kill(), secure.kill()]);
    }));

  it('ask on the screen what to do when started from the plain ISO as USB stick', () =>
    lab.step('USB stick', async () => {
      const medium = { path: ISO_PATH, kind: 'usb' } as const;
      const spec = { name: 'bios-usb', firmware: 'bios', disks: [], nics: [{ mac: STICK_MAC }] } as const;
      const vm = await lab.startVm({ ...spec, medium, boot: ['medium'] });
      await vm.expect(/TOTALDEPLOY start \S+ mode=menu/, 240_000);
      await vm.expect(/What is this computer to do\?/, 60_000);
      const text = await vm.expectScreen(/What is this computer to do\?/, 30_000);
      expect(text).toMatch(/Back up this computer/);
      await vm.kill();
    }));
});

/** Opens the shell from the agent's menu on the serial line, works in it and comes back to the menu. */
async function useShell(vm: Vm): Promise<void> {
  const menu = async () => {
    vm.serial.sendLine('');
    const [, number] = await vm.expect(/\n(\d+) {2}Shell\r?\n[\s\S]*Number \(.*\): $/, 20_000);
    return number!;
  };
  vm.serial.sendLine(await menu());
  await vm.expect(/pre-os# $/, 30_000);
  vm.serial.sendLine('echo $((6 * 7))');
  await vm.expect(/\n42\r?\npre-os# $/, 20_000);
  vm.serial.sendLine('exit');
  await vm.expect(/Press Enter for the menu/, 20_000);
  await menu();
}
