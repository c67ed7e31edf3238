import type { Vm } from './vm.ts';

/** Power-on to the running program; software-emulated machines need up to a minute, loaded ones more. */
const BOOT_LIMIT_MS = 240_000;
const CONNECT_LIMIT_MS = 90_000;
/** A milestone that means the step will not come any more. */
const FAILED = /TOTALDEPLOY failed: .*\n/;

export interface BootTimes {
  /** Seconds from power-on to the program's first line. */
  programSeconds: number;
  /** Seconds from power-on to the console's welcome. */
  connectedSeconds: number;
}

/** Follows a machine from power-on until it is connected to its console. */
export async function expectConnected(vm: Vm, mode: 'agent' | 'backup'): Promise<BootTimes> {
  await vm.expect(new RegExp(`TOTALDEPLOY start \\S+ mode=${mode}`), BOOT_LIMIT_MS);
  const programSeconds = vm.upSeconds;
  await vm.expect(/TOTALDEPLOY connected to .*\n/, CONNECT_LIMIT_MS);
  return { programSeconds, connectedSeconds: vm.upSeconds };
}

/** Waits for the end of a capture or a deployment on the machine's own serial line. */
export async function expectDone(vm: Vm, limitMs: number): Promise<string> {
  const [line] = await vm.expect(/TOTALDEPLOY done (?!shutting|restarting).*\n/, limitMs, { failOn: FAILED });
  return line.trim();
}

export interface CaptureTimes extends BootTimes {
  /** Seconds the capture itself took, from the first state to the end. */
  captureSeconds: number;
  /** What the agent said at the end. */
  line: string;
}

/** Follows a machine that was booted to be captured, until it has switched itself off. */
export async function expectCapture(vm: Vm, limitMs: number): Promise<CaptureTimes> {
  const boot = await expectConnected(vm, 'backup');
  const startedMs = performance.now();
  const line = await expectDone(vm, limitMs);
  const captureSeconds = (performance.now() - startedMs) / 1000;
  await vm.waitForEnd(60_000);
  return { ...boot, captureSeconds, line };
}
