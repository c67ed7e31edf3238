import { writeFile } from 'node:fs/promises';
import { errorLine } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Screen } from '../lib/screen.ts';
import { run } from '../lib/spawn.ts';

export type PowerAction = 'shutdown' | 'restart';

export interface Power {
  /** Flushes everything and ends this computer's run; does not come back where that works. */
  act(action: PowerAction): Promise<void>;
}

/** The screens' last line needs a moment to leave a serial port. */
const FAREWELL_MS = 300;

/** Power as the Pre-OS has it: no service manager, so the kernel is asked directly. */
export function preosPower(options: { screen: Screen; logger: Logger; runProgram?: typeof run }): Power {
  const { screen, logger, runProgram = run } = options;
  return {
    async act(action) {
      screen.milestone(action === 'shutdown' ? 'done shutting down' : 'done restarting');
      await runProgram('busybox', ['sync'], { timeoutMs: 300_000 }).catch((error) => {
        logger.warn({ error: errorLine(error) }, 'sync failed');
      });
      await new Promise((resolve) => setTimeout(resolve, FAREWELL_MS));
      const program = action === 'shutdown' ? 'poweroff' : 'reboot';
      try {
        await runProgram('busybox', [program, '-f'], { timeoutMs: 30_000 });
      } catch (error) {
        logger.error({ error: errorLine(error) }, `${program} failed`);
        // Documentation/admin-guide/sysrq.rst: o powers off, b restarts at once.
        await writeFile('/proc/sysrq-trigger', action === 'shutdown' ? 'o' : 'b');
      }
    },
  };
}
