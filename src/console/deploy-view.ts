import type { TargetReport } from '../schema/job.ts';
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
  reason: string;
  disk: string;
  doneBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  report: TargetReport | null;
}

/** A whole deployment at one moment. */
export interface DeploySnapshot {
  id: string;
  kind: 'deploy';
  image: string;
  state: JobState;
  error: string;
  /** Computers connected and wanted while the job waits. */
  connected: number;
  wanted: number;
  targets: TargetView[];
  /** Of the multicast, over all sessions of the job. */
  bytesPerSecond: number;
  sessions: readonly object[];
}

export function targetView(target: DeployTarget): TargetView {
  const { computerId, label, address, detail, reason, disk, doneBytes, totalBytes, report } = target;
  return {
    computerId,
    name: label,
    address,
    state: target.phase === 'lost' ? 'lost contact' : target.step,
    detail,
    reason,
    disk,
    doneBytes,
    totalBytes,
    bytesPerSecond: target.phase === 'active' ? target.bytesPerSecond : 0,
    report,
  };
}

export function targetRecord(target: DeployTarget): TargetRecord {
  const { computerId, reason, disk, report } = target;
  return { computerId, step: targetView(target).state, reason, disk, report };
}
