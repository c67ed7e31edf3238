const CLASS_BYTES_MIN = 4096;

/**
 * Lends buffers and takes them back, so that chunk after chunk is assembled in the same memory.
 * Sizes are rounded up to powers of two; idle buffers are kept up to a limit.
 */
export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  readonly #idleBytesMax: number;
  #idleBytes = 0;

  constructor(idleBytesMax: number) {
    this.#idleBytesMax = idleBytesMax;
  }

  /** What a buffer for so many bytes really takes. */
  static capacityBytes(bytes: number): number {
    let capacity = CLASS_BYTES_MIN;
    while (capacity < bytes) capacity *= 2;
    return capacity;
  }

  /** @returns a buffer of at least `bytes`, not cleared. */
  take(bytes: number): Buffer {
    const capacity = BufferPool.capacityBytes(bytes);
    const buffer = this.#idle.get(capacity)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(capacity);
    this.#idleBytes -= capacity;
    return buffer;
  }

  give(buffer: Buffer): void {
    if (this.#idleBytes + buffer.length > this.#idleBytesMax) return;
    const shelf = this.#idle.get(buffer.length);
    if (shelf === undefined) this.#idle.set(buffer.length, [buffer]);
    else shelf.push(buffer);
    this.#idleBytes += buffer.length;
  }
}
