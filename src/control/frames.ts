import type { z } from 'zod';
import { errorLine } from '../lib/errors.ts';

/** Longest JSON text of one frame, in bytes of UTF-8. */
export const FRAME_BYTES_MAX = 1024 * 1024;
const HEADER_BYTES = 4;

/** What came of one frame: a value of unknown shape, or why there is none. */
export type FrameResult = { ok: true; value: unknown } | { ok: false; reason: string; fatal: boolean };

/**
 * Encodes one frame: length of the JSON text (u32, big-endian), then the text.
 *
 * @throws RangeError when the message is longer than a frame may be; callers bound what they send.
 */
export function encodeFrame(message: object): Buffer {
  const text = Buffer.from(JSON.stringify(message), 'utf8');
  if (text.length > FRAME_BYTES_MAX) {
    throw new RangeError(`a frame of ${text.length} bytes is longer than ${FRAME_BYTES_MAX}`);
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + text.length);
  frame.writeUInt32BE(text.length, 0);
  text.copy(frame, HEADER_BYTES);
  return frame;
}

/**
 * Cuts a byte stream into frames. A wrong length loses the place in the stream: that result is `fatal` and the
 * decoder takes nothing more. Wrong JSON costs only its frame.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;
  #wantedBytes: number | undefined;
  #broken = false;

  constructor(frameBytesMax: number = FRAME_BYTES_MAX) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes of a frame that is not complete yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(bytes: Uint8Array): FrameResult[] {
    if (this.#broken) return [];
    this.#parts.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#heldBytes += bytes.byteLength;
    const results: FrameResult[] = [];
    for (;;) {
      if (this.#wantedBytes === undefined) {
        if (this.#heldBytes < HEADER_BYTES) return results;
        const length = this.#take(HEADER_BYTES).readUInt32BE(0);
        if (length === 0 || length > this.#frameBytesMax) {
          this.#broken = true;
          this.#parts = [];
          this.#heldBytes = 0;
          results.push({
            ok: false,
            fatal: true,
            reason: `frame length ${length} is not 1 to ${this.#frameBytesMax}`,
          });
          return results;
        }
        this.#wantedBytes = length;
      }
      if (this.#heldBytes < this.#wantedBytes) return results;
      const text = this.#take(this.#wantedBytes);
      this.#wantedBytes = undefined;
      results.push(parseJson(text));
    }
  }

  #take(length: number): Buffer {
    // Joining only here keeps many small arrivals of one long frame linear in its length.
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const rest = all.subarray(length);
    this.#parts = rest.length > 0 ? [rest] : [];
    this.#heldBytes = rest.length;
    return all.subarray(0, length);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(text: Buffer): FrameResult {
  try {
    return { ok: true, value: JSON.parse(utf8.decode(text)) };
  } catch (error) {
    return { ok: false, fatal: false, reason: `no JSON: ${errorLine(error).slice(0, 200)}` };
  }
}

/** Checks a frame's value against its schema; the reason names the first wrong field. */
export function checkMessage<T>(
  schema: z.ZodType<T>,
  value: unknown,
): { ok: true; message: T } | { ok: false; reason: string } {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, message: parsed.data };
  const issue = parsed.error.issues[0];
  const at = issue === undefined || issue.path.length === 0 ? 'message' : issue.path.join('.');
  return { ok: false, reason: `${at}: ${issue?.message ?? 'wrong'}`.slice(0, 300) };
}
