import type { TLSSocket } from 'node:tls';
import type { Logger } from '../lib/log.ts';
import { computerId } from '../schema/machine.ts';
import type { ControlLimits } from './control-limits.ts';
import { checkMessage, encodeFrame, type FrameDecoder, type FrameResult } from './frames.ts';
import { type AgentMessage, agentMessageSchema, type ConsoleMessage, type Hello } from './messages.ts';

const BAD_FRAMES_WINDOW_MS = 60_000;

export interface ControlConnectionOptions {
  id: number;
  hello: Hello;
  address: string;
  serviceToken: string;
  limits: ControlLimits;
  decoder: FrameDecoder;
  logger: Logger;
}

/** One computer's accepted connection as the console sees it; it lives until its `onClose` is called. */
export class ControlConnection {
  readonly id: number;
  readonly computerId: string;
  readonly hello: Hello;
  /** The computer's address as seen on this connection. */
  readonly address: string;
  /** True when the computer proved the site key. */
  readonly proven: boolean;
  readonly serviceToken: string;
  readonly #socket: TLSSocket;
  readonly #limits: ControlLimits;
  readonly #decoder: FrameDecoder;
  readonly #logger: Logger;
  readonly #messageHandlers = new Set<(message: AgentMessage) => void>();
  readonly #closeHandlers = new Set<(reason: string) => void>();
  #pingTimer: NodeJS.Timeout | undefined;
  #resumeTimer: NodeJS.Timeout | undefined;
  #heardAtMs = performance.now();
  #badFrames = 0;
  #badFramesSinceMs = 0;
  #frames = 0;
  #framesSinceMs = 0;
  #closeReason = 'the computer closed the connection';
  #closed = false;

  constructor(socket: TLSSocket, options: ControlConnectionOptions) {
    this.#socket = socket;
    this.id = options.id;
    this.hello = options.hello;
    this.computerId = computerId(options.hello.machine);
    this.address = options.address;
    this.proven = options.hello.proof !== '';
    this.serviceToken = options.serviceToken;
    this.#limits = options.limits;
    this.#decoder = options.decoder;
    this.#logger = options.logger;
    socket.once('error', (error) => {
      this.#closeReason = error.message;
    });
    socket.once('close', () => this.#ended());
  }

  get closed(): boolean {
    return this.#closed;
  }

  onMessage(handler: (message: AgentMessage) => void): void {
    this.#messageHandlers.add(handler);
  }

  /** The handler gets the reason in words; it is called once, at once when the connection is closed already. */
  onClose(handler: (reason: string) => void): void {
    if (this.#closed) handler(this.#closeReason);
    else this.#closeHandlers.add(handler);
  }

  /** Sends a message, or returns false when the connection is gone or stuck; nothing is thrown. */
  send(message: ConsoleMessage): boolean {
    if (this.#closed || this.#socket.destroyed || !this.#socket.writable) return false;
    this.#socket.write(encodeFrame(message));
    if (this.#socket.writableLength <= this.#limits.backlogBytesMax) return true;
    this.close('the computer no longer takes what is sent');
    return false;
  }

  close(reason = 'closed by the console'): void {
    if (this.#closed) return;
    this.#closeReason = reason;
    this.#socket.destroy();
    this.#ended();
  }

  /** Begins reading; `arrived` is what came in one piece with the hello. Called by the server only. */
  start(arrived: readonly FrameResult[]): void {
    if (this.#closed) return;
    this.#socket.on('data', (bytes: Buffer) => {
      this.#heardAtMs = performance.now();
      this.#take(this.#decoder.push(bytes));
    });
    this.#pingTimer = setInterval(() => this.#keepAlive(), this.#limits.pingIntervalMs);
    this.#take(arrived);
  }

  #keepAlive(): void {
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs > this.#limits.silenceMsMax && !this.#socket.isPaused()) {
      this.close(`nothing heard for ${Math.round(silentMs / 1000)} s`);
      return;
    }
    this.send({ type: 'ping' });
  }

  #take(results: readonly FrameResult[]): void {
    for (const result of results) {
      if (this.#closed) return;
      if (!result.ok) {
        this.#bad(result.reason, result.fatal);
        continue;
      }
      const checked = checkMessage(agentMessageSchema, result.value);
      if (!checked.ok) this.#bad(checked.reason, false);
      else if (checked.message.type === 'hello') this.#bad('a second hello', false);
      else if (checked.message.type !== 'pong') this.#deliver(checked.message);
    }
    this.#pace(results.length);
  }

  #deliver(message: AgentMessage): void {
    for (const handler of this.#messageHandlers) handler(message);
  }

  #bad(reason: string, fatal: boolean): void {
    const nowMs = performance.now();
    if (nowMs - this.#badFramesSinceMs > BAD_FRAMES_WINDOW_MS) {
      this.#badFramesSinceMs = nowMs;
      this.#badFrames = 0;
    }
    this.#badFrames += 1;
    this.#logger.debug({ reason, badFrames: this.#badFrames }, 'dropped a wrong frame');
    if (fatal || this.#badFrames > this.#limits.badFramesMax) {
      this.close(`the computer sends wrong frames: ${reason}`);
    }
  }

  /** Reading pauses when a computer floods: TCP then slows it down and nothing is lost. */
  #pace(frames: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#framesSinceMs > 1000) {
      this.#framesSinceMs = nowMs;
      this.#frames = 0;
    }
    this.#frames += frames;
    if (this.#frames <= this.#limits.framesPerSecondMax || this.#socket.isPaused()) return;
    this.#socket.pause();
    this.#resumeTimer = setTimeout(() => {
      this.#heardAtMs = performance.now();
      this.#socket.resume();
    }, 1000);
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#resumeTimer);
    this.#messageHandlers.clear();
    for (const handler of this.#closeHandlers) handler(this.#closeReason);
    this.#closeHandlers.clear();
  }
}
