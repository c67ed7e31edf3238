import { formatBytes, formatSeconds } from '../../lib/progress.ts';
import type { ComputerView, JobSnapshot } from '../console-core.ts';
import type { ConsoleStatus } from '../console-status.ts';
import type { TargetView } from '../deploy-view.ts';
import { isEnded } from '../store.ts';

/** Ended jobs stay on the page for their reasons. */
const ENDED_JOBS_MAX = 3;
const TARGET_ENDS = ['done', 'failed', 'cancelled'];

/** One line of a job: a computer with its bar. */
export interface WebTarget {
  id: string;
  name: string;
  state: string;
  /** Reason, why it is slow, or what it is doing. */
  note: string;
  /** 0 to 1. */
  part: number;
  rate: string;
  left: string;
  ended: boolean;
}

/** Everything the page shows at one moment, in words: the page only draws. */
export interface WebState {
  console: string;
  computers: { id: string; name: string; address: string; model: string; state: string }[];
  jobs: {
    id: string;
    title: string;
    state: string;
    error: string;
    rate: string;
    left: string;
    part: number;
    done: string;
    ended: boolean;
    targets: WebTarget[];
  }[];
}

export function webState(
  status: ConsoleStatus,
  computers: readonly ComputerView[],
  jobs: readonly JobSnapshot[],
): WebState {
  const ended = jobs.filter((job) => isEnded(job.state)).slice(-ENDED_JOBS_MAX);
  const running = jobs.filter((job) => !isEnded(job.state));
  return {
    console: `${status.name} (${status.address})`,
    computers: computers.map(({ computerId: id, name, address, model, state }) => ({
      ...{ id, name, address, model, state },
    })),
    jobs: [...running.reverse(), ...ended.reverse()].map(jobState),
  };
}

function jobState(job: JobSnapshot): WebState['jobs'][number] {
  const targets = job.kind === 'deploy' ? job.targets.map(targetState) : [captureState(job)];
  const done = targets.filter((one) => one.state === 'done').length;
  const by = job.kind === 'deploy' && job.template !== '' ? ` by template "${job.template}"` : '';
  const waits = job.kind === 'deploy' && job.state === 'waiting';
  return {
    id: job.id,
    title: `${job.kind === 'deploy' ? 'Deployment' : 'Capture'} of "${job.image}"${by}`,
    state: job.state,
    error: job.error,
    rate: shownRate(job.bytesPerSecond),
    left: job.kind === 'deploy' ? shownLeft(job.leftSeconds) : '',
    part: targets.reduce((sum, one) => sum + one.part, 0) / Math.max(1, targets.length),
    done: waits
      ? `${job.connected} of ${job.wanted} computers are here`
      : `${done} of ${targets.length} done`,
    ended: isEnded(job.state),
    targets,
  };
}

function targetState(target: TargetView): WebTarget {
  const { computerId: id, name, state, reason, slow, detail } = target;
  return {
    ...{ id, name, state },
    note: reason || slow || detail,
    part: state === 'done' ? 1 : partOf(target),
    rate: shownRate(target.bytesPerSecond),
    left: shownLeft(target.leftSeconds),
    ended: TARGET_ENDS.includes(state),
  };
}

function captureState(job: Extract<JobSnapshot, { kind: 'capture' }>): WebTarget {
  return {
    ...{ id: job.computerId, name: job.name, state: job.step, note: job.detail, left: '' },
    part: job.state === 'done' ? 1 : partOf(job),
    rate: shownRate(job.bytesPerSecond),
    // A capture is cancelled as a whole.
    ended: true,
  };
}

function partOf({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): number {
  return totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
}

function shownRate(bytesPerSecond: number): string {
  return bytesPerSecond > 0 ? `${formatBytes(bytesPerSecond)}/s` : '';
}

function shownLeft(seconds: number | null): string {
  return seconds === null ? '' : `${formatSeconds(seconds)} left`;
}
