import { crc32 } from 'node:zlib';
import type { BlockDevice } from '../disk/block-device.ts';
import { relocateGptBackup } from '../disk/partition-table.ts';
import { TdError } from '../lib/errors.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';

/** At each end of the disk: MBR, both GPT copies and every boot loader's first part lie there. */
const TABLE_BYTES = 1024 * 1024;
const ZERO_WRITE_BYTES = 4 * 1024 * 1024;

interface Piece {
  offsetBytes: number;
  bytes: Buffer;
}

/**
 * Writes an image's blocks to a target disk so that an unfinished disk never looks bootable: the old
 * tables go first, what is below the first MiB is kept in memory and written last, sector 0 at the very
 * end.
 */
export class TargetWriter {
  readonly #device: BlockDevice;
  readonly #layout: DiskLayout;
  /** What is kept back, by disk order of arrival; together at most two MiB. */
  readonly #head: Piece[] = [];
  readonly #backup: Piece[] = [];
  /** Blocks that were written, for reading back: offset, length, CRC-32. */
  readonly #written: { offsetBytes: number; lengthBytes: number; crc: number }[] | undefined;
  #writtenBytes = 0;

  /**
   * @param options `layout`: the disk's layout in the image; `remember`: keeps what {@link readBack}
   *   needs, about 100 bytes a block.
   */
  constructor(device: BlockDevice, options: { layout: DiskLayout; remember?: boolean }) {
    this.#device = device;
    this.#layout = options.layout;
    this.#written = options.remember === true ? [] : undefined;
  }

  /** Raw bytes given to {@link write} and {@link writeZeros} so far. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Zeros both ends of the disk, so that nothing on it looks like a partition table or boot loader. */
  async invalidate(): Promise<void> {
    const { sizeBytes } = this.#device;
    const bytes = Math.min(TABLE_BYTES, sizeBytes);
    await this.#device.write(0, Buffer.alloc(bytes));
    await this.#device.write(sizeBytes - bytes, Buffer.alloc(bytes));
    await this.#device.flush();
  }

  /** Zeros both ends of a partition that is not deployed: an old file system there would look alive. */
  async clear(partition: { startBytes: number; sizeBytes: number }): Promise<void> {
    const { startBytes, sizeBytes } = partition;
    const bytes = Math.min(TABLE_BYTES, sizeBytes);
    for (const offsetBytes of [startBytes, startBytes + sizeBytes - bytes]) {
      await this.#device.write(offsetBytes, Buffer.alloc(bytes));
    }
  }

  /** Takes verified bytes; the caller may reuse the buffer afterwards. */
  async write(offsetBytes: number, bytes: Buffer): Promise<void> {
    if (this.#isBackup(offsetBytes, bytes.length)) {
      // It moves to the end of this disk, which may lie before the source's.
      if (offsetBytes + bytes.length <= this.#device.sizeBytes) {
        this.#backup.push({ offsetBytes, bytes: Buffer.from(bytes) });
      }
      this.#writtenBytes += bytes.length;
      return;
    }
    const headBytes = Math.max(0, Math.min(bytes.length, TABLE_BYTES - offsetBytes));
    if (headBytes > 0) this.#head.push({ offsetBytes, bytes: Buffer.from(bytes.subarray(0, headBytes)) });
    if (headBytes < bytes.length) await this.#put(offsetBytes + headBytes, bytes.subarray(headBytes));
    this.#writtenBytes += bytes.length;
  }

  /** Writes zeros where the image says so; the ends of the disk are zero already. */
  async writeZeros(offsetBytes: number, lengthBytes: number): Promise<void> {
    const end = Math.min(offsetBytes + lengthBytes, this.#device.sizeBytes);
    for (let at = Math.max(offsetBytes, TABLE_BYTES); at < end; ) {
      const bytes = Math.min(ZERO_WRITE_BYTES, end - at);
      await this.#put(at, Buffer.alloc(bytes));
      at += bytes;
    }
    this.#writtenBytes += lengthBytes;
  }

  async flush(): Promise<void> {
    await this.#device.flush();
  }

  /**
   * Reads every written block again and compares it.
   *
   * @throws TdError `damaged` when the disk gives other bytes back; `cancelled`.
   */
  async readBack(options: { signal: AbortSignal; onProgress: (doneBytes: number) => void }): Promise<void> {
    let doneBytes = 0;
    for (const block of this.#written ?? []) {
      options.signal.throwIfAborted();
      const found = await this.#device.read(block.offsetBytes, block.lengthBytes);
      if (crc32(found) !== block.crc) throw this.#differs(block.offsetBytes);
      doneBytes += block.lengthBytes;
      options.onProgress(doneBytes);
    }
  }

  /** Writes what was kept back but the first sector: every file system is whole, and the disk cannot start yet. */
  async finishBody(): Promise<void> {
    const sectorBytes = this.#device.logicalSectorBytes;
    for (const piece of this.#backup) await this.#putChecked(piece);
    for (const piece of this.#head) {
      const skipped = Math.max(0, sectorBytes - piece.offsetBytes);
      if (skipped >= piece.bytes.length) continue;
      await this.#putChecked({
        offsetBytes: piece.offsetBytes + skipped,
        bytes: piece.bytes.subarray(skipped),
      });
    }
    await this.#device.flush();
  }

  /** After {@link finishBody}: writes the first sector and fits the GPT to this disk; only now the disk can start. */
  async finish(): Promise<void> {
    const sectorBytes = this.#device.logicalSectorBytes;
    for (const piece of this.#head) {
      if (piece.offsetBytes >= sectorBytes) continue;
      const bytes = piece.bytes.subarray(0, sectorBytes - piece.offsetBytes);
      await this.#putChecked({ offsetBytes: piece.offsetBytes, bytes });
    }
    await this.#device.flush();
    await relocateGptBackup(this.#device, this.#layout);
    await this.#device.flush();
  }

  async #put(offsetBytes: number, bytes: Buffer): Promise<void> {
    await this.#device.write(offsetBytes, bytes);
    this.#written?.push({ offsetBytes, lengthBytes: bytes.length, crc: crc32(bytes) });
  }

  async #putChecked(piece: Piece): Promise<void> {
    await this.#device.write(piece.offsetBytes, piece.bytes);
    const found = await this.#device.read(piece.offsetBytes, piece.bytes.length);
    if (!found.equals(piece.bytes)) throw this.#differs(piece.offsetBytes);
  }

  #differs(offsetBytes: number): TdError {
    return new TdError(
      'damaged',
      `Cannot trust "${this.#device.path}": at ${offsetBytes} it gives back other bytes than were written; test or replace the disk`,
    );
  }

  #isBackup(offsetBytes: number, lengthBytes: number): boolean {
    return this.#layout.bootAreas.some(
      (area) =>
        area.kind === 'gpt-backup' &&
        area.sizeBytes <= TABLE_BYTES &&
        offsetBytes >= area.startBytes &&
        offsetBytes + lengthBytes <= area.startBytes + area.sizeBytes,
    );
  }
}
