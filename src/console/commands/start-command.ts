import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorLine, TdError } from '../../lib/errors.ts';
import { type Logger, openLog } from '../../lib/log.ts';
import type { ConsoleApi } from '../console-api.ts';
import { consolePorts } from '../console-ports.ts';
import { type ConsoleOptions, runConsole } from '../console-role.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';

/** A longer log becomes the old one when the console starts. */
const LOG_BYTES_MAX = 20_000_000;

export interface StartFlags {
  data: string;
  headless?: true;
  images?: string;
  interface?: string;
  name?: string;
  ports?: string;
  acceptUnknown?: true;
  debug?: true;
}

/** `console`: runs until Ctrl-C, or until its screens are left. */
export async function runStart(flags: StartFlags, context: ConsoleCommandContext): Promise<void> {
  const level = flags.debug === true ? 'debug' : 'info';
  if (flags.headless !== true && context.terminal !== undefined) {
    await startWithScreens(flags, { context, level });
    return;
  }
  await runConsole({
    ...consoleOptions(flags),
    logger: openLog({ level }),
    signal: context.signal,
    onReady: ({ name, address, ports, imagesDir }) =>
      context.out(
        `Console "${name}" is ready on ${address}, TCP ${ports.control} and ${ports.service}; images in ${imagesDir}\n`,
      ),
  });
}

function consoleOptions(flags: StartFlags): Omit<ConsoleOptions, 'logger' | 'signal'> {
  return {
    dataDir: flags.data,
    ...(flags.images === undefined ? {} : { imagesDir: flags.images }),
    ...(flags.interface === undefined ? {} : { interface: flags.interface }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.ports === undefined ? {} : { ports: consolePorts(flags.ports) }),
    acceptUnknown: flags.acceptUnknown === true,
  };
}

async function startWithScreens(
  flags: StartFlags,
  options: { context: ConsoleCommandContext; level: 'debug' | 'info' },
): Promise<void> {
  const { context, level } = options;
  const logPath = await prepareLog(flags.data);
  const logger = openLog({ level, path: logPath });
  // The console outlives its terminal: a lost connection must not end a deployment.
  process.on('SIGHUP', () => {});
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  let screens: Promise<void> | undefined;
  let problem: unknown;
  try {
    await runConsole({
      ...consoleOptions(flags),
      ...{ logger, signal },
      onReady: (_status, api) => {
        screens = showScreens(api, { context, signal, logger, logPath })
          .catch((error: unknown) => {
            problem = error;
            return true;
          })
          .then((hasLeft) => {
            if (hasLeft) stop.abort(new TdError('cancelled', 'The screens were left'));
          });
      },
    });
  } finally {
    stop.abort();
    await screens;
  }
  if (problem !== undefined) throw problem;
}

/** @returns whether the person left them. */
async function showScreens(
  api: ConsoleApi,
  options: { context: ConsoleCommandContext; signal: AbortSignal; logger: Logger; logPath: string },
): Promise<boolean> {
  const { context, ...rest } = options;
  const { terminal } = context;
  if (terminal === undefined) return false;
  // The screens take a while to load and are not needed by any other command.
  const { runConsoleTui } = await import('../tui/console-tui.ts');
  const leaveText = 'Stop this console? Computers lose it, and running jobs are cancelled.';
  return runConsoleTui({ api, ...terminal, ...rest, leaveText });
}

/** Nothing but the screens may be written to the terminal. */
async function prepareLog(dataDir: string): Promise<string> {
  const path = join(dataDir, 'console.log');
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.size > LOG_BYTES_MAX) await rename(path, `${path}.old`);
  } catch (cause) {
    throw new TdError('io', `Cannot use the data directory "${dataDir}": ${errorLine(cause)}`, { cause });
  }
  return path;
}
