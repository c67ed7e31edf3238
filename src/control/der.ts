/** A writer for the few ASN.1 types a certificate needs, in DER (ITU-T X.690, section 10). */

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.of(0x80 | octets.length, ...octets);
}

function element(tag: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content]);
}

export function derSequence(...items: readonly Uint8Array[]): Buffer {
  return element(TAG.sequence, Buffer.concat(items));
}

export function derSet(...items: readonly Uint8Array[]): Buffer {
  return element(TAG.set, Buffer.concat(items));
}

/** A non-negative integer from its big-endian bytes, in the fewest octets. */
export function derInteger(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const octets = magnitude.subarray(start);
  const negativeLooking = (octets[0] ?? 0) >= 0x80 || octets.length === 0;
  return element(TAG.integer, negativeLooking ? Buffer.concat([Buffer.of(0), octets]) : octets);
}

export function derBitString(bytes: Uint8Array): Buffer {
  return element(TAG.bitString, Buffer.concat([Buffer.of(0), bytes]));
}

export function derOctetString(bytes: Uint8Array): Buffer {
  return element(TAG.octetString, bytes);
}

export function derUtf8String(text: string): Buffer {
  return element(TAG.utf8String, Buffer.from(text, 'utf8'));
}

/** An object identifier from its dotted form, e.g. `2.5.4.3`. */
export function derOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    octets.push(...groups);
  }
  return element(TAG.oid, Buffer.from(octets));
}

/** A time as RFC 5280 section 4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime from 2050. */
export function derTime(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, '');
  return at.getUTCFullYear() < 2050
    ? element(TAG.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : element(TAG.generalizedTime, Buffer.from(digits, 'latin1'));
}

/** A constructed context-specific tag, e.g. `[0] EXPLICIT`. */
export function derExplicit(number: number, content: Uint8Array): Buffer {
  return element(0xa0 | number, content);
}

export function derBoolean(value: boolean): Buffer {
  return element(0x01, Buffer.of(value ? 0xff : 0));
}
