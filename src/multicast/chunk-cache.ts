/** Which chunks the sender holds in memory; the bytes themselves stay with the driver. */
export class ChunkCache {
  readonly #bytesMax: number;
  /** Least recently used first. */
  readonly #chunks = new Map<number, { bytes: number; ready: boolean }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(ordinal: number): boolean {
    return this.#chunks.has(ordinal);
  }

  isReady(ordinal: number): boolean {
    return this.#chunks.get(ordinal)?.ready === true;
  }

  touch(ordinal: number): void {
    const chunk = this.#chunks.get(ordinal);
    if (chunk === undefined) return;
    this.#chunks.delete(ordinal);
    this.#chunks.set(ordinal, chunk);
  }

  /**
   * Makes room for a chunk that is about to be read.
   *
   * @param isPinned says which chunks are about to be sent and must stay.
   * @returns the ordinals to let go of.
   */
  reserve(ordinal: number, options: { bytes: number; isPinned(ordinal: number): boolean }): number[] {
    const released: number[] = [];
    for (const [oldest, chunk] of this.#chunks) {
      if (this.#bytes + options.bytes <= this.#bytesMax) break;
      if (!chunk.ready || options.isPinned(oldest)) continue;
      this.drop(oldest);
      released.push(oldest);
    }
    this.#chunks.set(ordinal, { bytes: options.bytes, ready: false });
    this.#bytes += options.bytes;
    return released;
  }

  markReady(ordinal: number): void {
    const chunk = this.#chunks.get(ordinal);
    if (chunk !== undefined) chunk.ready = true;
  }

  drop(ordinal: number): void {
    const chunk = this.#chunks.get(ordinal);
    if (chunk === undefined) return;
    this.#chunks.delete(ordinal);
    this.#bytes -= chunk.bytes;
  }
}
