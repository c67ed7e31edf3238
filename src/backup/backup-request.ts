import { checkImage } from '../image/check.ts';
import { monotonicClock } from '../lib/clock.ts';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { formatBytes, formatSeconds, ProgressMeter } from '../lib/progress.ts';
import type { Screen } from '../lib/screen.ts';
import type { BackupRequest } from '../preos/role.ts';
import type { Site } from '../schema/site.ts';
import { type BackupOptions, type BackupResult, runBackup } from './backup-role.ts';
import { BackupScreen } from './backup-screen.ts';

/**
 * Takes the image a person asked for, and reads it once more where that was wanted.
 *
 * @returns what the person reads at the end, a line each.
 * @throws TdError as `runBackup`; `damaged` when the stored image is not what was written.
 */
export async function runBackupRequest(
  request: BackupRequest,
  options: { site?: Site; screen: Screen; logger: Logger; signal: AbortSignal },
): Promise<string[]> {
  const { check, after: _, ...wanted } = request;
  const result = await runBackup({ ...(wanted satisfies Partial<BackupOptions>), ...options });
  const isFile = request.to.startsWith('/');
  if (isFile && check === true) await checkStored(result, options);
  return describeBackup(result, isFile ? (check === true ? 'checked' : 'not checked') : 'at console');
}

async function checkStored(
  result: BackupResult,
  { screen, signal }: { screen: Screen; signal: AbortSignal },
): Promise<void> {
  const view = new BackupScreen(screen);
  view.row('Image', result.where);
  view.step('checking', 'Checking what was written');
  const meter = new ProgressMeter(0, monotonicClock);
  const checked = await checkImage(result.where, {
    signal,
    onProgress: (doneBytes, totalBytes) => {
      meter.totalBytes = totalBytes;
      meter.advance(doneBytes - meter.doneBytes);
      view.progress(meter.state());
    },
  });
  if (checked.ok) return;
  const [damage] = checked.damaged;
  const why = damage === undefined ? checked.problems[0] : `block ${damage.chunk}: ${damage.reason}`;
  throw new TdError(
    'damaged',
    `The image "${result.where}" was stored and cannot be read back (${why ?? 'damaged'}); check the disk or share, delete it and back up again`,
  );
}

/** What was stored, in lines for people. */
export function describeBackup(
  result: BackupResult,
  check: 'checked' | 'not checked' | 'at console',
): string[] {
  const seconds = Math.max(result.durationMs / 1000, 0.001);
  const words = {
    checked: 'every block was read back and is right',
    'not checked': 'not read back',
    'at console': 'verified by the console while it arrived',
  };
  return [
    `Image    ${result.name}`,
    `Stored   ${result.where}, ${formatBytes(result.fileBytes)} for ${formatBytes(result.usedBytes)} in use`,
    `Time     ${formatSeconds(seconds)} (${formatBytes(result.usedBytes / seconds)}/s)`,
    `Check    ${words[check]}`,
    ...result.flaws.map((flaw) => `Flaw     ${flaw}`),
  ];
}
