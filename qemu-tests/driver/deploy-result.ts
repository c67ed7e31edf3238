import { z } from 'zod';
import { targetReportSchema } from '../../src/schema/job.ts';
import type { ConsoleProcess } from './console-process.ts';

const count = z.number().int().min(0);

/** What `totaldeploy deploy --json` prints at the end, as far as tests look at it. */
export const deployResultSchema = z
  .object({
    id: z.string(),
    state: z.string(),
    error: z.string(),
    targets: z.array(
      z
        .object({
          computerId: z.string(),
          name: z.string(),
          state: z.string(),
          reason: z.string(),
          report: targetReportSchema.nullable(),
        })
        .loose(),
    ),
    sessions: z.array(
      z.object({ datagrams: count, repairDatagrams: count, bytes: count, durationMs: z.number() }).loose(),
    ),
  })
  .loose();

export type DeployResult = z.infer<typeof deployResultSchema>;
export type DeployedTarget = DeployResult['targets'][number];

export type DeployOrder = ({ image: string } | { template: string }) & {
  /** Starts when so many computers are connected. */
  waitFor: number;
  after: 'shutdown' | 'restart' | 'wait';
  /** MAC addresses; all that wait when missing. */
  targets?: readonly string[];
  /** Limits the multicast rate, for tests that need a middle. */
  rateMbit?: number;
  /** How long a lost computer may take to come back. */
  lostWaitSeconds?: number;
};

/** The arguments of the command that gives this order. */
export function deployArguments(order: DeployOrder): string[] {
  const what = 'image' in order ? ['--image', order.image] : ['--template', order.template];
  return [
    ...['deploy', ...what, '--wait-for', String(order.waitFor), '--after', order.after],
    ...['--targets', order.targets === undefined ? 'all' : order.targets.join(',')],
    ...(order.rateMbit === undefined ? [] : ['--rate', String(order.rateMbit)]),
    ...(order.lostWaitSeconds === undefined ? [] : ['--lost-wait', String(order.lostWaitSeconds)]),
  ];
}

/**
 * Deploys and waits for the end; a job that did not succeed wholly is a result like any other.
 *
 * @returns what the command printed, and its exit code.
 */
export async function deploy(
  console: ConsoleProcess,
  order: DeployOrder,
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<DeployResult & { exitCode: number }> {
  const okCodes = [0, 1, 3];
  const { code, stdout } = await console.run([...deployArguments(order), '--json'], { ...options, okCodes });
  return { ...deployResultSchema.parse(lastJson(stdout)), exitCode: code };
}

/** The last JSON document: one over several lines, or the last line of many. */
export function lastJson(text: string): unknown {
  const whole = text.trim();
  try {
    return JSON.parse(whole);
  } catch {
    return JSON.parse(whole.split('\n').at(-1) ?? '');
  }
}

/** The one target with this card. */
export function targetOf(result: DeployResult, mac: string): DeployedTarget {
  const found = result.targets.find((target) => target.computerId.endsWith(`/${mac}`));
  if (found === undefined) throw new Error(`${mac} is not in the result: ${JSON.stringify(result.targets)}`);
  return found;
}
