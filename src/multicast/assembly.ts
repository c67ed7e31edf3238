import { Bitmap } from './bitmap.ts';
import { BufferPool } from './buffer-pool.ts';
import type { ChunkLayout } from './chunk-layout.ts';
import { ASSEMBLY_CHUNKS_MAX } from './limits.ts';

/** One chunk of which some fragments have arrived. */
export interface Assembly {
  readonly ordinal: number;
  readonly buffer: Buffer;
  readonly wireBytes: number;
  readonly missing: Bitmap;
  /** Sequence number and time of its newest datagram. */
  lastSequence: number;
  lastMs: number;
  reportedMs: number;
}

/** The chunks being assembled, oldest first, within a fixed amount of memory. */
export class AssemblySet {
  readonly #layout: ChunkLayout;
  readonly #bytesMax: number;
  readonly #pool: BufferPool;
  readonly #assemblies = new Map<number, Assembly>();
  /** Fragments come in order, so the last one looked up is nearly always the next one wanted. */
  #latest: Assembly | undefined;
  #bytes = 0;
  evicted = 0;

  constructor(layout: ChunkLayout, options: { bytesMax: number }) {
    this.#layout = layout;
    this.#bytesMax = options.bytesMax;
    this.#pool = new BufferPool(options.bytesMax / 2);
  }

  /** Memory held, including buffers lent out by {@link finish} and not given back. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#assemblies.size;
  }

  values(): IterableIterator<Assembly> {
    return this.#assemblies.values();
  }

  find(ordinal: number): Assembly | undefined {
    if (this.#latest?.ordinal === ordinal) return this.#latest;
    const found = this.#assemblies.get(ordinal);
    if (found !== undefined) this.#latest = found;
    return found;
  }

  /** Starts a chunk, giving up the oldest incomplete ones when memory is short; undefined when even that is not enough. */
  start(ordinal: number): Assembly | undefined {
    const wireBytes = this.#layout.wireBytes(ordinal);
    const capacity = BufferPool.capacityBytes(wireBytes);
    for (const oldest of this.#assemblies.values()) {
      if (this.#bytes + capacity <= this.#bytesMax && this.#assemblies.size < ASSEMBLY_CHUNKS_MAX) break;
      this.drop(oldest.ordinal);
      this.evicted += 1;
    }
    // A single chunk above the limit is still assembled: it could never arrive otherwise.
    if (this.#bytes > 0 && this.#bytes + capacity > this.#bytesMax) return undefined;
    const assembly: Assembly = {
      ordinal,
      buffer: this.#pool.take(wireBytes),
      wireBytes,
      missing: Bitmap.full(this.#layout.fragmentCount(ordinal)),
      lastSequence: 0,
      lastMs: 0,
      reportedMs: Number.NEGATIVE_INFINITY,
    };
    this.#bytes += capacity;
    this.#assemblies.set(ordinal, assembly);
    this.#latest = assembly;
    return assembly;
  }

  /** Forgets an incomplete chunk. */
  drop(ordinal: number): void {
    const assembly = this.#remove(ordinal);
    if (assembly !== undefined) this.giveBack(assembly.buffer);
  }

  /** Takes a complete chunk out; its buffer still counts until it is given back. */
  finish(ordinal: number): void {
    this.#remove(ordinal);
  }

  giveBack(buffer: Buffer): void {
    this.#bytes -= buffer.length;
    this.#pool.give(buffer);
  }

  clear(): void {
    for (const ordinal of [...this.#assemblies.keys()]) this.drop(ordinal);
  }

  #remove(ordinal: number): Assembly | undefined {
    const assembly = this.#assemblies.get(ordinal);
    if (this.#latest === assembly) this.#latest = undefined;
    this.#assemblies.delete(ordinal);
    return assembly;
  }
}
