import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorLine } from '../lib/errors.ts';
import { type Logger, openLog } from '../lib/log.ts';
import { type BootParams, parseBootParams, splitCommandLine } from '../schema/boot-params.ts';
import type { Site } from '../schema/site.ts';
import { readSite } from './site-file.ts';
import { teeLog } from './tee-log.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const VIRTUAL_TERMINAL = '/dev/tty1';
const FIRST_SERIAL = '/dev/ttyS0';
const SERIAL_MAX = 4;

export interface PreosStart {
  params: BootParams;
  site: Site | undefined;
  /** Why the site file cannot be used; roles that trust a console must not start then. */
  siteProblem: string | undefined;
  /** Everything to be shown before anything starts, one line each. */
  problems: string[];
  logger: Logger;
  commandLine: string;
}

/** Reads what this computer was told at boot; nothing here throws, all problems are lines. */
export async function readStart(options: {
  commandLinePath: string;
  sitePath: string;
  runDir: string;
}): Promise<PreosStart> {
  const problems: string[] = [];
  let commandLine = '';
  try {
    commandLine = await readFile(options.commandLinePath, 'utf8');
  } catch (error) {
    problems.push(`Cannot read the boot parameters: ${errorLine(error)}`);
  }
  const { params, problems: wrong } = parseBootParams(commandLine);
  problems.push(...wrong.map((problem) => problem.message));
  let site: Site | undefined;
  let siteProblem: string | undefined;
  try {
    site = await readSite(options.sitePath);
  } catch (error) {
    siteProblem = errorLine(error);
    problems.push(siteProblem);
  }
  const logger = await openLogs(params, { runDir: options.runDir, problems });
  for (const problem of problems) logger.warn({}, problem);
  return { params, site, siteProblem, problems, logger, commandLine };
}

async function openLogs(
  params: BootParams,
  { runDir, problems }: { runDir: string; problems: string[] },
): Promise<Logger> {
  const level = params.debug ? 'debug' : 'info';
  await mkdir(runDir, { recursive: true });
  const loggers = [openLog({ level, path: join(runDir, 'log') })];
  if (params.log !== undefined) {
    try {
      loggers.push(openLog({ level, path: params.log }));
    } catch (error) {
      problems.push(`Cannot write the log to "${params.log}": ${errorLine(error)}`);
    }
  }
  return teeLog(loggers);
}

/** The screen, the first serial port and every serial port the kernel talks to, where they exist. */
export async function openTerminals(commandLine: string): Promise<Terminal[]> {
  const serial = new Set([FIRST_SERIAL]);
  for (const word of splitCommandLine(commandLine)) {
    const device = word.name === 'console' ? (word.value ?? '').split(',')[0]! : '';
    if (/^(tty(S|AMA|USB)|hvc)[0-9]{1,3}$/.test(device)) serial.add(`/dev/${device}`);
  }
  const opened = await Promise.all([
    openTerminal(VIRTUAL_TERMINAL, 'screen'),
    ...[...serial].slice(0, SERIAL_MAX).map((path) => openTerminal(path, 'lines')),
  ]);
  return opened.filter((terminal) => terminal !== undefined);
}
