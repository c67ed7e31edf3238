const CLASS_BYTES_MIN = 4096;

/**
 * Lends buffers and takes them back, so that chunk after chunk is assembled in the same memory.
 * Sizes are rounded up by a quarter at most; idle buffers are kept up to a limit.
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
    let octave = CLASS_BYTES_MIN;
    while (octave * 2 < bytes) octave *= 2;
    if (bytes <= octave) return octave;
    // Quarters of an octave: a sealed chunk is 16 bytes above a power of two and must not take twice its size.
    return octave + Math.ceil((bytes - octave) / (octave / 4)) * (octave / 4);
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
