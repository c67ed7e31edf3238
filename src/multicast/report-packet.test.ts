import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitmap } from './bitmap.ts';
import { CONTROL_DATAGRAM_BYTES_MAX } from './limits.ts';
import { decodeReport, encodeReport, type Report } from './report-packet.ts';
import { sessionKeys } from './session-keys.ts';

const token = Buffer.from('0102030405060708', 'hex');
const keys = sessionKeys(token, Buffer.alloc(32, 7));
const open = sessionKeys(token, undefined);
const FRAGMENTS = 728;
const context = {
  chunkCount: 70_000,
  fragmentCount: (ordinal: number) => (ordinal % 2 === 0 ? FRAGMENTS : 1),
};

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });

const runs = fc
  .array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 50 })), { maxLength: 300 })
  .map((pairs) => {
    const flat: number[] = [];
    let end = 0;
    for (const [gap, length] of pairs) {
      // Runs that touch would be one run.
      flat.push(end + gap + 1, length);
      end += gap + 1 + length;
    }
    return flat;
  });

const partials = fc.array(
  fc
    .tuple(fc.nat(context.chunkCount - 1), fc.uint8Array({ minLength: 91, maxLength: 91 }), fc.boolean())
    .map(([ordinal, bits, sparse]) => {
      const missing = new Bitmap(context.fragmentCount(ordinal));
      const all = Bitmap.from(bits, missing.length);
      for (let i = 0; i < missing.length; i += sparse ? 40 : 1) if (all.has(i)) missing.add(i);
      return { ordinal, missing };
    }),
  { maxLength: 60 },
);

const reports: fc.Arbitrary<Report> = fc.record({
  receiverId: u32,
  incarnation: u32,
  sequence: u32,
  beat: u32,
  highestSequence: u48,
  received: u48,
  refused: u48,
  missingChunks: u32,
  haveChunks: u32,
  backlogChunks: fc.integer({ min: 0, max: 0xffff }),
  badDatagrams: u32,
  complete: fc.boolean(),
  overTcp: fc.boolean(),
  morePartials: fc.constant(false),
  windowStart: fc.constant(0),
  windowEnd: fc.constant(60_000),
  missingRuns: runs,
  partials,
});

function sample(): Report {
  return fc.sample(reports, { numRuns: 1, seed: 4 })[0]!;
}

describe('reports', () => {
  it('decode to what was encoded, less what did not fit', () => {
    fc.assert(
      fc.property(reports, (report) => {
        const { bytes, windowEnd, partialCount } = encodeReport(report, keys);
        expect(bytes.length).toBeLessThanOrEqual(CONTROL_DATAGRAM_BYTES_MAX);
        const decoded = decodeReport(bytes, keys, context);
        if (!decoded.ok) throw new Error(decoded.reason);
        const { value } = decoded;
        const told = value.missingRuns.length;
        expect(value).toEqual({
          ...report,
          windowEnd,
          missingRuns: report.missingRuns.slice(0, told),
          partials: report.partials.slice(0, partialCount),
          morePartials: partialCount < report.partials.length,
        });
        // The window ends where the first run that was left out begins.
        expect(windowEnd).toBe(
          told < report.missingRuns.length ? report.missingRuns[told] : report.windowEnd,
        );
      }),
    );
  });

  it('hold the missing fragments of two dozen megabyte chunks at 2 % loss', () => {
    const chunks = Array.from({ length: 40 }, (_, i) => {
      const missing = new Bitmap(FRAGMENTS);
      for (let fragment = i % 48; fragment < FRAGMENTS; fragment += 49) missing.add(fragment);
      return { ordinal: 2 * i, missing };
    });
    const report = { ...sample(), missingRuns: [0, 80], partials: chunks };
    expect(encodeReport(report, keys).partialCount).toBeGreaterThanOrEqual(24);
  });

  it('are refused after any change of one bit', () => {
    const { bytes } = encodeReport(sample(), keys);
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const copy = Buffer.from(bytes);
      copy[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decodeReport(copy, keys, context).ok).toBe(false);
    }
  });

  it('never make the decoder throw or disagree with the image, whatever the bytes', () => {
    const { bytes: genuine } = encodeReport(sample(), open);
    const edits = fc.array(fc.tuple(fc.nat(genuine.length - 17), fc.integer({ min: 0, max: 255 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(edits, fc.nat(genuine.length), (changes, cut) => {
        const bytes = Buffer.from(genuine);
        for (const [at, value] of changes) bytes[at] = value;
        decodeReport(Buffer.from(bytes.subarray(0, cut)), open, context);
        const decoded = decodeReport(bytes, open, context);
        if (!decoded.ok) return;
        const { windowStart, windowEnd, missingRuns } = decoded.value;
        let end = windowStart;
        for (let i = 0; i < missingRuns.length; i += 2) {
          expect(missingRuns[i]).toBeGreaterThanOrEqual(end);
          end = missingRuns[i]! + missingRuns[i + 1]!;
        }
        expect(end).toBeLessThanOrEqual(windowEnd);
        expect(windowEnd).toBeLessThanOrEqual(context.chunkCount);
        for (const { ordinal, missing } of decoded.value.partials) {
          expect(missing.length).toBe(context.fragmentCount(ordinal));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are refused when they speak of chunks that are not in the image', () => {
    const report = { ...sample(), missingRuns: [], partials: [] };
    const { bytes } = encodeReport(report, keys);
    expect(decodeReport(bytes, keys, { ...context, chunkCount: 60_000 }).ok).toBe(true);
    expect(decodeReport(bytes, keys, { ...context, chunkCount: 59_999 })).toEqual({
      ok: false,
      reason: 'window',
    });
    const beyond = encodeReport({ ...report, missingRuns: [59_999, 2] }, keys);
    expect(decodeReport(beyond.bytes, keys, context)).toEqual({ ok: false, reason: 'runs' });
    const partial = { ordinal: 20, missing: Bitmap.full(FRAGMENTS) };
    const named = encodeReport({ ...report, windowEnd: 0, partials: [partial] }, keys);
    expect(decodeReport(named.bytes, keys, { ...context, chunkCount: 20 })).toEqual({
      ok: false,
      reason: 'partials',
    });
  });
});
