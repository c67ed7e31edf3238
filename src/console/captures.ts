import type { TokenHolder } from '../control/service-tokens.ts';
import type { UploadReceiver } from '../control/upload-receiver.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { type CaptureContext, CaptureJob, judgeSpace } from './capture-job.ts';
import { type ConnectedComputer, computerLabel } from './computers.ts';
import { newJobId } from './job-id.ts';

/** Ended captures that are still shown. */
const KEPT_MAX = 100;

/** The captures of a console: who may send which image, and where its upload goes. */
export class Captures {
  readonly #context: CaptureContext;
  readonly #jobs = new Map<string, CaptureJob>();
  /** Names that are promised while a request is being judged. */
  readonly #judging = new Set<string>();

  constructor(context: CaptureContext) {
    this.#context = context;
  }

  list(): CaptureJob[] {
    return [...this.#jobs.values()];
  }

  get(jobId: string): CaptureJob | undefined {
    return this.#jobs.get(jobId);
  }

  /** Answers a computer that asks to store an image; never throws. */
  async request(computer: ConnectedComputer, asked: { name: string; bytesMax: number }): Promise<void> {
    const { connection, computerId } = computer;
    const { store } = this.#context;
    try {
      const job = await this.#accept(computer, asked);
      connection.send({ type: 'capture-accept', jobId: job.id, path: `/v1/uploads/${job.id}` });
    } catch (error) {
      const reason = errorLine(error).slice(0, 1000);
      const text = `${computerLabel(computerId)} may not store "${asked.name}": ${reason}`;
      store.addEvent({ level: 'warn', kind: 'capture-refused', computerId, text });
      connection.send({ type: 'capture-refuse', reason });
    }
  }

  /** Opens the upload of a job for its own computer only. @throws TdError `not-found`, `refused`, `no-space`, `io`. */
  async openUpload(jobId: string, holder: TokenHolder): Promise<UploadReceiver> {
    const job = this.#jobs.get(jobId);
    if (job === undefined || job.computerId !== holder.computerId) {
      throw new TdError('not-found', `there is no capture "${jobId}" of this computer`);
    }
    return job.openUpload();
  }

  async cancelAll(reason: string): Promise<void> {
    for (const job of this.#jobs.values()) await job.cancel(reason);
  }

  async #accept(computer: ConnectedComputer, asked: { name: string; bytesMax: number }): Promise<CaptureJob> {
    const { library, store } = this.#context;
    const { name, bytesMax } = asked;
    const key = name.toLowerCase();
    const other = this.list().find((job) => !job.ended && job.image.toLowerCase() === key);
    if (other !== undefined) {
      if (other.computerId !== computer.computerId) {
        throw new TdError('refused', `another computer is just sending "${name}"; choose another name`);
      }
      // The same computer asks again: its earlier attempt is over, whatever its connection looks like.
      await other.giveUp('the computer started the capture again');
    }
    if (this.#judging.has(key)) throw new TdError('refused', `"${name}" is being asked for already`);
    this.#judging.add(key);
    try {
      if (await library.has(name)) {
        throw new TdError('refused', `an image "${name}" is there already; choose another name`);
      }
      const space = judgeSpace(await library.freeBytes(), bytesMax);
      if (!space.ok) throw new TdError('no-space', space.text);
      const job = new CaptureJob(
        { id: newJobId(), image: name, computer, bytesMax },
        { ...this.#context, onEnd: () => this.#forgetOldest() },
      );
      this.#jobs.set(job.id, job);
      if (space.text !== '') {
        store.addEvent({ level: 'warn', kind: 'capture-space', jobId: job.id, text: space.text });
      }
      return job;
    } finally {
      this.#judging.delete(key);
    }
  }

  #forgetOldest(): void {
    const ended = this.list().filter((job) => job.ended);
    for (const job of ended.slice(0, Math.max(0, ended.length - KEPT_MAX))) this.#jobs.delete(job.id);
  }
}
