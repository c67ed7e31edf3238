import { createInterface } from 'node:readline/promises';
import { monotonicClock } from '../../lib/clock.ts';
import { TdError } from '../../lib/errors.ts';
import { ProgressMeter } from '../../lib/progress.ts';
import { ProgressBar } from '../../lib/progress-bar.ts';

/** What the commands need of the terminal; tests bring their own. */
export interface ImageCommandContext {
  /** Results, to standard output. */
  out(text: string): void;
  /** Shows progress where there is a terminal. */
  progress(label: string, doneBytes: number, totalBytes: number): void;
  progressEnd(): void;
  /** Asks a person; undefined when nobody can answer. */
  ask: ((question: string) => Promise<string>) | undefined;
  signal: AbortSignal;
}

/** The context of a real terminal: progress and questions on standard error, results on standard output. */
export function terminalContext(signal: AbortSignal): ImageCommandContext {
  const { stdin, stdout, stderr } = process;
  const bar = new ProgressBar({
    write: (text) => stderr.write(text),
    nowMs: monotonicClock.nowMs,
    columns: stderr.columns ?? 80,
  });
  let meter: { label: string; meter: ProgressMeter } | undefined;
  return {
    out: (text) => stdout.write(text),
    progress: (label, doneBytes, totalBytes) => {
      if (!stderr.isTTY) return;
      if (meter?.label !== label) meter = { label, meter: new ProgressMeter(totalBytes, monotonicClock) };
      meter.meter.advance(doneBytes - meter.meter.doneBytes);
      bar.update(label, meter.meter.state());
    },
    progressEnd: () => bar.clear(),
    ask: stdin.isTTY && stderr.isTTY ? (question) => askOnTerminal(question, signal) : undefined,
    signal,
  };
}

async function askOnTerminal(question: string, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal });
  } catch (cause) {
    throw new TdError('cancelled', 'Cancelled; nothing was written', { cause });
  } finally {
    lines.close();
  }
}
