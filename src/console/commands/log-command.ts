import { sleep } from '../../lib/clock.ts';
import { consolePaths } from '../console-paths.ts';
import { logLine } from '../log-line.ts';
import { type ConsoleEvent, ConsoleStore } from '../store.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

const FOLLOW_INTERVAL_MS = 500;

export interface LogFlags {
  data: string;
  job?: string;
  computer?: string;
  level?: ConsoleEvent['level'];
  grep?: string;
  lines: number;
  follow?: true;
  json?: true;
}

/** `log`: events from the store; works without a running console too. */
export async function runLog(flags: LogFlags, context: ConsoleCommandContext): Promise<void> {
  using store = ConsoleStore.open(consolePaths(flags.data).database, { readOnly: true });
  const { job, computer, level, grep, lines, follow, json } = flags;
  const filter = {
    ...(job === undefined ? {} : { jobId: job }),
    ...(computer === undefined ? {} : { computer }),
    ...(level === undefined ? {} : { level }),
    ...(grep === undefined ? {} : { text: grep }),
  };
  let events = store.events({ ...filter, limit: lines });
  if (json === true && follow !== true) {
    context.out(`${JSON.stringify(events, null, 2)}\n`);
    return;
  }
  let afterId = 0;
  for (;;) {
    for (const event of events) context.out(`${json === true ? JSON.stringify(event) : logLine(event)}\n`);
    if (follow !== true || context.signal.aborted) return;
    afterId = events.at(-1)?.id ?? afterId;
    await sleep(FOLLOW_INTERVAL_MS, context.signal).catch(() => {});
    events = store.events({ ...filter, afterId });
  }
}
