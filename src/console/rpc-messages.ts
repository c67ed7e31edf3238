import { z } from 'zod';

/** Requests on the console's Unix socket: one JSON object a line; answers carry the same id. */
export const rpcRequestSchema = z.strictObject({
  id: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  method: z.string().max(40),
  params: z.record(z.string(), z.unknown()).default({}),
});

/** Any number of events, then one result or one error. */
export const rpcReplySchema = z.union([
  z.strictObject({ id: z.number().int(), event: z.unknown() }),
  z.strictObject({ id: z.number().int(), result: z.unknown() }),
  z.strictObject({ id: z.number().int(), error: z.strictObject({ code: z.string(), message: z.string() }) }),
]);

export const REQUEST_BYTES_MAX = 1024 * 1024;
export const REPLY_BYTES_MAX = 64 * 1024 * 1024;

/** Cuts a stream into lines; `push` returns undefined when a line is longer than allowed. */
export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(bytes: Buffer): string[] | undefined {
    const lines: string[] = [];
    let rest = bytes;
    for (;;) {
      const end = rest.indexOf(0x0a);
      const part = end < 0 ? rest : rest.subarray(0, end);
      if (this.#heldBytes + part.length > this.#bytesMax) return undefined;
      if (end < 0) {
        if (part.length > 0) this.#parts.push(part);
        this.#heldBytes += part.length;
        return lines;
      }
      lines.push(Buffer.concat([...this.#parts, part]).toString('utf8'));
      this.#parts = [];
      this.#heldBytes = 0;
      rest = rest.subarray(end + 1);
    }
  }
}
