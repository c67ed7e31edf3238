import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMessage, encodeFrame, FRAME_BYTES_MAX, FrameDecoder } from './frames.ts';
import { agentMessageSchema, consoleMessageSchema } from './messages.ts';

const jsonObject = fc
  .dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }))
  .map((value) => JSON.parse(JSON.stringify(value)));

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((at) => at % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(jsonObject, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (values, cuts) => {
          const decoder = new FrameDecoder();
          const stream = Buffer.concat(values.map(encodeFrame));
          const results = cut(stream, cuts).flatMap((piece) => decoder.push(piece));
          expect(results).toEqual(values.map((value) => ({ ok: true, value })));
          expect(decoder.heldBytes).toBe(0);
        },
      ),
    );
  });

  it('never throw and never hold more than a frame on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
        const decoder = new FrameDecoder(256);
        for (const piece of pieces) {
          for (const result of decoder.push(piece)) if (!result.ok) expect(result.reason).not.toContain('\n');
          expect(decoder.heldBytes).toBeLessThan(256 + 4 + 200);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuse lengths of 0 and beyond the limit, for good', () => {
    for (const length of [0, FRAME_BYTES_MAX + 1, 0xffff_ffff]) {
      const decoder = new FrameDecoder();
      const header = Buffer.alloc(4);
      header.writeUInt32BE(length);
      expect(decoder.push(header)).toMatchObject([{ ok: false, fatal: true }]);
      expect(decoder.push(encodeFrame({ type: 'pong' }))).toEqual([]);
      expect(decoder.heldBytes).toBe(0);
    }
  });

  it('lose one frame to wrong JSON or wrong UTF-8 and go on with the next', () => {
    const decoder = new FrameDecoder();
    const wrong = [Buffer.from([0, 0, 0, 1, 0x7b]), Buffer.from([0, 0, 0, 2, 0xc3, 0x28])];
    const results = decoder.push(Buffer.concat([...wrong, encodeFrame({ type: 'pong' })]));
    expect(results.map((result) => result.ok)).toEqual([false, false, true]);
  });

  it('do not blow up on deep nesting', () => {
    const text = '['.repeat(200_000);
    const frame = Buffer.concat([Buffer.alloc(4), Buffer.from(text)]);
    frame.writeUInt32BE(text.length);
    expect(new FrameDecoder().push(frame)).toMatchObject([{ ok: false }]);
    const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`);
    expect(checkMessage(agentMessageSchema, deep).ok).toBe(false);
  });

  it('cannot be made longer than the limit', () => {
    expect(() => encodeFrame({ text: 'x'.repeat(FRAME_BYTES_MAX) })).toThrow(RangeError);
  });

  it('with any value of another shape are refused by the schemas, naming the field', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(checkMessage(consoleMessageSchema, value).ok).toBe(false);
      }),
    );
    const state = { type: 'state', jobId: '../x', step: 'done', detail: '' };
    expect(checkMessage(agentMessageSchema, state)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('jobId'),
    });
  });
});
