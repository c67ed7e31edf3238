import type { TargetReport } from '../schema/job.ts';
import type { DeployRequest } from './deploy-request.ts';
import type { DeployTarget } from './deploy-target.ts';
import type { JobState, TargetRecord } from './store.ts';

/** A target as screens, commands and `--json` show it. */
export interface TargetView {
  computerId: string;
  name: string;
  address: string;
  /** `lost contact` while the computer is away, else its step. */
  state: string;
  detail: string;
  /** Why it failed, was cancelled or is lost; else empty. */
  reason: string;
  /** Why it is slower than the others; empty while it keeps up. */
  slow: string;
  disk: string;
  doneBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  /** Of what it still receives; null while that is unknown. */
  leftSeconds: number | null;
  report: TargetReport | null;
}

/** A whole deployment at one moment. */
export interface DeploySnapshot {
  id: string;
  kind: 'deploy';
  image: string;
  state: JobState;
  error: string;
  /** Empty without one. */
  template: string;
  /** The job it tries again; else empty. */
  retryOf: string;
  /** ISO 8601, UTC. */
  startedAt: string;
  /** Until the last target has received everything; null while that is unknown. */
  leftSeconds: number | null;
  /** The template's settings in words. */
  settings: { label: string; value: string }[];
  /** Settings that this version does not apply. */
  notApplied: string[];
  /** Computers connected and wanted while the job waits. */
  connected: number;
  wanted: number;
  targets: TargetView[];
  /** Of the multicast, over all sessions of the job. */
  bytesPerSecond: number;
  sessions: readonly object[];
}

/** Puts together what a job knows of itself with what was asked for. */
export function deploySnapshot(
  request: DeployRequest,
  now: Omit<
    DeploySnapshot,
    'kind' | 'image' | 'template' | 'retryOf' | 'settings' | 'notApplied' | 'leftSeconds'
  >,
): DeploySnapshot {
  const { image, template, retryOf, settings, notApplied } = request;
  const leftSeconds = longestLeft(now.targets);
  return { kind: 'deploy', ...{ image, template, retryOf, settings, notApplied, leftSeconds }, ...now };
}

export function targetView(target: DeployTarget): TargetView {
  const { computerId, label, address, detail, reason, disk, doneBytes, totalBytes, report } = target;
  const isActive = target.phase === 'active';
  return {
    computerId,
    name: label,
    address,
    state: target.phase === 'lost' ? 'lost contact' : target.step,
    detail,
    reason,
    slow: isActive ? target.slow : '',
    disk,
    doneBytes,
    totalBytes,
    bytesPerSecond: isActive ? target.bytesPerSecond : 0,
    leftSeconds: isActive ? leftSeconds(target) : null,
    report: briefReport(report),
  };
}

/** Of many edits on many computers only those matter at every look that were not done. */
export function briefReport(report: TargetReport | null): TargetReport | null {
  if (report?.edits === undefined) return report;
  return { ...report, edits: report.edits.filter(({ result }) => result !== 'done') };
}

function longestLeft(targets: readonly TargetView[]): number | null {
  let longest: number | null = null;
  for (const { leftSeconds: left } of targets) if (left !== null) longest = Math.max(longest ?? 0, left);
  return longest;
}

function leftSeconds(target: DeployTarget): number | null {
  const { step, doneBytes, totalBytes, bytesPerSecond } = target;
  if (step !== 'receiving' || totalBytes === 0 || bytesPerSecond <= 0) return null;
  return Math.ceil((totalBytes - doneBytes) / bytesPerSecond);
}

export function targetRecord(target: DeployTarget): TargetRecord {
  const { computerId, reason, disk, report } = target;
  return { computerId, step: targetView(target).state, reason, disk, report };
}
