import { closeSync, constants, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isatty, ReadStream } from 'node:tty';

const LINE_CHARS_MAX = 1000;
/** Beyond this a slow or stopped serial line loses the oldest text instead of the memory. */
const QUEUED_TEXTS_MAX = 500;

export interface Terminal extends AsyncDisposable {
  path: string;
  /** A screen that can be drawn on, or a line that only takes text. */
  kind: 'screen' | 'lines';
  /** Queued; never blocks and never throws. */
  write(text: string): void;
  onLine(listener: (line: string) => void): () => void;
  /** Hands the keyboard to someone else until `resume`. */
  pause(): void;
  resume(): void;
}

/**
 * Opens a virtual terminal or a serial port for text in and out.
 *
 * @returns undefined when it is not there or has no hardware behind it.
 */
export async function openTerminal(path: string, kind: Terminal['kind']): Promise<Terminal | undefined> {
  let inputFd: number;
  try {
    inputFd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
  // A serial port that was never found opens, but is not a terminal.
  if (!isatty(inputFd)) {
    closeSync(inputFd);
    return undefined;
  }
  const output = await open(path, constants.O_WRONLY | constants.O_NOCTTY);
  return new DeviceTerminal({ path, kind, input: new ReadStream(inputFd), output });
}

class DeviceTerminal implements Terminal {
  readonly path: string;
  readonly kind: Terminal['kind'];
  readonly #input: ReadStream;
  readonly #output: FileHandle;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #queue: string[] = [];
  #writing: Promise<void> | undefined;
  #received = '';

  constructor(parts: { path: string; kind: Terminal['kind']; input: ReadStream; output: FileHandle }) {
    this.path = parts.path;
    this.kind = parts.kind;
    this.#input = parts.input;
    this.#output = parts.output;
    this.#input.setEncoding('latin1');
    this.#input.on('data', (text: string) => this.#receive(text));
    // A terminal that hangs up only loses its keyboard.
    this.#input.on('error', () => {});
  }

  write(text: string): void {
    if (this.#queue.length >= QUEUED_TEXTS_MAX) this.#queue.shift();
    this.#queue.push(text);
    this.#writing ??= this.#drain();
  }

  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#received = '';
    this.#input.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#input.destroy();
    await this.#writing;
    await this.#output.close();
  }

  /** One write at a time and on the thread pool: a stopped serial line must not stop the program. */
  async #drain(): Promise<void> {
    for (let text = this.#queue.shift(); text !== undefined; text = this.#queue.shift()) {
      const bytes = Buffer.from(text, 'latin1');
      for (let at = 0; at < bytes.length; ) {
        const written = await this.#output.write(bytes, at).then(
          (result) => result.bytesWritten,
          () => bytes.length,
        );
        at += Math.max(1, written);
      }
    }
    this.#writing = undefined;
  }

  #receive(text: string): void {
    this.#received = (this.#received + text).slice(-LINE_CHARS_MAX);
    for (let end = this.#received.search(/[\r\n]/); end >= 0; end = this.#received.search(/[\r\n]/)) {
      const line = this.#received.slice(0, end).trim();
      this.#received = this.#received.slice(end + 1);
      for (const listener of [...this.#listeners]) listener(line);
    }
  }
}
