import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';
import type { ConsoleProcess } from './console-process.ts';
import { patientMs } from './patience.ts';

const POLL_MS = 500;

const computersSchema = z.array(
  z
    .object({ computerId: z.string(), role: z.string(), firmware: z.string(), macs: z.array(z.string()) })
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

/** Changes the one file of a PXE tree that differs from tree to tree, by hand: with values `export` would refuse. */
export async function editMenuSettings(pxeDir: string, settings: Record<string, string>): Promise<void> {
  const path = join(pxeDir, 'boot/grub/settings.cfg');
  let text = await readFile(path, 'utf8');
  for (const [name, value] of Object.entries(settings)) {
    const line = new RegExp(`^set ${name}=.*$`, 'm');
    if (!line.test(text)) throw new TdError('invalid', `"${path}" does not set ${name}`);
    text = text.replace(line, () => `set ${name}='${value}'`);
  }
  await writeFile(path, text);
}

/** Writes an ISO that starts the deploy agent at once; `args` are further ones of `export`. */
export async function exportAgentIso(
  console: ConsoleProcess,
  dest: string,
  args: readonly string[] = [],
): Promise<string> {
  await console.run(['export', 'agent-iso', dest, '--timeout', '0', ...args], { timeoutMs: 300_000 });
  return dest;
}

/** The computers connected to a console now. */
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
    const found = (await listComputers(console)).find((computer) => computer.macs.includes(mac));
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

/** What a computer said of itself when it connected, as the console's database keeps it. */
export function recordedMachine(console: ConsoleProcess, computerId: string): unknown {
  using database = new DatabaseSync(join(console.dataDir, 'console.db'), { readOnly: true });
  const row = database.prepare('SELECT machine FROM computers WHERE id = ?').get(computerId);
  if (row === undefined) throw new TdError('not-found', `The console never saw ${computerId}`);
  return JSON.parse(String(row.machine));
}
