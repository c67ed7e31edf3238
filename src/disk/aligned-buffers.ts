const BUFFER_BYTES = 1024 * 1024;
const BUFFERS = 8;
const WASM_PAGE_BYTES = 65_536;

// The compiler's library set has no WebAssembly types, and its DOM library would bring a browser's globals.
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { Memory: new (options: { initial: number }) => { buffer: ArrayBuffer } };
};

/**
 * A fixed ring of 1 MiB buffers aligned for O_DIRECT. Node aligns its own buffers to 16 bytes only; the
 * memory of a WebAssembly instance always starts at a page.
 */
export class AlignedBuffers {
  readonly #free: Uint8Array[] = [];
  readonly #waiting: ((buffer: Uint8Array) => void)[] = [];

  constructor() {
    const memory = new WebAssembly.Memory({ initial: (BUFFERS * BUFFER_BYTES) / WASM_PAGE_BYTES });
    for (let i = 0; i < BUFFERS; i += 1) {
      this.#free.push(new Uint8Array(memory.buffer, i * BUFFER_BYTES, BUFFER_BYTES));
    }
  }

  /** A buffer of 1 MiB; waits until one is given back. */
  async take(): Promise<Uint8Array> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Uint8Array): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
