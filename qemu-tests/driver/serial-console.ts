import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { sleep } from '../../src/lib/clock.ts';
import { TdError } from '../../src/lib/errors.ts';

const POLL_MS = 20;
const TAIL_CHARS = 600;

/** The serial line of one machine: everything it ever said, and a place up to which tests have read. */
export class SerialConsole {
  readonly #socket: Socket;
  readonly #name: string;
  readonly #cleaner = new ControlStripper();
  #text = '';
  #readOffset = 0;

  private constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += this.#cleaner.push(text);
    });
    socket.on('error', () => {}); // the machine's end is seen on the process
  }

  static async connect(name: string, path: string): Promise<SerialConsole> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new SerialConsole(name, socket);
  }

  /** Everything said since power-on, without the control sequences terminals use. */
  get text(): string {
    return this.#text;
  }

  /** What came since the last match. */
  get unread(): string {
    return this.#text.slice(this.#readOffset);
  }

  /**
   * Waits for text after the last match and moves on behind it.
   *
   * @throws TdError `timeout`, or `network` when `hasEnded` says the machine is gone; with the last words.
   */
  async expect(
    pattern: RegExp,
    timeoutMs: number,
    options: { hasEnded?: () => boolean; failOn?: RegExp } = {},
  ): Promise<RegExpMatchArray> {
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      const ended = options.hasEnded?.() ?? false;
      const unread = this.#text.slice(this.#readOffset);
      const match = unread.match(pattern);
      if (match !== null) {
        this.#readOffset += match.index! + match[0].length;
        return match;
      }
      const words = () => JSON.stringify(unread.slice(-TAIL_CHARS));
      const bad = options.failOn === undefined ? null : unread.match(options.failOn);
      if (bad !== null) {
        throw new TdError('tool-failed', `${this.#name} said ${JSON.stringify(bad[0])} before ${pattern}`);
      }
      if (ended) throw new TdError('network', `${this.#name} ended before ${pattern}: ${words()}`);
      if (performance.now() > endMs) {
        throw new TdError('timeout', `${this.#name} did not say ${pattern} in ${timeoutMs} ms: ${words()}`);
      }
      await sleep(POLL_MS);
    }
  }

  sendLine(text: string): void {
    this.#socket.write(`${text}\r`);
  }

  /** Raw characters, e.g. an escape sequence of a key. */
  send(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }
}

const ESCAPE_SEQUENCE = /\u001b(\[[0-?]*[ -/]*[@-~]|[()][A-Za-z0-9]|[=>78cDEHM])/g;
/** The beginning of an escape sequence whose end has not come yet. */
const OPEN_SEQUENCE = /\u001b(\[[0-?]*[ -/]*|[()])?$/;
const CONTROLS = /[\r\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;

/** Removes ANSI escape sequences, carriage returns and other controls from text that comes in pieces. */
export class ControlStripper {
  #open = '';

  push(text: string): string {
    const whole = this.#open + text;
    this.#open = whole.match(OPEN_SEQUENCE)?.[0] ?? '';
    const ready = whole.slice(0, whole.length - this.#open.length);
    return ready.replace(ESCAPE_SEQUENCE, '').replace(CONTROLS, '');
  }
}
