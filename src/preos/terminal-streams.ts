import { closeSync, constants, openSync } from 'node:fs';
import { isatty, ReadStream, WriteStream } from 'node:tty';
import { sleep } from '../lib/clock.ts';
import type { TuiInput, TuiOutput } from '../lib/tui/run-tui.ts';

/** A stopped terminal must not keep the program from leaving it. */
const FLUSH_MS = 1000;

/** A terminal as full screens use it: raw keys in, drawn text out. */
export interface TerminalStreams extends AsyncDisposable {
  readonly input: TuiInput;
  readonly output: TuiOutput;
}

/** @returns undefined when the device is no terminal any more. */
export async function openTerminalStreams(path: string): Promise<TerminalStreams | undefined> {
  const input = openedTerminal(path, (fd) => new ReadStream(fd));
  const output = openedTerminal(path, (fd) => new TerminalOutput(fd));
  if (input === undefined || output === undefined) return undefined;
  for (const stream of [input, output]) stream.on('error', () => {});
  return {
    input,
    output,
    async [Symbol.asyncDispose]() {
      input.destroy();
      await Promise.race([new Promise<void>((resolve) => output.end(() => resolve())), sleep(FLUSH_MS)]);
      output.destroy();
    },
  };
}

function openedTerminal<Stream>(path: string, open: (fd: number) => Stream): Stream | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  if (isatty(fd)) return open(fd);
  closeSync(fd);
  return undefined;
}

/** Asks for the size each time: a graphics driver that loads late changes it, and only standard output is told. */
class TerminalOutput extends WriteStream {
  override getWindowSize(): [number, number] {
    (this as unknown as { _refreshSize(): void })._refreshSize();
    return [this.columns, this.rows];
  }
}
