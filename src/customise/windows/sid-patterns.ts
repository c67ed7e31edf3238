import { machineSidBytes, type SidChange } from './sid.ts';

/** One way in which a SID is written, and what comes in its place; both have the same length. */
export interface SidPattern {
  from: Buffer;
  to: Buffer;
  /** Bytes of a character when it is text, whose digits must not go on before and after it. */
  charBytes?: number;
}

/** Twelve bytes, UTF-16 and ASCII: the ways in which Windows writes a SID. */
export function sidPatterns(change: SidChange): SidPattern[] {
  const [from, to] = [change.from.join('-'), change.to.join('-')];
  return [
    { from: machineSidBytes(change.from), to: machineSidBytes(change.to) },
    { from: Buffer.from(from, 'utf16le'), to: Buffer.from(to, 'utf16le'), charBytes: 2 },
    { from: Buffer.from(from, 'latin1'), to: Buffer.from(to, 'latin1'), charBytes: 1 },
  ];
}

/** Replaces a SID in place wherever it is written; gives how often. */
export function replaceSid(bytes: Buffer, patterns: readonly SidPattern[]): number {
  let count = 0;
  for (const pattern of patterns) {
    for (const at of placesOf(bytes, pattern)) {
      pattern.to.copy(bytes, at);
      count += 1;
    }
  }
  return count;
}

export function holdsSid(bytes: Buffer, patterns: readonly SidPattern[]): boolean {
  return patterns.some((pattern) => !placesOf(bytes, pattern).next().done);
}

/** A text with the SID replaced; the same text when it is not in it. */
export function replaceSidText(text: string, patterns: readonly SidPattern[]): string {
  const bytes = Buffer.from(text, 'utf16le');
  return replaceSid(bytes, patterns) === 0 ? text : bytes.toString('utf16le');
}

function* placesOf(bytes: Buffer, pattern: SidPattern): Generator<number> {
  const { from, charBytes } = pattern;
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) {
    const end = at + from.length;
    if (charBytes !== undefined && isDigitAt(bytes, at - charBytes, charBytes)) continue;
    if (charBytes !== undefined && isDigitAt(bytes, end, charBytes)) continue;
    yield at;
  }
}

function isDigitAt(bytes: Buffer, at: number, charBytes: number): boolean {
  if (at < 0 || at + charBytes > bytes.length) return false;
  const code = bytes.readUIntLE(at, charBytes);
  return code >= 0x30 && code <= 0x39;
}
