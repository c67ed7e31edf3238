import type { ConsoleEvent } from '../store.ts';
import type { ReportStep } from './report.ts';

const LOST = 'lost contact';
const ENDS = ['done', 'failed', 'cancelled'];

/** What each computer did when, from the events of one job, oldest first; `endAt` closes what is still going on. */
export function stepsByComputer(events: readonly ConsoleEvent[], endAt: string): Map<string, ReportStep[]> {
  const steps = new Map<string, ReportStep[]>();
  const open = new Map<string, { step: string; at: string }>();
  const close = (computerId: string, at: string) => {
    const current = open.get(computerId);
    open.delete(computerId);
    if (current === undefined) return;
    const list = steps.get(computerId) ?? [];
    list.push({ step: current.step, startedAt: current.at, endedAt: at > current.at ? at : current.at });
    steps.set(computerId, list);
  };
  for (const event of events) {
    const step = stepOf(event);
    if (step === undefined || event.computerId === null) continue;
    close(event.computerId, event.at);
    if (!ENDS.includes(step)) open.set(event.computerId, { step, at: event.at });
  }
  for (const computerId of [...open.keys()]) close(computerId, endAt);
  return steps;
}

/** The step that begins with an event, or the end that it is; undefined when it is about something else. */
function stepOf({ kind, text, details }: ConsoleEvent): string | undefined {
  if (kind === 'target-step') return String((details as { step?: unknown }).step ?? text);
  if (kind === 'target-back' || kind === 'target-retry') return 'pre-flight';
  if (kind === 'target-lost' || kind === 'capture-lost') return LOST;
  if (kind === 'capture-started') return 'mapping';
  if (kind === 'capture-step') return text.split(' ').at(-1);
  const end = /^(?:target|capture)-(.+)$/.exec(kind)?.[1];
  return end !== undefined && ENDS.includes(end) ? end : undefined;
}
