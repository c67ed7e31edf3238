import {
  DATAGRAM_BYTES_MAX,
  DATAGRAM_BYTES_MIN,
  HEADER_BYTES,
  SEQUENCE_AHEAD_MAX,
  TAG_BYTES,
  TOKEN_BYTES,
} from './limits.ts';
import { type SessionKeys, tagMatches } from './session-keys.ts';

/** `TD`, then the version. */
export const MAGIC = 0x5444;
export const VERSION = 1;
export const PACKET = { data: 1, heartbeat: 2, report: 3, answer: 4 } as const;
export type PacketKind = keyof typeof PACKET;

export const HEARTBEAT_BYTES = 44 + TAG_BYTES;
export const ANSWER_BYTES = 32 + TAG_BYTES;
const SEALED_FLAG = 1;
const SEQUENCE_MAX = 2 ** 48 - 1 - SEQUENCE_AHEAD_MAX;

export type Decoded<T> = { ok: true; value: T } | { ok: false; reason: string };
const bad = (reason: string) => ({ ok: false, reason }) as const;

/** The fields of a data datagram's header; one object is reused for all datagrams of a session. */
export interface DataHeader {
  ordinal: number;
  fragment: number;
  fragmentCount: number;
  sequence: number;
  pass: number;
  fragmentBytes: number;
  sealed: boolean;
}

export const PHASES = ['gathering', 'first-pass', 'repair', 'ended'] as const;
export type Phase = (typeof PHASES)[number];

/** What the sender tells all receivers four times a second. */
export interface Heartbeat {
  beat: number;
  /** The number the next data datagram will have. */
  nextSequence: number;
  pass: number;
  /** The chunk being sent. */
  position: number;
  phase: Phase;
  sealed: boolean;
  fragmentBytes: number;
  chunkCount: number;
  rateKilobytesPerSecond: number;
  activeReceivers: number;
  completeReceivers: number;
}

export const VERDICTS = ['continue', 'complete', 'finish-over-tcp', 'not-in-session'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** The sender's unicast answer to one report. */
export interface Answer {
  receiverId: number;
  incarnation: number;
  reportSequence: number;
  beat: number;
  verdict: Verdict;
}

/** Says whose datagram this is before anything else is looked at. */
export function packetKind(bytes: Buffer, token: Buffer): Decoded<PacketKind> {
  if (bytes.length < HEADER_BYTES) return bad('truncated');
  if (bytes.length > DATAGRAM_BYTES_MAX) return bad('oversized');
  if (bytes.readUInt16BE(0) !== MAGIC) return bad('magic');
  if (bytes[2] !== VERSION) return bad('version');
  if (bytes.compare(token, 0, TOKEN_BYTES, 4, 4 + TOKEN_BYTES) !== 0) return bad('foreign');
  switch (bytes[3]) {
    case PACKET.data:
      return DATA;
    case PACKET.heartbeat:
      return { ok: true, value: 'heartbeat' };
    case PACKET.report:
      return { ok: true, value: 'report' };
    case PACKET.answer:
      return { ok: true, value: 'answer' };
    default:
      return bad('type');
  }
}
const DATA = { ok: true, value: 'data' } as const;

export function writePrefix(bytes: Buffer, kind: PacketKind, token: Buffer): void {
  bytes.writeUInt16BE(MAGIC, 0);
  bytes[2] = VERSION;
  bytes[3] = PACKET[kind];
  bytes.set(token, 4);
}

/** Writes the 32 bytes before a fragment. */
export function encodeDataHeader(bytes: Buffer, token: Buffer, header: DataHeader): void {
  writePrefix(bytes, 'data', token);
  bytes.writeUInt32BE(header.ordinal, 12);
  bytes.writeUInt16BE(header.fragment, 16);
  bytes.writeUInt16BE(header.fragmentCount, 18);
  writeSequence(bytes, header.sequence, 20);
  bytes.writeUInt16BE(header.pass, 26);
  bytes.writeUInt16BE(header.fragmentBytes, 28);
  bytes.writeUInt16BE(header.sealed ? SEALED_FLAG : 0, 30);
}

/**
 * Reads a data datagram's header into `into`; call {@link packetKind} first.
 *
 * @returns undefined when it is well-formed, else why not; the payload is `bytes.subarray(32)`.
 */
export function decodeDataHeader(bytes: Buffer, into: DataHeader): string | undefined {
  if (bytes.length < HEADER_BYTES) return 'truncated';
  const flags = bytes.readUInt16BE(30);
  if (flags > SEALED_FLAG) return 'flags';
  into.ordinal = bytes.readUInt32BE(12);
  into.fragment = bytes.readUInt16BE(16);
  into.fragmentCount = bytes.readUInt16BE(18);
  into.sequence = readSequence(bytes, 20);
  into.pass = bytes.readUInt16BE(26);
  into.fragmentBytes = bytes.readUInt16BE(28);
  into.sealed = flags === SEALED_FLAG;
  if (into.fragment >= into.fragmentCount) return 'fragment';
  if (into.sequence > SEQUENCE_MAX) return 'sequence';
  if (bytes.length - HEADER_BYTES > into.fragmentBytes) return 'payload';
  return undefined;
}

export function newDataHeader(): DataHeader {
  return {
    ordinal: 0,
    fragment: 0,
    fragmentCount: 0,
    sequence: 0,
    pass: 0,
    fragmentBytes: 0,
    sealed: false,
  };
}

export function encodeHeartbeat(heartbeat: Heartbeat, keys: SessionKeys): Buffer {
  const bytes = Buffer.alloc(HEARTBEAT_BYTES);
  writePrefix(bytes, 'heartbeat', keys.token);
  bytes.writeUInt32BE(heartbeat.beat, 12);
  writeSequence(bytes, heartbeat.nextSequence, 16);
  bytes.writeUInt16BE(heartbeat.pass, 22);
  bytes.writeUInt32BE(heartbeat.position, 24);
  bytes[28] = PHASES.indexOf(heartbeat.phase);
  bytes[29] = heartbeat.sealed ? SEALED_FLAG : 0;
  bytes.writeUInt16BE(heartbeat.fragmentBytes, 30);
  bytes.writeUInt32BE(heartbeat.chunkCount, 32);
  bytes.writeUInt32BE(heartbeat.rateKilobytesPerSecond, 36);
  bytes.writeUInt16BE(heartbeat.activeReceivers, 40);
  bytes.writeUInt16BE(heartbeat.completeReceivers, 42);
  bytes.set(keys.tagFromSender(bytes.subarray(0, 44)), 44);
  return bytes;
}

export function decodeHeartbeat(bytes: Buffer, keys: SessionKeys): Decoded<Heartbeat> {
  if (bytes.length !== HEARTBEAT_BYTES) return bad('length');
  if (!tagMatches(bytes.subarray(44), keys.tagFromSender(bytes.subarray(0, 44)))) return bad('tag');
  const phase = PHASES[bytes[28]!];
  const fragmentBytes = bytes.readUInt16BE(30);
  const datagramBytes = fragmentBytes + HEADER_BYTES;
  const nextSequence = readSequence(bytes, 16);
  if (phase === undefined) return bad('phase');
  if (bytes[29]! > SEALED_FLAG || (bytes[29] === SEALED_FLAG) !== keys.sealed) return bad('flags');
  if (datagramBytes < DATAGRAM_BYTES_MIN || datagramBytes > DATAGRAM_BYTES_MAX) return bad('fragment size');
  if (nextSequence > SEQUENCE_MAX) return bad('sequence');
  return {
    ok: true,
    value: {
      beat: bytes.readUInt32BE(12),
      nextSequence,
      pass: bytes.readUInt16BE(22),
      position: bytes.readUInt32BE(24),
      phase,
      sealed: bytes[29] === SEALED_FLAG,
      fragmentBytes,
      chunkCount: bytes.readUInt32BE(32),
      rateKilobytesPerSecond: bytes.readUInt32BE(36),
      activeReceivers: bytes.readUInt16BE(40),
      completeReceivers: bytes.readUInt16BE(42),
    },
  };
}

export function encodeAnswer(answer: Answer, keys: SessionKeys): Buffer {
  const bytes = Buffer.alloc(ANSWER_BYTES);
  writePrefix(bytes, 'answer', keys.token);
  bytes.writeUInt32BE(answer.receiverId, 12);
  bytes.writeUInt32BE(answer.incarnation, 16);
  bytes.writeUInt32BE(answer.reportSequence, 20);
  bytes.writeUInt32BE(answer.beat, 24);
  bytes[28] = VERDICTS.indexOf(answer.verdict);
  bytes.set(keys.tagFromSender(bytes.subarray(0, 32)), 32);
  return bytes;
}

export function decodeAnswer(bytes: Buffer, keys: SessionKeys): Decoded<Answer> {
  if (bytes.length !== ANSWER_BYTES) return bad('length');
  if (!tagMatches(bytes.subarray(32), keys.tagFromSender(bytes.subarray(0, 32)))) return bad('tag');
  const verdict = VERDICTS[bytes[28]!];
  if (verdict === undefined) return bad('verdict');
  if (bytes[29] !== 0 || bytes[30] !== 0 || bytes[31] !== 0) return bad('reserved');
  return {
    ok: true,
    value: {
      receiverId: bytes.readUInt32BE(12),
      incarnation: bytes.readUInt32BE(16),
      reportSequence: bytes.readUInt32BE(20),
      beat: bytes.readUInt32BE(24),
      verdict,
    },
  };
}

/** Two writes: Buffer's 48-bit accessors are several times slower, and this runs for every datagram. */
export function writeSequence(bytes: Buffer, sequence: number, offset: number): void {
  bytes.writeUInt16BE(Math.floor(sequence / 0x1_0000_0000), offset);
  bytes.writeUInt32BE(sequence % 0x1_0000_0000, offset + 2);
}

export function readSequence(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset) * 0x1_0000_0000 + bytes.readUInt32BE(offset + 2);
}
