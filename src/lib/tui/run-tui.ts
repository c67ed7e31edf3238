import type { ReadStream, WriteStream } from 'node:tty';
import type { Logger } from '../log.ts';
import type { HelpTexts, Page } from './page.ts';

export interface TuiOptions<Result> {
  input: ReadStream;
  output: WriteStream;
  /** Name in terminfo, as in the environment's TERM. */
  term: string;
  firstPage: Page<Result>;
  help: HelpTexts;
  /** Left in the title bar: program and console. */
  title: string;
  signal: AbortSignal;
  logger: Logger;
  /** Said when the program crashes. */
  logPath?: string;
}

/** Runs pages on a terminal until the first one closes, the signal aborts or the terminal hangs up. */
export async function runTui<Result>(_options: TuiOptions<Result>): Promise<Result | undefined> {
  throw new Error('not yet');
}
