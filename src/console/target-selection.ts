import { type ComputerRegistry, type ConnectedComputer, normalMac } from './computers.ts';
import type { DeployRequest } from './deploy-request.ts';

/** Waiting agents a request may take: all that are free, or those it names. */
export function candidates(
  registry: ComputerRegistry,
  targets: DeployRequest['targets'],
): ConnectedComputer[] {
  const free = registry.list().filter((one) => one.role === 'agent' && one.jobId === undefined);
  return targets === 'all' ? free : free.filter((one) => targets.some((name) => isNamed(one, name)));
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
  const missing = targets.filter((name) => !chosen.some((one) => isNamed(one, name)));
  return missing.map((name) => {
    const known = registry.find(name);
    const computerId = known?.computerId ?? `no-uuid/${normalMac(name)}`;
    if (known === undefined) return { computerId, why: 'it is not connected' };
    if (known.role !== 'agent') return { computerId, why: 'it runs the backup agent' };
    return { computerId, why: `it is busy with job ${known.jobId}` };
  });
}

function isNamed(computer: ConnectedComputer, name: string): boolean {
  const mac = normalMac(name);
  return computer.computerId === name || computer.machine.nics.some((nic) => nic.mac === mac);
}
