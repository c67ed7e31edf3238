import { TdError } from '../../lib/errors.ts';
import type { BlockDevice } from '../block-device.ts';

/** A disk that is a buffer: for tests and for simulations of whole restores. */
export class MemoryDevice implements BlockDevice {
  readonly path: string;
  readonly kernelName = undefined;
  readonly readOnly = false;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly bytes: Buffer;

  constructor(bytes: Buffer, options: { path?: string; sectorBytes?: number } = {}) {
    this.bytes = bytes;
    this.path = options.path ?? 'memory';
    this.logicalSectorBytes = options.sectorBytes ?? 512;
    this.physicalSectorBytes = this.logicalSectorBytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  #checkRange(offsetBytes: number, lengthBytes: number): void {
    if (offsetBytes >= 0 && offsetBytes + lengthBytes <= this.bytes.length) return;
    throw new TdError(
      'io',
      `Cannot reach ${lengthBytes} bytes at ${offsetBytes} of "${this.path}": it ends at ${this.bytes.length}`,
    );
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    this.#checkRange(offsetBytes, lengthBytes);
    return Buffer.from(this.bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
  }

  async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    this.#checkRange(offsetBytes, bytes.length);
    this.bytes.set(bytes, offsetBytes);
  }

  async flush(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
