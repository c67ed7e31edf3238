import { TdError } from '../../../lib/errors.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { plural } from '../../commands/text-table.ts';
import type { ConsoleApi, DeployParams, DeployPlan } from '../../console-api.ts';
import type { ComputerView } from '../../console-core.ts';
import { diskRuleWords } from './disk-rule-draft.ts';
import { DomainPasswordPage } from './domain-password-page.ts';

const NAMES_MAX = 12;

export interface StartRequest {
  params: DeployParams;
  image: string;
  diskRule: string;
  /** Names of the chosen computers by id; undefined for all that are connected. */
  chosen: ReadonlyMap<string, string> | undefined;
  waitFor: number;
  waitSeconds: number;
  joinLate: boolean;
  wake: boolean;
  /** Whose password is in no template. */
  asks: DeployPlan['asks'];
}

/**
 * Asks with the number of disks that are overwritten, then starts; the job's id, or undefined when it was not wanted.
 *
 * @throws TdError `refused` when there is no computer to deploy to; what `deploy` refuses.
 */
export async function startDeployment(
  host: AnyHost,
  options: { api: ConsoleApi; request: StartRequest },
): Promise<string | undefined> {
  const { api, request } = options;
  const { asks } = request;
  const domainPassword = asks === undefined ? '' : await host.open(new DomainPasswordPage(asks));
  if (domainPassword === undefined) return undefined;
  const params = { ...request.params, ...(domainPassword === '' ? {} : { domainPassword }) };
  for (;;) {
    const asked = startFacts(request, await api.call('computers', {}));
    if (asked.count === 0) {
      throw new TdError('refused', 'Cannot start: no target computer is connected and free; start one first');
    }
    const typed = asked.count > 1 ? { typed: String(asked.count) } : {};
    if (!(await host.confirm('Start the deployment', asked.text, typed))) return undefined;
    // A computer that connected meanwhile would be overwritten without anybody having been asked.
    const now = startFacts(request, await api.call('computers', {}));
    if (now.count <= asked.count) return (await api.call('deploy', params)).jobId;
    const more = plural(now.count - asked.count, 'computer');
    await host.message('More computers', `${more} more connected meanwhile; please confirm again.`);
  }
}

/** How many disks, and the words of the question. */
export function startFacts(
  request: StartRequest,
  computers: readonly ComputerView[],
): { count: number; text: string } {
  const { chosen, waitFor, joinLate } = request;
  const agents = computers.filter((one) => one.role === 'agent');
  const free = agents.filter((one) => one.jobId === null);
  const count = chosen?.size ?? Math.max(free.length, waitFor);
  const names = chosen === undefined ? free.map((one) => one.name) : [...chosen.values()];
  const disk = diskRuleWords(request.diskRule);
  const lines = [
    count === 1
      ? `This overwrites one disk, in ${names[0] ?? 'the computer that connects'}. Everything on it is lost.`
      : `This overwrites ${count} disks, one in each of ${count} computers. Everything on them is lost.`,
    '',
    `Master image: ${request.image}`,
    `Target disk:  ${disk}`,
    `Computers:    ${listed(names)}`,
  ];
  const missing = [...(chosen ?? [])].filter(([id]) => !agents.some((one) => one.computerId === id));
  const busy = agents.filter((one) => chosen?.has(one.computerId) === true && one.jobId !== null);
  const minutes = Math.round(request.waitSeconds / 6) / 10;
  if (missing.length > 0) {
    const gone = listed(missing.map(([, name]) => name));
    lines.push(
      '',
      `Not connected now: ${gone}. The deployment ${request.wake ? 'wakes them and waits' : 'waits for them'} up to ${minutes} min.`,
    );
  }
  if (busy.length > 0) lines.push('', `Busy with another job: ${listed(busy.map((one) => one.name))}.`);
  if (chosen === undefined && waitFor > free.length) {
    lines.push(
      '',
      `${free.length} of ${waitFor} are connected; it waits up to ${minutes} min for the others.`,
    );
  }
  if (chosen === undefined && joinLate) {
    lines.push('', 'Computers that connect while it runs are deployed, too.');
  }
  return { count, text: lines.join('\n') };
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none yet';
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
