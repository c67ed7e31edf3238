import { announced, type CustomiseOptions, type DeployedSystem } from './customise-system.ts';
import { CustomisedWindows } from './customise-windows.ts';
import { applyEdits } from './edit.ts';
import { insideOf, type RunInside } from './linux/chroot.ts';
import { linuxEdits } from './linux/linux-edits.ts';
import { detectLinux } from './linux/linux-facts.ts';
import type { LinuxSystem } from './linux/linux-system.ts';
import { SystemRoot } from './system-root.ts';

/**
 * Finds out what system is mounted and plans its edits; nothing is changed. Undefined when there is none.
 *
 * @throws TdError `refused` with the reason when it must stay as it is; `invalid` when it makes no sense.
 */
export async function openDeployedSystem(
  dir: string,
  options: CustomiseOptions,
): Promise<DeployedSystem | undefined> {
  return (await CustomisedWindows.open(dir, options)) ?? (await openLinux(dir, options));
}

async function openLinux(dir: string, options: CustomiseOptions): Promise<DeployedSystem | undefined> {
  const root = new SystemRoot(dir);
  const facts = await detectLinux(root);
  if (facts === undefined) return undefined;
  const { customisation, machine, openFile, signal, onEdit } = options;
  const edits = linuxEdits(customisation, facts, machine);
  const runInside = stoppable(insideOf(root), signal);
  const system: LinuxSystem = { root, facts, openFile, runInside, firstStart: [] };
  return {
    name: facts.name,
    plan: edits.map(({ text }) => text),
    written: root.written,
    apply: () => applyEdits(announced(edits, onEdit), system, signal === undefined ? {} : { signal }),
    afterUnmount: async () => [],
  };
}

function stoppable(runInside: RunInside, signal: AbortSignal | undefined): RunInside {
  if (signal === undefined) return runInside;
  return (program, args, options) => runInside(program, args, { signal, ...options });
}
