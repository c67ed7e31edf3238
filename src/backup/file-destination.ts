import { realpath, rm, statfs } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { disksBehindMount, listMounts, mountOf } from '../disk/mounts.ts';
import { type FileSink, openFileSink } from '../image/file-sink.ts';
import type { ImageSink } from '../image/image-writer.ts';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { formatBytes, type ProgressState } from '../lib/progress.ts';
import type { CaptureStep } from '../schema/job.ts';
import type { CapturePlan } from './capture-plan.ts';
import type { Destination } from './destination.ts';

/** Less than this part of the used bytes is not enough for any but an almost empty disk. */
const FREE_PART_MIN = 1 / 8;

/** An image file on a disk or a share that is mounted on this computer. */
export class FileDestination implements Destination {
  readonly title: string;
  readonly signal = new AbortController().signal;
  readonly #path: string;
  #sink: FileSink | undefined;

  constructor(path: string) {
    this.#path = resolve(path);
    this.title = this.#path;
  }

  /**
   * Checks that the file will not lie on the disk that is captured: it would become part of itself.
   *
   * @param disk kernel name of the disk, or undefined with the path of a plain file.
   * @throws TdError `refused`, `not-found`.
   */
  async checkApartFrom(disk: { kernelName: string | undefined; path: string }): Promise<void> {
    const folder = await this.#folder();
    if (disk.kernelName === undefined) {
      const source = await realpath(disk.path);
      if (source === resolve(folder, basename(this.#path))) throw this.#onItself(disk.path);
      return;
    }
    const mount = mountOf(folder, await listMounts());
    const behind = mount === undefined ? [] : await disksBehindMount(mount);
    if (behind.includes(disk.kernelName)) throw this.#onItself(disk.path);
  }

  #onItself(diskPath: string): TdError {
    return new TdError(
      'refused',
      `Cannot store "${this.#path}": it lies on "${diskPath}", the disk to capture; choose another disk or the console`,
    );
  }

  async #folder(): Promise<string> {
    try {
      return await realpath(dirname(this.#path));
    } catch (cause) {
      const missing = errnoOf(cause) === 'ENOENT';
      throw new TdError(
        missing ? 'not-found' : 'io',
        `Cannot store "${this.#path}": ${missing ? 'the folder does not exist; create or mount it first' : errorLine(cause)}`,
        { cause },
      );
    }
  }

  async open(plan: CapturePlan): Promise<ImageSink> {
    const folder = await this.#folder();
    const free = await statfs(folder);
    const freeBytes = free.bavail * free.bsize;
    if (freeBytes < plan.usedBytes * FREE_PART_MIN) {
      throw new TdError(
        'no-space',
        `Cannot store "${this.#path}": ${formatBytes(freeBytes)} are free there and ${formatBytes(plan.usedBytes)} are in use on the disk; free space there or choose another destination`,
      );
    }
    this.#sink = await openFileSink(this.#path);
    return this.#sink;
  }

  state(_step: CaptureStep, _detail: string): void {}

  progress(_state: ProgressState): void {}

  async end(error: TdError | undefined): Promise<void> {
    // An interrupted capture cannot be taken up again, so what there is of it only takes space.
    if (error !== undefined && this.#sink !== undefined) await rm(this.#sink.partialPath, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
