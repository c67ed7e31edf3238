import { closeSync, constants, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isatty, ReadStream } from 'node:tty';
import { openTerminalStreams, type TerminalStreams } from './terminal-streams.ts';

const LINE_CHARS_MAX = 1000;
/** Beyond this a slow or stopped serial line loses the oldest text instead of the memory. */
const QUEUED_TEXTS_MAX = 500;

export interface Terminal extends AsyncDisposable {
  readonly path: string;
  /** A screen that can be drawn on, or a line that only takes text. */
  readonly kind: 'screen' | 'lines';
  /** Its name in terminfo. */
  readonly term: string;
  /** Queued; never blocks and never throws. */
  write(text: string): void;
  onLine(listener: (line: string) => void): () => void;
  /** Closes the device, so that a shell can have it, until `reclaim`. */
  release(): Promise<void>;
  reclaim(): Promise<void>;
  /** For full screens, while it is released; undefined when the device is gone. */
  openStreams(): Promise<TerminalStreams | undefined>;
}

/**
 * Opens a virtual terminal or a serial port for text in and out.
 *
 * @returns undefined when it is not there or has no hardware behind it.
 */
export async function openTerminal(path: string, kind: Terminal['kind']): Promise<Terminal | undefined> {
  const terminal = new DeviceTerminal(path, kind);
  return (await terminal.open()) ? terminal : undefined;
}

/** Serial ports cannot say what is at their other end; every terminal program there understands VT220. */
const TERMS: Record<Terminal['kind'], string> = { screen: 'linux', lines: 'vt220' };

class DeviceTerminal implements Terminal {
  readonly path: string;
  readonly kind: Terminal['kind'];
  readonly term: string;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #queue: string[] = [];
  #input: ReadStream | undefined;
  #output: FileHandle | undefined;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #received = '';

  constructor(path: string, kind: Terminal['kind']) {
    this.path = path;
    this.kind = kind;
    this.term = TERMS[kind];
  }

  async open(): Promise<boolean> {
    let inputFd: number;
    try {
      inputFd = openSync(this.path, constants.O_RDWR | constants.O_NOCTTY);
    } catch {
      return false;
    }
    // A serial port that was never found opens, but is not a terminal.
    if (!isatty(inputFd)) {
      closeSync(inputFd);
      return false;
    }
    this.#output = await open(this.path, constants.O_WRONLY | constants.O_NOCTTY);
    const input = new ReadStream(inputFd);
    input.setEncoding('latin1');
    input.on('data', (text: string) => this.#receive(text));
    // A terminal that hangs up only loses its keyboard.
    input.on('error', () => {});
    this.#input = input;
    this.#received = '';
    return true;
  }

  write(text: string): void {
    if (this.#queue.length >= QUEUED_TEXTS_MAX) this.#queue.shift();
    this.#queue.push(text);
    this.#startWriting();
  }

  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async release(): Promise<void> {
    this.#input?.destroy();
    this.#input = undefined;
    await this.#writing;
    const output = this.#output;
    this.#output = undefined;
    await output?.close();
  }

  async reclaim(): Promise<void> {
    if (await this.open()) this.#startWriting();
  }

  openStreams(): Promise<TerminalStreams | undefined> {
    return openTerminalStreams(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #startWriting(): void {
    if (this.#output === undefined || this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#drain(this.#output);
  }

  /** One write at a time and on the thread pool: a stopped serial line must not stop the program. */
  async #drain(output: FileHandle): Promise<void> {
    for (let text = this.#queue.shift(); text !== undefined; text = this.#queue.shift()) {
      const bytes = Buffer.from(text, 'latin1');
      for (let at = 0; at < bytes.length; ) {
        const written = await output.write(bytes, at).then(
          (result) => result.bytesWritten,
          () => bytes.length,
        );
        at += Math.max(1, written);
      }
    }
    this.#isWriting = false;
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
