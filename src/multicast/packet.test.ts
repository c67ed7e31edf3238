import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADER_BYTES } from './limits.ts';
import {
  ANSWER_BYTES,
  type Answer,
  type DataHeader,
  decodeAnswer,
  decodeDataHeader,
  decodeHeartbeat,
  encodeAnswer,
  encodeDataHeader,
  encodeHeartbeat,
  HEARTBEAT_BYTES,
  type Heartbeat,
  newDataHeader,
  PHASES,
  packetKind,
  VERDICTS,
} from './packet.ts';
import { sessionKeys } from './session-keys.ts';

const token = Buffer.from('0102030405060708', 'hex');
const keys = sessionKeys(token, Buffer.alloc(32, 7));
const otherKeys = sessionKeys(token, Buffer.alloc(32, 8));
const open = sessionKeys(token, undefined);

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const sequence = fc.integer({ min: 0, max: 2 ** 48 - 1 - 2 ** 20 });

const headers: fc.Arbitrary<DataHeader> = fc
  .record({
    ordinal: u32,
    fragmentCount: fc.integer({ min: 1, max: 0xffff }),
    fragment: u16,
    sequence,
    pass: u16,
    fragmentBytes: fc.integer({ min: 512, max: 8940 }),
    sealed: fc.boolean(),
  })
  .map((header) => ({ ...header, fragment: header.fragment % header.fragmentCount }));

const heartbeats: fc.Arbitrary<Heartbeat> = fc.record({
  beat: u32,
  nextSequence: sequence,
  pass: u16,
  position: u32,
  phase: fc.constantFrom(...PHASES),
  sealed: fc.constant(true),
  fragmentBytes: fc.integer({ min: 512, max: 8940 }),
  chunkCount: u32,
  rateKilobytesPerSecond: u32,
  activeReceivers: u16,
  completeReceivers: u16,
});

const answers: fc.Arbitrary<Answer> = fc.record({
  receiverId: u32,
  incarnation: u32,
  reportSequence: u32,
  beat: u32,
  verdict: fc.constantFrom(...VERDICTS),
});

function dataDatagram(header: DataHeader, payloadBytes: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payloadBytes);
  encodeDataHeader(bytes, token, header);
  return bytes;
}

describe('data datagrams', () => {
  it('decode to what was encoded', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const bytes = dataDatagram(header, header.fragmentBytes);
        const into = newDataHeader();
        expect(packetKind(bytes, token)).toEqual({ ok: true, value: 'data' });
        expect(decodeDataHeader(bytes, into)).toBeUndefined();
        expect(into).toEqual(header);
      }),
    );
  });

  it('have the layout of PROTOCOL.md to the byte', () => {
    const header = {
      ordinal: 0x11223344,
      fragment: 0x0102,
      fragmentCount: 0x0304,
      sequence: 0x0000_aabb_ccdd_eeff,
      pass: 5,
      fragmentBytes: 1440,
      sealed: true,
    };
    const bytes = dataDatagram({ ...header, sequence: 0xaabb_ccdd_ee }, 0);
    expect(bytes.toString('hex')).toBe(
      '54440101' +
        '0102030405060708' +
        '11223344' +
        '0102' +
        '0304' +
        '00aabbccddee' +
        '0005' +
        '05a0' +
        '0001',
    );
  });

  it('are refused when a field contradicts another', () => {
    const into = newDataHeader();
    const good = { ...newDataHeader(), fragmentCount: 2, fragmentBytes: 1440 };
    expect(decodeDataHeader(dataDatagram(good, 1440), into)).toBeUndefined();
    expect(decodeDataHeader(dataDatagram({ ...good, fragment: 2 }, 10), into)).toBe('fragment');
    expect(decodeDataHeader(dataDatagram(good, 1441), into)).toBe('payload');
    expect(decodeDataHeader(dataDatagram({ ...good, sequence: 2 ** 48 - 1 }, 10), into)).toBe('sequence');
    const flags = dataDatagram(good, 10);
    flags[30] = 0x80;
    expect(decodeDataHeader(flags, into)).toBe('flags');
    expect(decodeDataHeader(dataDatagram(good, 0).subarray(0, 31), into)).toBe('truncated');
  });
});

describe('packetKind', () => {
  const bytes = dataDatagram({ ...newDataHeader(), fragmentCount: 1 }, 100);
  const changed = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0x40;
    return packetKind(copy, token);
  };

  it('names what is wrong', () => {
    expect(changed(0)).toEqual({ ok: false, reason: 'magic' });
    expect(changed(2)).toEqual({ ok: false, reason: 'version' });
    expect(changed(3)).toEqual({ ok: false, reason: 'type' });
    expect(changed(4)).toEqual({ ok: false, reason: 'foreign' });
    expect(changed(11)).toEqual({ ok: false, reason: 'foreign' });
    expect(packetKind(bytes.subarray(0, 31), token)).toEqual({ ok: false, reason: 'truncated' });
    expect(packetKind(Buffer.alloc(9000), token)).toEqual({ ok: false, reason: 'oversized' });
  });
});

describe('heartbeats and answers', () => {
  it('decode to what was encoded', () => {
    fc.assert(
      fc.property(heartbeats, answers, (heartbeat, answer) => {
        expect(decodeHeartbeat(encodeHeartbeat(heartbeat, keys), keys)).toEqual({
          ok: true,
          value: heartbeat,
        });
        expect(decodeAnswer(encodeAnswer(answer, keys), keys)).toEqual({ ok: true, value: answer });
      }),
    );
  });

  it('are refused after any change of one bit', () => {
    const [heartbeat] = fc.sample(heartbeats, { numRuns: 1, seed: 1 });
    const [answer] = fc.sample(answers, { numRuns: 1, seed: 1 });
    for (const [bytes, decode] of [
      [encodeHeartbeat(heartbeat!, keys), decodeHeartbeat],
      [encodeAnswer(answer!, keys), decodeAnswer],
    ] as const) {
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const copy = Buffer.from(bytes);
        copy[bit >>> 3]! ^= 1 << (bit & 7);
        expect(decode(copy, keys).ok).toBe(false);
      }
    }
  });

  it('are refused with another key, without a key, cut short or lengthened', () => {
    const [heartbeat] = fc.sample(heartbeats, { numRuns: 1, seed: 2 });
    const bytes = encodeHeartbeat(heartbeat!, keys);
    expect(decodeHeartbeat(bytes, otherKeys)).toEqual({ ok: false, reason: 'tag' });
    expect(decodeHeartbeat(bytes, open)).toEqual({ ok: false, reason: 'tag' });
    expect(decodeHeartbeat(bytes.subarray(0, -1), keys).ok).toBe(false);
    expect(decodeHeartbeat(Buffer.concat([bytes, Buffer.alloc(1)]), keys).ok).toBe(false);
    expect(decodeAnswer(bytes, keys).ok).toBe(false);
  });

  it('cannot be passed off as a receiver’s: the keys differ by direction', () => {
    const bytes = Buffer.from('the same bytes');
    expect(keys.tagFromSender(bytes).equals(keys.tagFromReceiver(bytes))).toBe(false);
  });

  it('never make a decoder throw, whatever the bytes', () => {
    const lengths = fc.constantFrom(0, 1, 31, 32, HEARTBEAT_BYTES, ANSWER_BYTES, 100);
    const noise = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    fc.assert(
      fc.property(noise, (bytes) => {
        const buffer = Buffer.from(bytes);
        expect(packetKind(buffer, token).ok).toBe(false);
        expect(decodeHeartbeat(buffer, keys).ok).toBe(false);
        expect(decodeAnswer(buffer, keys).ok).toBe(false);
        decodeDataHeader(buffer, newDataHeader());
        decodeHeartbeat(buffer, open);
        decodeAnswer(buffer, open);
      }),
    );
  });
});

describe('sealing', () => {
  it('opens what it sealed, for every size', () => {
    const sizes = fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 200_000);
    fc.assert(
      fc.property(sizes, u32, (size, ordinal) => {
        const stored = Buffer.alloc(size, 3);
        const wire = keys.seal(ordinal, stored);
        expect(wire.length).toBe(size + 16);
        expect(keys.seal(ordinal, stored).equals(wire)).toBe(true);
        expect(keys.open(ordinal, wire)?.equals(stored)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('notices a changed byte, another chunk’s number and another key', () => {
    const sealed = () => keys.seal(5, Buffer.alloc(1000, 1));
    const changed = sealed();
    changed[500]! ^= 1;
    expect(keys.open(5, changed)).toBeUndefined();
    expect(keys.open(6, sealed())).toBeUndefined();
    expect(otherKeys.open(5, sealed())).toBeUndefined();
    expect(keys.open(5, Buffer.alloc(3))).toBeUndefined();
  });

  it('refuses tokens and keys of a wrong length', () => {
    expect(() => sessionKeys(Buffer.alloc(7), undefined)).toThrow('7 bytes');
    expect(() => sessionKeys(token, Buffer.alloc(16))).toThrow('16 bytes');
  });
});
