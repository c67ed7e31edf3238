import type { ControlConnection } from '../control/control-connection.ts';
import type { TargetReport } from '../schema/job.ts';
import { computerLabel } from './computers.ts';

/**
 * Where a target stands for the job: not asked yet, asked in pre-flight, said yes, given its deployment, out of
 * contact, or at its end.
 */
export type TargetPhase = 'new' | 'asking' | 'ready' | 'active' | 'lost' | 'ended';

export type TargetEnd = 'done' | 'failed' | 'cancelled';

/** One computer of a deployment; an entry in the job's map, changed by the job only. */
export interface DeployTarget {
  readonly computerId: string;
  readonly label: string;
  phase: TargetPhase;
  end: TargetEnd | undefined;
  /** Ended because it did not come back in time: it may still come back while the job runs. */
  endedByLoss: boolean;
  connection: ControlConnection | undefined;
  address: string;
  /** A fresh number each time it is sent a deployment; 0 before. */
  receiverId: number;
  step: string;
  detail: string;
  reason: string;
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
    connection: undefined,
    address: '',
    receiverId: 0,
    step: 'assigned',
    detail: '',
    reason: '',
    disk: '',
    doneBytes: 0,
    totalBytes: 0,
    bytesPerSecond: 0,
    activeAtMs: nowMs,
    phaseAtMs: nowMs,
    report: null,
  };
}
