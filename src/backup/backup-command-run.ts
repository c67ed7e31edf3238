import { monotonicClock } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { formatBytes, formatSeconds, type ProgressState } from '../lib/progress.ts';
import { ProgressBar } from '../lib/progress-bar.ts';
import type { Screen } from '../lib/screen.ts';
import { readSite } from '../preos/site-file.ts';
import type { Site } from '../schema/site.ts';
import { type BackupResult, runBackup } from './backup-role.ts';

const PARTITIONS_MAX = 256;

export interface BackupCommandContext {
  openLogger: () => Promise<Logger>;
  signal: AbortSignal;
  /** Results; default standard output. */
  out?: (text: string) => void;
  /** Progress and warnings; default standard error. */
  err?: (text: string) => void;
  /** Whether progress can be redrawn in place; default whether standard error is a terminal. */
  isTerminal?: boolean;
  /** Opens the wizard where there is no destination; undefined where there are no screens. */
  runWizard?: ((flags: BackupFlags, site: Site | undefined) => Promise<void>) | undefined;
}

export interface BackupFlags {
  disk?: string;
  partitions?: string;
  to?: string;
  name?: string;
  level?: string;
  comment?: string;
  console?: string;
  site?: string;
  force?: boolean;
  json?: boolean;
}

/** `backup`: takes the image and says what it took. */
export async function runBackupCommand(flags: BackupFlags, context: BackupCommandContext): Promise<void> {
  const out = context.out ?? ((text) => process.stdout.write(text));
  const err = context.err ?? ((text) => process.stderr.write(text));
  const isTerminal = context.isTerminal ?? process.stderr.isTTY === true;
  const bar = new ProgressBar({
    write: err,
    nowMs: monotonicClock.nowMs,
    columns: process.stderr.columns ?? 80,
  });
  const level = Number(flags.level);
  if (!Number.isInteger(level) || level < 1 || level > 19) {
    throw new TdError(
      'usage',
      `Cannot use compression level "${flags.level}": use a whole number from 1 to 19`,
    );
  }
  const site = flags.site === undefined ? undefined : await readSite(flags.site);
  if (flags.site !== undefined && site === undefined) {
    throw new TdError('not-found', `Cannot read "${flags.site}": there is no such site file`);
  }
  const { disk, to, name, comment, console: consoleAddress } = flags;
  if (to === undefined) {
    if (context.runWizard !== undefined && flags.json !== true) return context.runWizard(flags, site);
    throw new TdError(
      'usage',
      'Cannot back up without --to: use --to console:NAME or a path such as /mnt/NAME.sco',
    );
  }
  try {
    const result = await runBackup({
      ...(disk === undefined ? {} : { disk }),
      ...(name === undefined ? {} : { name }),
      ...(comment === undefined ? {} : { comment }),
      ...(consoleAddress === undefined ? {} : { console: consoleAddress }),
      ...(site === undefined ? {} : { site }),
      to,
      level,
      partitions: parsePartitions(flags.partitions ?? 'all'),
      force: flags.force === true,
      screen: warningScreen(err, bar),
      logger: await context.openLogger(),
      signal: context.signal,
      onProgress: (state: ProgressState) => {
        if (isTerminal) bar.update('Capturing', state);
      },
    });
    bar.clear();
    out(flags.json ? `${JSON.stringify(result)}\n` : describeResult(result));
  } finally {
    bar.clear();
  }
}

/**
 * Reads `all` or numbers and ranges such as `1,3-5`; empty means all.
 *
 * @throws TdError `usage`.
 */
export function parsePartitions(text: string): number[] {
  if (text === 'all') return [];
  const numbers = new Set<number>();
  for (const item of text.split(',')) {
    const match = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(item.trim());
    const from = Number(match?.[1] ?? 0);
    const to = Number(match?.[2] ?? from);
    if (match === null || from < 1 || to < from || to > PARTITIONS_MAX) {
      throw new TdError(
        'usage',
        `Cannot use the partitions "${text}": use all, or numbers and ranges such as 1,3-5`,
      );
    }
    for (let n = from; n <= to; n += 1) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}

/** On a terminal the bar says what happens; only what a person must know is printed beside it. */
function warningScreen(err: (text: string) => void, bar: ProgressBar): Screen {
  let told = 0;
  return {
    milestone: () => {},
    show: (view) => {
      for (const line of view.problems.slice(told)) {
        bar.clear();
        // The failure itself is printed where the program ends.
        if (view.hints.length === 0) err(`warning: ${line}\n`);
      }
      told = view.problems.length;
    },
  };
}

function describeResult(result: BackupResult): string {
  const seconds = Math.max(result.durationMs / 1000, 0.001);
  const lines = [
    `Image    ${result.where}`,
    `Name     ${result.name}`,
    `Used     ${formatBytes(result.usedBytes)}`,
    `Stored   ${formatBytes(result.fileBytes)}`,
    `Time     ${formatSeconds(seconds)} (${formatBytes(result.usedBytes / seconds)}/s)`,
    `Root     ${result.root}`,
    ...result.flaws.map((flaw) => `Flaw     ${flaw}`),
  ];
  return `${lines.join('\n')}\n`;
}
