import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { formatSeconds } from '../lib/progress.ts';
import type { Screen, ScreenView } from '../lib/screen.ts';
import type { Power } from '../preos/power.ts';
import { readSite } from '../preos/site-file.ts';
import { runAgent } from './agent-role.ts';

export interface AgentCommandContext {
  openLogger: () => Promise<Logger>;
  signal: AbortSignal;
  /** Writes to the person; default standard output. */
  out?: (line: string) => void;
}

export interface AgentFlags {
  console?: string;
  site?: string;
  disk?: string;
  diskFile?: string;
  interface?: string;
  verify?: boolean;
  once?: boolean;
}

/** `agent`: waits for a deployment until Ctrl-C, or for one with `--once`. */
export async function runAgentCommand(flags: AgentFlags, context: AgentCommandContext): Promise<void> {
  const { site: sitePath, disk, console, ...others } = flags;
  const site = sitePath === undefined ? undefined : await readSite(sitePath);
  if (sitePath !== undefined && site === undefined) {
    throw new TdError('not-found', `Cannot read "${sitePath}": there is no such site file`);
  }
  const logger = await context.openLogger();
  const out = context.out ?? ((line: string) => process.stdout.write(`${line}\n`));
  await runAgent({
    ...others,
    ...(console === undefined ? {} : { console }),
    ...(disk === undefined ? {} : { diskRule: disk }),
    ...(site === undefined ? {} : { site }),
    screen: lineScreen(out),
    logger,
    signal: context.signal,
    power: noPower(logger),
  });
}

/** Says what changed, one line each; not more often than a person reads. */
function lineScreen(out: (line: string) => void): Screen {
  const shownEveryMs = 2000;
  let shownAtMs = Number.NEGATIVE_INFINITY;
  const startedMs = performance.now();
  return {
    milestone: (text) => out(`${formatSeconds((performance.now() - startedMs) / 1000)} ${text}`),
    show: (view: ScreenView) => {
      if (view.fraction === undefined || view.fraction >= 1) return;
      if (performance.now() - shownAtMs < shownEveryMs) return;
      shownAtMs = performance.now();
      out(`${view.activity}: ${Math.floor(view.fraction * 100)} %  ${view.rate ?? ''}`.trimEnd());
    },
  };
}

/** On a computer that does other things too, nobody but its user switches it off. */
function noPower(logger: Logger): Power {
  return {
    act: async (action) => logger.info({ action }, 'power action left out: this is not the Pre-OS'),
  };
}
