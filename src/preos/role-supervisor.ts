import { sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { MENU_HINT, type Screen } from '../lib/screen.ts';

export type RoleEnd = { kind: 'done' } | { kind: 'stopped' } | { kind: 'failed'; line: string };

const FIRST_WAIT_MS = 2000;
const WAIT_MS_MAX = 60_000;
const ATTEMPTS_MAX = 30;
/** What may be different a little later without anyone doing anything. */
const PASSING_CODES: readonly string[] = ['network', 'timeout'];

/**
 * Runs a role to its end; a passing failure is shown and tried again after a growing wait, any other
 * one ends it.
 */
export async function superviseRole(
  work: () => Promise<void>,
  options: {
    title: string;
    screen: Screen;
    logger: Logger;
    signal: AbortSignal;
    firstWaitMs?: number;
    /** Default 30; 1 leaves trying again to the person. */
    attemptsMax?: number;
  },
): Promise<RoleEnd> {
  const { title, screen, logger, signal, attemptsMax = ATTEMPTS_MAX } = options;
  let waitMs = options.firstWaitMs ?? FIRST_WAIT_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await work();
      return signal.aborted ? { kind: 'stopped' } : { kind: 'done' };
    } catch (error) {
      if (signal.aborted) return { kind: 'stopped' };
      const line = errorLine(error);
      logger.error({ error: line, attempt, stack: (error as Error | undefined)?.stack }, `${title} failed`);
      screen.milestone(`failed: ${line}`);
      const isPassing = error instanceof TdError && PASSING_CODES.includes(error.code);
      if (!isPassing || attempt >= attemptsMax) return { kind: 'failed', line };
      const seconds = Math.ceil(waitMs / 1000);
      screen.show({
        title,
        rows: [],
        activity: `Trying again in ${seconds} s`,
        problems: [line],
        hints: [MENU_HINT],
      });
      await sleep(waitMs, signal).catch(() => {});
      if (signal.aborted) return { kind: 'stopped' };
      waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
    }
  }
}
