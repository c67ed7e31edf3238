import type { ControlConnection } from '../control/control-connection.ts';
import type { TargetReport } from '../schema/job.ts';
import { computerLabel } from './computers.ts';
import type { TargetRecord } from './store.ts';

/**
 * Where a target stands for the job: not asked yet, asked in pre-flight, said yes, given its deployment, out of
 * contact, or at its end.
 */
export type TargetPhase = 'new' | 'asking' | 'ready' | 'active' | 'lost' | 'ended';

const TARGET_ENDS = ['done', 'failed', 'cancelled'] as const;

export type TargetEnd = (typeof TARGET_ENDS)[number];

/** How the reason of a target ends that was lost for too long. */
export const NOT_BACK = 'it did not come back';

/** One computer of a deployment; an entry in the job's map, changed by the job only. */
export interface DeployTarget {
  readonly computerId: string;
  readonly label: string;
  phase: TargetPhase;
  end: TargetEnd | undefined;
  /** Ended because it did not come back in time: it may still come back while the job runs. */
  endedByLoss: boolean;
  /** Tried again after the console stopped it: the last words of that try may still be on their way. */
  isStopping: boolean;
  connection: ControlConnection | undefined;
  address: string;
  /** A fresh number each time it is sent a deployment; 0 before. */
  receiverId: number;
  step: string;
  detail: string;
  reason: string;
  /** Why it is behind the others; empty while it keeps up. */
  slow: string;
  disk: string;
  doneBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  /** When something new was last heard, and when the phase began; milliseconds of the job's clock. */
  activeAtMs: number;
  phaseAtMs: number;
  report: TargetReport | null;
}

export function newTarget(computerId: string, nowMs: number): DeployTarget {
  return {
    computerId,
    label: computerLabel(computerId),
    phase: 'new',
    end: undefined,
    endedByLoss: false,
    isStopping: false,
    connection: undefined,
    address: '',
    receiverId: 0,
    step: 'assigned',
    detail: '',
    reason: '',
    slow: '',
    disk: '',
    doneBytes: 0,
    totalBytes: 0,
    bytesPerSecond: 0,
    activeAtMs: nowMs,
    phaseAtMs: nowMs,
    report: null,
  };
}

/** A target as a killed console stored it; one that had not ended is out of contact. */
export function restoredTarget(record: TargetRecord, nowMs: number): DeployTarget {
  const { computerId, step, reason, disk, report } = record;
  const target = { ...newTarget(computerId, nowMs), disk, report };
  const end = TARGET_ENDS.find((one) => one === step);
  if (end === undefined)
    return { ...target, phase: 'lost', reason: 'lost contact: the console was restarted' };
  return { ...target, phase: 'ended', end, step, reason, endedByLoss: reason.endsWith(NOT_BACK) };
}

/** How much of its disk is written, 0 to 1000. */
export function permilleDone(target: DeployTarget): number {
  if (target.end === 'done') return 1000;
  return target.totalBytes === 0
    ? 0
    : Math.min(1000, Math.round((target.doneBytes / target.totalBytes) * 1000));
}
