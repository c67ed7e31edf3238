import { TdError } from '../../lib/errors.ts';
import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import type { DeployPlan } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import type { DeploySnapshot, TargetView } from '../deploy-view.ts';
import { connectConsole } from '../rpc-client.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { DeployProgress } from './deploy-progress.ts';
import { printable } from './image-info.ts';
import { plural, textTable } from './text-table.ts';
import { askedPassword } from './typed-password.ts';

const CANCEL_MS_MAX = 10_000;

export interface DeployFlags {
  data: string;
  /** Of a template, or of an image: see {@link ConsoleCalls}. */
  request: Record<string, unknown>;
  /** Holds the password of who joins computers to the domain. */
  passwordFile?: string;
  json?: true;
}

/**
 * `deploy`: starts a deployment and follows it to its end; Ctrl-C cancels it.
 *
 * @throws TdError `partial` when some computers failed; what the job failed with when all did.
 */
export async function runDeploy(flags: DeployFlags, context: ConsoleCommandContext): Promise<void> {
  await using client = await connectConsole(consolePaths(flags.data).socket);
  let { request } = flags;
  if (request.template !== undefined) {
    const { notApplied, warnings, asks } = (await client.call('plan', request)) as DeployPlan;
    for (const line of notApplied) context.note(`Not applied by this version: ${printable(line)}\n`);
    for (const line of warnings) context.note(`Warning: ${printable(line)}\n`);
    if (asks !== undefined || flags.passwordFile !== undefined) {
      const question = `Password of ${asks?.user ?? 'the administrator'} for ${asks?.domain ?? 'the domain'}`;
      const domainPassword = await askedPassword(question, { file: flags.passwordFile, context });
      request = { ...request, domainPassword };
    }
  }
  const { jobId } = (await client.call('deploy', request)) as { jobId: string };
  const progress = new DeployProgress(context);
  const cancel = () => {
    context.note('\nCancelling the deployment…\n');
    client.call('cancel', { jobId, reason: 'cancelled by Ctrl-C' }).catch(() => {});
    setTimeout(() => client.close(), CANCEL_MS_MAX).unref();
  };
  context.signal.addEventListener('abort', cancel, { once: true });
  let final: DeploySnapshot;
  try {
    const watching = client.call('watch', { jobId }, (event) => progress.show(event as DeploySnapshot));
    if (context.signal.aborted) cancel();
    final = (await watching) as DeploySnapshot;
  } catch (cause) {
    if (!(cause instanceof TdError) || cause.code !== 'network') throw cause;
    const lost = `Lost the console during job ${jobId}`;
    const what = context.signal.aborted
      ? 'it may not have been cancelled'
      : 'it went away; start it again and the job goes on';
    const message = `${lost}: ${what}; "totaldeploy log --job ${jobId}" tells how far it came`;
    throw new TdError('network', message, { cause });
  } finally {
    context.signal.removeEventListener('abort', cancel);
    progress.end();
  }
  context.out(flags.json === true ? `${JSON.stringify(final, null, 2)}\n` : report(final));
  throwUnlessDone(final);
}

function throwUnlessDone(final: DeploySnapshot): void {
  if (final.state === 'done') return;
  const said = `Job ${final.id} is ${final.state}: ${final.error}`;
  if (final.state === 'partial') throw new TdError('partial', said);
  throw new TdError(final.state === 'cancelled' ? 'cancelled' : 'refused', said);
}

/** The table at the end: one line a computer, then the multicast. */
function report(final: DeploySnapshot): string {
  const done = final.targets.filter((one) => one.state === 'done').length;
  const table = textTable(
    ['COMPUTER', 'STATE', 'WRITTEN', 'TIME', 'MULTICAST', 'TCP', 'LOST', 'DISK', 'REASON'],
    final.targets.map(targetRow),
  );
  const sent = final.sessions.map(sessionLine).filter((line) => line !== '');
  return [
    `Job ${final.id}: "${final.image}" ${final.state}, ${done} of ${plural(final.targets.length, 'computer')} done\n`,
    final.targets.length === 0 ? '' : table,
    ...sent,
  ].join('');
}

function targetRow(target: TargetView): string[] {
  const { report: told } = target;
  const counts =
    told === null
      ? ['-', '-', '-', '-', '-']
      : [
          formatBytes(told.writtenBytes),
          formatSeconds(told.durationMs / 1000),
          String(told.multicastChunks),
          String(told.tcpChunks),
          String(told.lostFragments),
        ];
  return [target.name, target.state, ...counts, target.disk || '-', target.reason];
}

function sessionLine(session: object): string {
  const { bytes, durationMs, datagrams, repairDatagrams } = session as Record<string, unknown>;
  if (typeof bytes !== 'number' || typeof durationMs !== 'number') return '';
  const rate = durationMs > 0 ? (bytes * 1000) / durationMs : 0;
  return `Multicast: ${formatBytes(bytes)} in ${formatSeconds(durationMs / 1000)}, ${formatBytes(rate)}/s, ${String(datagrams)} datagrams, ${String(repairDatagrams)} of them repairs\n`;
}
