import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { TdError } from '../lib/errors.ts';
import { TAG_BYTES, TOKEN_BYTES } from './limits.ts';

/** Keys of one session, each for one purpose and direction; undefined members when the session is not sealed. */
export interface SessionKeys {
  readonly token: Buffer;
  readonly sealed: boolean;
  /** The tag of a datagram from the sender; zeros when not sealed. */
  tagFromSender(bytes: Uint8Array): Buffer;
  /** The tag of a datagram from a receiver; zeros when not sealed. */
  tagFromReceiver(bytes: Uint8Array): Buffer;
  /** Stored bytes to wire bytes; the same bytes for the same chunk every time. */
  seal(ordinal: number, stored: Buffer): Buffer;
  /** Wire bytes to stored bytes, in the same memory; undefined when they were changed on the way. */
  open(ordinal: number, wire: Buffer): Buffer | undefined;
}

/**
 * Derives the keys of a session (HKDF-SHA-256, RFC 5869, salt = token).
 *
 * @throws TdError `invalid` when token or key has a wrong length.
 */
export function sessionKeys(token: Buffer, key: Buffer | undefined): SessionKeys {
  if (token.length !== TOKEN_BYTES) {
    throw new TdError(
      'invalid',
      `Cannot use a session token of ${token.length} bytes: ${TOKEN_BYTES} wanted`,
    );
  }
  if (key === undefined) return openSession(token);
  if (key.length !== 32) {
    throw new TdError('invalid', `Cannot use a session key of ${key.length} bytes: 32 wanted`);
  }
  const derive = (purpose: string) =>
    Buffer.from(hkdfSync('sha256', key, token, `totaldeploy multicast 1 ${purpose}`, 32));
  const data = derive('chunks');
  const fromSender = derive('sender');
  const fromReceiver = derive('receiver');
  const tag = (secret: Buffer, bytes: Uint8Array) =>
    createHmac('sha256', secret).update(bytes).digest().subarray(0, TAG_BYTES);
  return {
    token,
    sealed: true,
    tagFromSender: (bytes) => tag(fromSender, bytes),
    tagFromReceiver: (bytes) => tag(fromReceiver, bytes),
    seal: (ordinal, stored) => sealChunk(data, ordinal, stored),
    open: (ordinal, wire) => openChunk(data, ordinal, wire),
  };
}

function openSession(token: Buffer): SessionKeys {
  const zeros = Buffer.alloc(TAG_BYTES);
  return {
    token,
    sealed: false,
    tagFromSender: () => zeros,
    tagFromReceiver: () => zeros,
    seal: (_ordinal, stored) => stored,
    open: (_ordinal, wire) => wire,
  };
}

/** In pieces: a result of a megabyte would be fresh memory from the system every time, at half the speed. */
const PIECE_BYTES = 65_536;

function sealChunk(data: Buffer, ordinal: number, stored: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', data, chunkNonce(ordinal));
  const wire = Buffer.allocUnsafeSlow(stored.length + TAG_BYTES);
  for (let at = 0; at < stored.length; at += PIECE_BYTES) {
    wire.set(cipher.update(stored.subarray(at, at + PIECE_BYTES)), at);
  }
  cipher.final();
  wire.set(cipher.getAuthTag(), stored.length);
  return wire;
}

function openChunk(data: Buffer, ordinal: number, wire: Buffer): Buffer | undefined {
  if (wire.length < TAG_BYTES) return undefined;
  const end = wire.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', data, chunkNonce(ordinal), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(wire.subarray(end));
  for (let at = 0; at < end; at += PIECE_BYTES) {
    wire.set(decipher.update(wire.subarray(at, Math.min(at + PIECE_BYTES, end))), at);
  }
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return wire.subarray(0, end);
}

/** Unique per content: within a session an ordinal always names the same bytes (PROTOCOL.md, Sealing). */
function chunkNonce(ordinal: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(ordinal, 8);
  return nonce;
}

/** Compares in constant time. */
export function tagMatches(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}
