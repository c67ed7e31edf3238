/** The seed of the log entries' hashes: 82 EF 4D 88 7A 4E 55 C5, its halves as big-endian numbers, high first. */
const SEED_LOW = 0x7a4e_55c5;
const SEED_HIGH = 0x82ef_4d88;
const END_MARK = 0x80;

/** Marvin32 of bytes, 8 bytes as a log entry stores them. @see US patent 20130262421 */
export function marvin32(bytes: Buffer): Buffer {
  let low = SEED_LOW | 0;
  let high = SEED_HIGH | 0;
  const mix = (word: number) => {
    low = (low + word) | 0;
    high ^= low;
    low = (((low << 20) | (low >>> 12)) + high) | 0;
    high = ((high << 9) | (high >>> 23)) ^ low;
    low = (((low << 27) | (low >>> 5)) + high) | 0;
    high = (high << 19) | (high >>> 13);
  };
  const whole = bytes.length & ~3;
  for (let at = 0; at < whole; at += 4) mix(bytes.readInt32LE(at));
  let last = END_MARK;
  for (let at = bytes.length - 1; at >= whole; at -= 1) last = (last << 8) | bytes.readUInt8(at);
  mix(last);
  mix(0);
  const hash = Buffer.alloc(8);
  hash.writeInt32LE(low, 0);
  hash.writeInt32LE(high, 4);
  return hash;
}
