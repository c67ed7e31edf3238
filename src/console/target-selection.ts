import { type ComputerRegistry, type ConnectedComputer, normalMac } from './computers.ts';
import type { DeployRequest } from './deploy-request.ts';

/** Waiting agents a request may take: all that are free, or those it names. */
export function candidates(
  registry: ComputerRegistry,
  targets: DeployRequest['targets'],
): ConnectedComputer[] {
  const free = registry.list().filter((one) => one.role === 'agent' && one.jobId === undefined);
  if (targets === 'all') return free;
  const names = new Set(targets.map(normalMac));
  return free.filter((one) => isAmong(one, names));
}

/** How many computers a request waits for. */
export function wantedCount(request: Pick<DeployRequest, 'targets' | 'waitFor'>): number {
  return Array.isArray(request.targets) ? Math.max(request.targets.length, request.waitFor) : request.waitFor;
}

/** Computers a request names that are not among the chosen, with why. */
export function missingTargets(
  registry: ComputerRegistry,
  targets: DeployRequest['targets'],
  chosen: readonly ConnectedComputer[],
): { computerId: string; why: string }[] {
  if (targets === 'all') return [];
  const found = new Set(chosen.flatMap((one) => [one.computerId, ...one.machine.nics.map((nic) => nic.mac)]));
  const missing = targets.filter((name) => !found.has(normalMac(name)));
  return missing.map((name) => {
    const known = registry.find(name);
    const computerId = known?.computerId ?? (name.includes('/') ? name : `no-uuid/${normalMac(name)}`);
    if (known === undefined) return { computerId, why: 'it is not connected' };
    if (known.role !== 'agent') return { computerId, why: 'it runs the backup agent' };
    return { computerId, why: `it is busy with job ${known.jobId}` };
  });
}

function isAmong(computer: ConnectedComputer, names: ReadonlySet<string>): boolean {
  return names.has(computer.computerId) || computer.machine.nics.some((nic) => names.has(nic.mac));
}
