import { z } from 'zod';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';
import type { ConsoleProcess } from './console-process.ts';
import { patientMs } from './patience.ts';

const POLL_MS = 500;

const computersSchema = z.array(
  z
    .object({
      id: z.string(),
      connected: z.boolean().optional(),
      machine: z
        .object({
          firmware: z.string(),
          secureBoot: z.boolean(),
          nics: z.array(z.object({ mac: z.string() }).loose()),
        })
        .loose(),
    })
    .loose(),
);

export type Computer = z.infer<typeof computersSchema>[number];

export interface PxeExport {
  mode: 'agent' | 'backup' | 'menu';
  /** Further boot parameters as `td.name=value`. */
  params?: readonly string[];
}

/** Writes a PXE tree that starts the given mode at once. */
export async function exportPxe(console: ConsoleProcess, dest: string, options: PxeExport): Promise<string> {
  const params = (options.params ?? []).flatMap((param) => ['--param', param]);
  await console.run(['export', 'pxe', dest, '--mode', options.mode, '--timeout', '0', ...params]);
  return dest;
}

/** Writes an ISO that starts the deploy agent at once. */
export async function exportAgentIso(console: ConsoleProcess, dest: string): Promise<string> {
  await console.run(['export', 'agent-iso', dest, '--timeout', '0'], { timeoutMs: 300_000 });
  return dest;
}

/** The computers a console knows, with those that are connected marked. */
export async function listComputers(console: ConsoleProcess): Promise<Computer[]> {
  return computersSchema.parse(await console.json(['computers']));
}

/** Waits until the computer with a card of this address is connected. */
export async function waitForComputer(
  console: ConsoleProcess,
  mac: string,
  timeoutMs: number,
): Promise<Computer> {
  const endMs = performance.now() + patientMs(timeoutMs);
  for (;;) {
    const found = (await listComputers(console)).find(
      (computer) => computer.connected !== false && computer.machine.nics.some((nic) => nic.mac === mac),
    );
    if (found !== undefined) return found;
    if (performance.now() > endMs)
      throw new TdError('timeout', `${mac} is not connected after ${timeoutMs} ms`);
    await sleep(POLL_MS);
  }
}

/** The console's events as the `log` command prints them for people. */
export async function consoleLog(console: ConsoleProcess): Promise<string> {
  return (await console.run(['log'])).stdout;
}

/** Waits until the console's log has a line. */
export async function waitForLog(
  console: ConsoleProcess,
  pattern: RegExp,
  timeoutMs: number,
): Promise<string> {
  const endMs = performance.now() + patientMs(timeoutMs);
  for (;;) {
    const log = await consoleLog(console);
    const line = log.split('\n').find((text) => pattern.test(text));
    if (line !== undefined) return line;
    if (performance.now() > endMs) {
      throw new TdError('timeout', `The console's log has no ${pattern}: ${JSON.stringify(log.slice(-500))}`);
    }
    await sleep(POLL_MS);
  }
}
