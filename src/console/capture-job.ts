import type { AgentMessage } from '../control/messages.ts';
import type { UploadReceiver } from '../control/upload-receiver.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/progress.ts';
import type { ConnectedComputer } from './computers.ts';
import { computerLabel } from './computers.ts';
import type { ImageLibrary } from './image-library.ts';
import { ImageUpload, type PartialFile } from './image-upload.ts';
import type { ConsoleStore, JobState, NewEvent } from './store.ts';

export interface CaptureContext {
  library: ImageLibrary;
  store: ConsoleStore;
  /** From the accepted request to the first byte: the disk is being mapped meanwhile. Default 30 minutes. */
  startMsMax?: number;
  /** How long the computer may be away while nothing is being sent. Default 60,000. */
  lostMsMax?: number;
  openFile?(path: string): Promise<PartialFile>;
}

export interface CaptureSnapshot {
  id: string;
  kind: 'capture';
  image: string;
  state: JobState;
  error: string;
  computerId: string;
  name: string;
  step: string;
  detail: string;
  receivedBytes: number;
  doneBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
}

const START_MS_MAX = 30 * 60_000;
const LOST_MS_MAX = 60_000;
/** What is always left free, so that the console's own log can be written. */
const RESERVE_BYTES = 64 * 1024 * 1024;
/** Less free space than this part of the upper bound cannot be enough, however well the disk compresses. */
const COMPRESSION_MAX = 10;

/**
 * Whether there is room for a capture: `no` when clearly too small, else perhaps a warning.
 *
 * @param bytesMax upper bound of what will be sent.
 */
export function judgeSpace(freeBytes: number, bytesMax: number): { ok: boolean; text: string } {
  const usable = Math.max(0, freeBytes - RESERVE_BYTES);
  const facts = `${formatBytes(usable)} are free at the console, up to ${formatBytes(bytesMax)} will come`;
  if (usable === 0 || usable < bytesMax / COMPRESSION_MAX) {
    return { ok: false, text: `${facts}; free some space or choose another folder for images` };
  }
  return { ok: true, text: usable < bytesMax ? `${facts}; it may become too tight` : '' };
}

/** One image being received from a backup agent; it ends with the upload, or when the computer gives up or is lost. */
export class CaptureJob {
  readonly id: string;
  readonly image: string;
  readonly computerId: string;
  readonly #context: CaptureContext;
  readonly #onEnd: () => void;
  #computer: ConnectedComputer;
  #upload: ImageUpload | undefined;
  #state: JobState = 'running';
  #error = '';
  #stopState: 'cancelled' | 'failed' = 'failed';
  #step = 'mapping';
  #detail = '';
  #progress = { doneBytes: 0, totalBytes: 0, bytesPerSecond: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(
    facts: { id: string; image: string; computer: ConnectedComputer; bytesMax: number },
    context: CaptureContext & { onEnd: () => void },
  ) {
    this.id = facts.id;
    this.image = facts.image;
    this.computerId = facts.computer.computerId;
    this.#computer = facts.computer;
    this.#context = context;
    this.#onEnd = context.onEnd;
    const { store, startMsMax = START_MS_MAX } = context;
    const options = { computerId: this.computerId, bytesMax: facts.bytesMax };
    store.createJob({ id: this.id, kind: 'capture', image: this.image, state: 'running', options });
    this.#event({ kind: 'capture-started', text: `captures "${this.image}"`, details: options });
    this.#giveUpAfter(startMsMax, 'it sent nothing');
    this.follow(facts.computer);
  }

  get ended(): boolean {
    return this.#state !== 'running';
  }

  /** Listens to the computer's connection; called again when it came back. */
  follow(computer: ConnectedComputer): void {
    this.#computer = computer;
    computer.jobId = this.id;
    computer.connection.onMessage((message) => this.#heard(message));
    computer.connection.onClose((reason) => {
      if (this.ended) return;
      this.#event({ level: 'warn', kind: 'capture-lost', text: `lost contact: ${reason}` });
      // The upload has its own connection, and its own end when that breaks.
      if (this.#upload === undefined) {
        this.#giveUpAfter(this.#context.lostMsMax ?? LOST_MS_MAX, `lost contact: ${reason}`);
      }
    });
  }

  /** The place the image service writes to. @throws TdError `refused` when one is open already, `no-space`, `io`. */
  async openUpload(): Promise<UploadReceiver> {
    if (this.ended) throw new TdError('refused', `Capture ${this.id} has ended: ask for a new one`);
    if (this.#upload !== undefined)
      throw new TdError('refused', `Capture ${this.id} is being received already`);
    clearTimeout(this.#timer);
    const { library, openFile } = this.#context;
    this.#upload = await ImageUpload.open({
      dir: library.dir,
      name: this.image,
      ...(openFile === undefined ? {} : { openFile }),
      onEnd: (result) => {
        if (result.ok) this.#end('done', '', result);
        else this.#end(this.#stopState, result.reason);
      },
    }).catch((error) => {
      this.#end('failed', errorLine(error));
      throw error;
    });
    this.#step = 'capturing';
    return this.#upload;
  }

  /** Ends the capture at the console's wish: the computer is told, and what came is removed. */
  async cancel(reason: string): Promise<void> {
    await this.#stop('cancelled', reason);
  }

  async #stop(state: 'cancelled' | 'failed', reason: string): Promise<void> {
    if (this.ended) return;
    this.#stopState = state;
    this.#computer.connection.send({ type: 'cancel', jobId: this.id, reason: reason.slice(0, 1000) });
    await this.giveUp(reason);
  }

  /** Ends the capture and removes what came; the computer knows already. */
  async giveUp(reason: string): Promise<void> {
    if (this.#upload === undefined) this.#end(this.#stopState, reason);
    else await this.#upload.abort(reason);
  }

  snapshot(): CaptureSnapshot {
    return {
      id: this.id,
      kind: 'capture',
      image: this.image,
      state: this.#state,
      error: this.#error,
      computerId: this.computerId,
      name: computerLabel(this.computerId),
      step: this.ended ? this.#state : this.#step,
      detail: this.#detail,
      receivedBytes: this.#upload?.writtenBytes ?? 0,
      ...this.#progress,
    };
  }

  #heard(message: AgentMessage): void {
    if (this.ended || !('jobId' in message) || message.jobId !== this.id) return;
    if (message.type === 'progress') {
      const { doneBytes, totalBytes, bytesPerSecond } = message;
      this.#progress = { doneBytes, totalBytes, bytesPerSecond };
    } else if (message.type === 'state') {
      if (message.step === 'failed') void this.giveUp(message.detail);
      else if (message.step !== this.#step && message.step !== 'done') {
        this.#event({ kind: 'capture-step', text: message.step, details: { detail: message.detail } });
        this.#step = message.step;
      }
      this.#detail = message.detail;
    } else if (message.type === 'capture-end' && !message.ok) {
      void this.giveUp(message.error || 'the computer gave up');
    }
  }

  #giveUpAfter(delayMs: number, why: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#upload === undefined) void this.#stop('failed', `${why} for ${Math.round(delayMs / 1000)} s`);
    }, delayMs);
  }

  #end(
    state: 'done' | 'failed' | 'cancelled',
    error: string,
    result?: { storedBytes: number; root: string },
  ): void {
    if (this.ended) return;
    clearTimeout(this.#timer);
    this.#state = state;
    this.#error = error;
    const summary = result === undefined ? {} : { storedBytes: result.storedBytes, root: result.root };
    this.#context.store.setJob(this.id, { state, error, summary });
    const text =
      result === undefined
        ? `"${this.image}" was not stored: ${error}`
        : `"${this.image}" is stored and verified, ${formatBytes(result.storedBytes)}`;
    this.#event({
      level: state === 'done' ? 'info' : 'error',
      kind: `capture-${state}`,
      text,
      details: summary,
    });
    if (this.#computer.jobId === this.id) this.#computer.jobId = undefined;
    this.#onEnd();
  }

  #event(event: NewEvent): void {
    const text = `${computerLabel(this.computerId)} ${event.text}`;
    this.#context.store.addEvent({ ...event, jobId: this.id, computerId: this.computerId, text });
  }
}
