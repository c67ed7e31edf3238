import type { AgentMessage } from '../control/messages.ts';
import type { Clock } from '../lib/clock.ts';
import type { TargetReport } from '../schema/job.ts';
import type { DeployRoster } from './deploy-roster.ts';
import type { DeployTarget } from './deploy-target.ts';
import type { NewEvent } from './store.ts';

type Heard<Type extends AgentMessage['type']> = Extract<AgentMessage, { type: Type }>;

/** What the multicast tells of a receiver that makes it slow, in words for the job's page. */
const SLOW_WORDS: Record<string, string> = {
  'receiver-demoted': 'too slow for the group, catches up afterwards',
  'receiver-over-tcp': 'multicast does not reach it, fetches over TCP',
  'receiver-silent': 'no report for some seconds',
};

export interface TargetAnswersOptions {
  clock: Clock;
  /** Of the image that is deployed. */
  root(): string;
  /** Why a computer may not be written to although it could; empty when it may. */
  objection(computerId: string): string;
  /** A target said yes in pre-flight. */
  onReady(target: DeployTarget): void;
}

const EDIT_LEVELS = { done: 'info', skipped: 'info', failed: 'error' } as const;

/** One event for each edit of the deployed system; their texts begin without the computer. */
export function editEvents({ edits = [] }: TargetReport): NewEvent[] {
  return edits.map(({ text, result, reason }) => ({
    level: EDIT_LEVELS[result],
    kind: `edit-${result}`,
    text: `${result === 'done' ? 'changed' : result}: ${text}${reason === '' ? '' : ` (${reason})`}`,
  }));
}

/** What targets say of a job, and what it means for where they stand. */
export class TargetAnswers {
  readonly #roster: DeployRoster;
  readonly #options: TargetAnswersOptions;

  constructor(roster: DeployRoster, options: TargetAnswersOptions) {
    this.#roster = roster;
    this.#options = options;
  }

  heard(target: DeployTarget, message: AgentMessage): void {
    if (target.phase === 'ended') return;
    if (target.isStopping && message.type !== 'preflight-result') return;
    if (message.type === 'preflight-result') this.#answered(target, message);
    else if (message.type === 'state') this.#stateChanged(target, message);
    else if (message.type === 'report') this.#reported(target, message);
    else if (message.type === 'progress') {
      if (message.doneBytes !== target.doneBytes) target.activeAtMs = this.#options.clock.nowMs();
      target.doneBytes = message.doneBytes;
      target.totalBytes = message.totalBytes;
      target.bytesPerSecond = message.bytesPerSecond;
    }
  }

  /** Takes what the multicast notes about one of its receivers. */
  noticed({ kind, receiverId, detail }: { kind: string; receiverId: number; detail: string }): void {
    const target = this.#roster.byReceiver(receiverId);
    if (target === undefined) return;
    const words = SLOW_WORDS[kind];
    target.slow = words === undefined ? '' : detail === '' ? words : `${words} (${detail})`;
    const text = detail === '' ? kind : `${kind}: ${detail}`;
    this.#roster.event(target, { kind: `multicast-${kind}`, text });
  }

  #answered(target: DeployTarget, answer: Heard<'preflight-result'>): void {
    if (target.phase !== 'asking') return;
    target.isStopping = false;
    target.disk = answer.disk;
    if (!answer.ok) {
      this.#roster.end(target, 'failed', answer.reason || 'it says it cannot, without a reason');
      return;
    }
    const objection = this.#options.objection(target.computerId);
    if (objection !== '') {
      this.#roster.end(target, 'failed', objection);
      return;
    }
    this.#roster.setPhase(target, 'ready');
    const text = `ready: ${answer.disk}${answer.reason === '' ? '' : `; ${answer.reason}`}`;
    this.#roster.event(target, { kind: 'preflight-ok', text });
    this.#options.onReady(target);
  }

  #stateChanged(target: DeployTarget, message: Heard<'state'>): void {
    const { step, detail } = message;
    target.activeAtMs = this.#options.clock.nowMs();
    if (step === 'failed') this.#roster.end(target, 'failed', detail || 'no reason was given');
    else if (step === 'cancelled') this.#roster.end(target, 'cancelled', detail);
    // Only a report that proves the image's root makes a target done.
    else this.#roster.setStep(target, step === 'done' ? target.step : step, detail);
  }

  #reported(target: DeployTarget, { report }: Heard<'report'>): void {
    target.report = report;
    for (const event of editEvents(report)) this.#roster.event(target, event);
    if (!report.ok) this.#roster.end(target, 'failed', report.error || 'no reason was given');
    else if (report.root !== this.#options.root()) {
      const reason = 'it reports another image than the one that was sent; deploy it again';
      this.#roster.end(target, 'failed', reason);
    } else this.#roster.end(target, 'done', '');
  }
}
