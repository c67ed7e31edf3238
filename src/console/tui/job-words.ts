import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import type { Tone } from '../../lib/tui/page.ts';
import type { JobSnapshot } from '../console-core.ts';
import type { DeploySnapshot } from '../deploy-view.ts';
import { isEnded, type JobState } from '../store.ts';

const STATE_TONES: Readonly<Record<string, Tone>> = {
  ...{ done: 'good', partial: 'warning', failed: 'bad', cancelled: 'warning', interrupted: 'bad' },
  ...{ 'lost contact': 'bad', waiting: 'muted', assigned: 'muted' },
};

const JOB_STATES: Partial<Record<JobState, string>> = {
  'pre-flight': 'checking computers',
  partial: 'partly done',
};

/** Colour of a job's or computer's state. */
export function stateTone(state: string): Tone {
  return STATE_TONES[state] ?? 'plain';
}

export function jobStateText(state: JobState): string {
  return JOB_STATES[state] ?? state;
}

/** `112 MB/s`, or nothing while nothing moves. */
export function rateText(bytesPerSecond: number): string {
  return bytesPerSecond > 0 ? `${formatBytes(bytesPerSecond)}/s` : '';
}

export function leftText(seconds: number | null): string {
  return seconds === null ? '' : formatSeconds(seconds);
}

export interface GroupState {
  done: number;
  failed: number;
  running: number;
  /** 0 to 1 over all targets that have not failed. */
  fraction: number;
}

export function groupState(job: DeploySnapshot): GroupState {
  let done = 0;
  let failed = 0;
  let share = 0;
  for (const { state, doneBytes, totalBytes } of job.targets) {
    if (state === 'done') done += 1;
    else if (state === 'failed' || state === 'cancelled') failed += 1;
    else share += totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
  }
  const counted = job.targets.length - failed;
  return {
    ...{ done, failed, running: counted - done },
    fraction: counted > 0 ? (share + done) / counted : 0,
  };
}

/** 0 to 1. */
export function jobFraction(job: JobSnapshot): number {
  if (job.kind === 'deploy') return groupState(job).fraction;
  return job.totalBytes > 0 ? Math.min(1, job.doneBytes / job.totalBytes) : 0;
}

export function jobLeftSeconds(job: JobSnapshot): number | null {
  if (isEnded(job.state)) return null;
  if (job.kind === 'deploy') return job.leftSeconds;
  const { totalBytes, doneBytes, bytesPerSecond } = job;
  return bytesPerSecond > 0 && totalBytes > 0 ? (totalBytes - doneBytes) / bytesPerSecond : null;
}

/** `Deploy office to 12 computers`. */
export function jobTitle(job: JobSnapshot): string {
  if (job.kind === 'capture') return `Back up ${job.name} to ${job.image}`;
  const count = job.targets.length;
  const what = job.template === '' ? job.image : `${job.template} (${job.image})`;
  if (job.state === 'waiting' && job.wanted > 0) {
    return `Deploy ${what}: ${job.connected} of ${job.wanted} computers are there`;
  }
  return `Deploy ${what} to ${count} computer${count === 1 ? '' : 's'}`;
}
