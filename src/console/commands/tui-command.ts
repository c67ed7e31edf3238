import { TdError } from '../../lib/errors.ts';
import { silentLog } from '../../lib/log.ts';
import { consolePaths } from '../console-paths.ts';
import { rpcApi } from '../rpc-api.ts';
import { runConsoleTui } from '../tui/console-tui.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

/** `tui`: the screens of a console in another process. */
export async function runTuiCommand(flags: { data: string }, context: ConsoleCommandContext): Promise<void> {
  const { terminal, signal } = context;
  if (terminal === undefined) {
    throw new TdError(
      'usage',
      'Cannot show screens: input and output are no terminal; use the other commands',
    );
  }
  await using api = rpcApi(consolePaths(flags.data).socket);
  await runConsoleTui({ api, ...terminal, signal, logger: silentLog });
}
