import type { Deployment } from '../control/messages.ts';
import type { GetOptions } from '../control/service-client.ts';
import { type BlockDevice, openBlockDevice } from '../disk/block-device.ts';
import { type Clock, monotonicClock, sleep } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { ProgressMeter } from '../lib/progress.ts';
import type { Screen } from '../lib/screen.ts';
import type { Customisation } from '../schema/customisation.ts';
import type { EditResult } from '../schema/edit-result.ts';
import type { TargetReport, TargetStep } from '../schema/job.ts';
import type { Machine } from '../schema/machine.ts';
import { jobView } from './agent-screen.ts';
import { checkBootEntry } from './boot-entry.ts';
import { ChosenParts } from './chosen-parts.ts';
import type { ConsoleLink } from './console-link.ts';
import {
  customiseDevice,
  editsProblem,
  fetchCustomisation,
  fileBytes,
  reportedEdits,
} from './customising.ts';
import { type FetchedImage, fetchImage } from './image-fetch.ts';
import { ImageReceiver, type ReceiveCounts, type SessionOptions } from './receive.ts';
import { chooseTarget, type TargetScope } from './target-disk.ts';
import { TargetWriter } from './target-writer.ts';

const SHOW_INTERVAL_MS = 250;
const TELL_INTERVAL_MS = 1000;
const LINE_CHARS_MAX = 1000;
/** Enough to start a console's computer again. */
const CONSOLE_PATIENCE_MS = 120_000;
const RECONNECT_POLL_MS = 100;
/** Well before the console takes a silent target for stuck. */
const SAY_AGAIN_MS = 60_000;

export interface DeployRunOptions {
  link: Pick<ConsoleLink, 'send' | 'get' | 'isConnected' | 'localAddress' | 'remoteAddress' | 'consoleName'>;
  machine: Machine;
  scope: TargetScope;
  /** Goes before the console's rule. */
  diskRule?: string;
  /** Reads everything back before the disk is made bootable. */
  verify?: boolean;
  screen: Screen;
  logger: Logger;
  signal: AbortSignal;
  clock?: Clock;
  silenceMsMax?: number;
  /** The console away and no multicast either: the job fails after this long. Default 120,000. */
  consolePatienceMs?: number;
  openDevice?: typeof openBlockDevice;
  startSession?: SessionOptions['startSession'];
}

/**
 * Deploys one image to one disk; every end, good or bad, is a report and nothing is thrown. A run that
 * does not end well leaves a disk that cannot start.
 */
export class DeployRun {
  #deployment: Deployment;
  readonly #options: DeployRunOptions;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #meter: ProgressMeter | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #step: TargetStep = 'assigned';
  #disk = '';
  #problems: string[] = [];
  #warnings: string[] = [];
  #writer: TargetWriter | undefined;
  #counts: ReceiveCounts | undefined;
  #session: AbortController | undefined;
  #edits: EditResult[] | undefined;
  #isBootable = false;
  #detail = '';
  #saidAtMs = 0;

  constructor(deployment: Deployment, options: DeployRunOptions) {
    this.#deployment = deployment;
    this.#options = options;
    this.#clock = options.clock ?? monotonicClock;
    this.#startedMs = this.#clock.nowMs();
  }

  get jobId(): string {
    return this.#deployment.jobId;
  }

  /** How far it is, for a console that comes back. */
  get standing(): { jobId: string; step: TargetStep; doneBytes: number; totalBytes: number } {
    const { doneBytes, totalBytes } = this.#meter?.state() ?? { doneBytes: 0, totalBytes: 0 };
    return { jobId: this.jobId, step: this.#step, doneBytes, totalBytes };
  }

  /**
   * Goes on in another session, with what is on the disk already: the console sends a deployment anew
   * when this computer was out of its sight.
   *
   * @returns false when it is about another image or the run has ended.
   */
  rejoin(deployment: Deployment): boolean {
    const { jobId, image } = this.#deployment;
    const isSame = deployment.jobId === jobId && deployment.image.root === image.root;
    if (!isSame || this.#options.signal.aborted) return false;
    if (['done', 'failed', 'cancelled'].includes(this.#step)) return false;
    this.#deployment = deployment;
    this.#session?.abort();
    return true;
  }

  async run(): Promise<TargetReport> {
    const timer = setInterval(() => this.#tick(), SHOW_INTERVAL_MS);
    try {
      const image = await this.#deploy();
      const problem = editsProblem(this.#edits ?? []).slice(0, LINE_CHARS_MAX);
      if (problem === '') this.#enter('done', `${image.manifest.name} on ${this.#disk}`);
      else this.#enterFailed('failed', problem);
      return this.#report({ root: image.root, error: problem });
    } catch (error) {
      const wasCancelled = this.#options.signal.aborted;
      const reason = wasCancelled ? this.#options.signal.reason : error;
      const line = (errorLine(reason) || 'unknown error').slice(0, LINE_CHARS_MAX);
      this.#options.logger.error(
        { error: line, stack: (error as Error | undefined)?.stack },
        'deployment failed',
      );
      this.#enterFailed(wasCancelled ? 'cancelled' : 'failed', line);
      return this.#report({ root: '', error: line });
    } finally {
      clearInterval(timer);
    }
  }

  #enterFailed(step: 'failed' | 'cancelled', line: string): void {
    this.#problems = [line];
    this.#enter(step, line);
  }

  async #deploy(): Promise<FetchedImage> {
    const { link, signal } = this.#options;
    this.#enter('assigned', this.#deployment.image.name);
    const image = await fetchImage(this.#deployment.image, {
      get: (path, getOptions) => link.get(path, getOptions),
      signal,
      disk: this.#deployment.disk ?? 0,
    });
    const parts = new ChosenParts(image.layout, this.#deployment.partitions);
    const customisation = await this.#fetchCustomisation();
    const path = await this.#preflight(image);
    signal.throwIfAborted();
    await using device = await (this.#options.openDevice ?? openBlockDevice)(path, {
      write: true,
      fileSectorBytes: image.layout.logicalSectorBytes,
    });
    if (device.sizeBytes < image.endBytes) {
      throw new TdError(
        'refused',
        `Cannot deploy to "${path}": it has ${device.sizeBytes} bytes, the image needs ${image.endBytes}; use a bigger disk`,
      );
    }
    const writer = new TargetWriter(device, {
      layout: image.layout,
      remember: this.#options.verify === true,
    });
    this.#writer = writer;
    let isFinished = false;
    try {
      await this.#write(image, { writer, parts });
      if (customisation !== undefined) await this.#customise(customisation, { image, device, parts });
      signal.throwIfAborted();
      this.#enter('boot-entry', '');
      await writer.finish();
      this.#isBootable = true;
      this.#warnings.push(...(await checkBootEntry(path, image.layout, this.#options.machine)));
      isFinished = true;
      return image;
    } finally {
      // Whatever went wrong after the tables were written must not leave a disk that starts half-way.
      if (!isFinished) {
        await writer.invalidate().catch((error) => {
          this.#options.logger.warn({ error: errorLine(error) }, 'cannot clear the unfinished disk');
        });
      }
    }
  }

  async #preflight(image: FetchedImage): Promise<string> {
    const diskRule = this.#options.diskRule ?? this.#deployment.diskRule;
    this.#enter('pre-flight', diskRule);
    const answer = await chooseTarget(this.#options.scope, {
      diskRule,
      sizeBytesMin: image.endBytes,
      logicalSectorBytes: image.layout.logicalSectorBytes,
      table: image.layout.table,
      firmware: image.manifest.source.firmware,
      machineFirmware: this.#options.machine.firmware,
    });
    this.#disk = answer.description;
    if (!answer.ok) throw new TdError('refused', answer.reason);
    this.#warnings = answer.warnings;
    return answer.path;
  }

  async #write(image: FetchedImage, target: { writer: TargetWriter; parts: ChosenParts }): Promise<void> {
    const { signal, verify } = this.#options;
    const { writer, parts } = target;
    this.#enter('partitioning', this.#disk);
    await writer.invalidate();
    for (const partition of parts.cleared) await writer.clear(partition);
    signal.throwIfAborted();
    this.#meter = new ProgressMeter(parts.totalBytes(image), this.#clock);
    await this.#receive(image, { writer, parts });
    this.#tick();
    this.#tell();
    this.#enter('checking', verify === true ? 'reading everything back' : '');
    await writer.flush();
    if (verify === true) await this.#readBack(parts.totalBytes(image), writer);
    signal.throwIfAborted();
    await writer.finishBody();
  }

  /** Before anything is written: whoever cannot have it keeps its disk. */
  async #fetchCustomisation(): Promise<Customisation | undefined> {
    const path = this.#deployment.customisation?.path;
    if (path === undefined) return undefined;
    const { link, signal } = this.#options;
    return fetchCustomisation(path, { get: (at, getOptions) => link.get(at, getOptions), signal });
  }

  async #customise(
    customisation: Customisation,
    { image, device, parts }: { image: FetchedImage; device: BlockDevice; parts: ChosenParts },
  ): Promise<void> {
    const { signal, machine } = this.#options;
    const [writer, meterBefore] = [this.#writer, this.#meter];
    const meter = new ProgressMeter(fileBytes(customisation), this.#clock);
    this.#writer = undefined;
    if (fileBytes(customisation) > 0) this.#meter = meter;
    this.#enter('customising', '');
    const lost = new AbortController();
    this.#edits = await customiseDevice({
      ...{ device, customisation, machine },
      partitions: image.layout.partitions.filter((one) => !parts.cleared.includes(one)),
      path: this.#deployment.customisation!.path,
      get: (at, getOptions) => this.#getPatiently(at, { ...getOptions, lost }),
      signal: AbortSignal.any([signal, lost.signal]),
      onEdit: (text) => this.#enter('customising', text),
      onBytes: (bytes) => meter.advance(bytes),
    });
    for (const { text, result, reason } of this.#edits) {
      this.#options.logger[result === 'failed' ? 'error' : 'info']({ result, reason }, text);
    }
    this.#writer = writer;
    this.#meter = meterBefore;
  }

  async #receive(
    image: FetchedImage,
    { writer, parts }: { writer: TargetWriter; parts: ChosenParts },
  ): Promise<void> {
    const { signal, link, logger, silenceMsMax, startSession } = this.#options;
    const receiver = new ImageReceiver(image, writer, { parts, signal });
    this.#counts = receiver.counts;
    this.#enter('receiving', this.#disk);
    const lost = new AbortController();
    for (;;) {
      const session = new AbortController();
      this.#session = session;
      try {
        return await receiver.receive({
          deployment: this.#deployment,
          get: (at, getOptions) => this.#getPatiently(at, { ...getOptions, lost }),
          localAddress: link.localAddress,
          remoteAddress: link.remoteAddress,
          logger,
          signal: AbortSignal.any([signal, session.signal, lost.signal]),
          ...(silenceMsMax === undefined ? {} : { silenceMsMax }),
          ...(startSession === undefined ? {} : { startSession }),
        });
      } catch (error) {
        if (signal.aborted || !session.signal.aborted || error !== session.signal.reason) throw error;
        this.#enter('receiving', 'joined again');
      }
    }
  }

  /** Chunks are asked for when multicast is silent: without the connection too, the console is gone. */
  async #getPatiently(path: string, options: GetOptions & { lost: AbortController }): Promise<Buffer> {
    const { link, consolePatienceMs = CONSOLE_PATIENCE_MS } = this.#options;
    const { lost, ...getOptions } = options;
    const endMs = this.#clock.nowMs() + consolePatienceMs;
    while (!link.isConnected) {
      if (this.#clock.nowMs() >= endMs) {
        const seconds = Math.round(consolePatienceMs / 1000);
        lost.abort(
          new TdError(
            'network',
            `console lost: no connection and no multicast for ${seconds} s; the disk is unfinished, start the console and deploy again`,
          ),
        );
      }
      await sleep(RECONNECT_POLL_MS, getOptions.signal);
    }
    return link.get(path, getOptions);
  }

  async #readBack(totalBytes: number, writer: TargetWriter): Promise<void> {
    const meter = new ProgressMeter(totalBytes, this.#clock);
    this.#meter = meter;
    this.#writer = undefined;
    await writer.readBack({
      signal: this.#options.signal,
      onProgress: (doneBytes) => meter.advance(doneBytes - meter.doneBytes),
    });
    this.#writer = writer;
  }

  #enter(step: TargetStep, detail: string): void {
    this.#step = step;
    this.#detail = detail;
    const { screen, logger } = this.#options;
    logger.info({ job: this.#deployment.jobId, step, detail }, `step ${step}`);
    if (step === 'done') screen.milestone(`done ${this.#deployment.jobId} ${detail}`);
    else if (step === 'failed') screen.milestone(`failed: ${detail}`);
    else screen.milestone(`state ${step} ${detail}`.trimEnd());
    // A failure is told by the report alone: after a state that ends the job its numbers would be ignored.
    if (step !== 'failed') this.#say();
    this.#show();
  }

  #say(): void {
    const { jobId } = this.#deployment;
    this.#saidAtMs = this.#clock.nowMs();
    const detail = this.#detail.slice(0, LINE_CHARS_MAX);
    this.#options.link.send({ type: 'state', jobId, step: this.#step, detail });
  }

  #tick(): void {
    const meter = this.#meter;
    if (meter !== undefined && this.#writer !== undefined) {
      meter.advance(this.#writer.writtenBytes - meter.doneBytes);
    }
    if (this.#clock.nowMs() - this.#toldAtMs >= TELL_INTERVAL_MS) this.#tell();
    // One edit may take long without a byte for the meter, such as making an initramfs.
    const isQuiet = this.#clock.nowMs() - this.#saidAtMs >= SAY_AGAIN_MS;
    if (this.#step === 'customising' && isQuiet) this.#say();
    this.#show();
  }

  #tell(): void {
    if (this.#meter === undefined || this.#step === 'failed' || this.#step === 'cancelled') return;
    this.#toldAtMs = this.#clock.nowMs();
    const { doneBytes, totalBytes, bytesPerSecond } = this.#meter.state();
    this.#options.link.send({
      type: 'progress',
      jobId: this.#deployment.jobId,
      doneBytes,
      totalBytes,
      bytesPerSecond: Math.max(0, bytesPerSecond),
    });
  }

  #show(): void {
    this.#options.screen.show(
      jobView({
        machine: this.#options.machine,
        consoleName: this.#options.link.consoleName,
        imageName: this.#deployment.image.name,
        disk: this.#disk,
        step: this.#step,
        detail: this.#step === 'customising' ? this.#detail : '',
        isBootable: this.#isBootable,
        progress: this.#meter?.state(),
        problems: this.#problems,
        warnings: this.#warnings,
      }),
    );
  }

  #report(end: { root: string; error: string }): TargetReport {
    const counts = this.#counts;
    return {
      ok: end.error === '',
      error: end.error,
      disk: this.#disk.slice(0, 256),
      writtenBytes: this.#writer?.writtenBytes ?? 0,
      multicastChunks: counts?.multicastChunks ?? 0,
      tcpChunks: counts?.tcpChunks ?? 0,
      datagrams: counts?.datagrams ?? 0,
      lostFragments: counts?.lostFragments ?? 0,
      badDatagrams: counts?.badDatagrams ?? 0,
      durationMs: Math.max(0, Math.round(this.#clock.nowMs() - this.#startedMs)),
      root: end.root,
      ...(this.#edits === undefined ? {} : { edits: reportedEdits(this.#edits) }),
    };
  }
}
