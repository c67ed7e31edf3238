/**
 * Where Windows' table of capital letters (as in $UpCase of an NTFS volume of Windows Vista and later) differs from
 * Unicode's one-to-one mapping of today: first, last, and what is added; 0 for letters Windows leaves alone.
 */
const WINDOWS_DIFFERENCES: readonly (readonly [first: number, last: number, added: number])[] = [
  ...[0xb5, 0x131, 0x17f, 0x19b, 0x1c5, 0x1c8, 0x1cb, 0x1f2, 0x252, 0x25c, 0x261].map(alone),
  ...[0x264, 0x265, 0x266, 0x26a, 0x26c, 0x282, 0x287, 0x29d, 0x29e, 0x345, 0x3c2].map(alone),
  ...[0x1c8a, 0x1d8e, 0x1e9b, 0x1fbe, 0x2c5f, 0x2cec, 0x2cee, 0x2cf3, 0x2d27, 0x2d2d, 0xa661].map(alone),
  ...[0xa699, 0xa69b, 0xab53].map(alone),
  [0x23f, 0x240, 0],
  [0x3d0, 0x3d6, 0],
  [0x3f0, 0x3f1, 0],
  [0x3f3, 0x3f5, 0],
  [0x525, 0x52f, 0],
  [0x10d0, 0x10ff, 0],
  [0x13f8, 0x13fd, 0],
  [0x1c80, 0x1c88, 0],
  [0x1f80, 0x1f87, 8],
  [0x1f90, 0x1f97, 8],
  [0x1fa0, 0x1fa7, 8],
  [0x1fb3, 0x1fb3, 9],
  [0x1fc3, 0x1fc3, 9],
  [0x1ff3, 0x1ff3, 9],
  [0xa791, 0xa7f6, 0],
  [0xab70, 0xabbf, 0],
];

function alone(unit: number): readonly [number, number, number] {
  return [unit, unit, 0];
}

const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** The name in capitals as Windows compares and hashes it: unit by unit, never longer or shorter. */
export function upperName(name: string): string {
  if (ASCII_ONLY.test(name)) return name.toUpperCase();
  let upper = '';
  for (let index = 0; index < name.length; index += 1)
    upper += String.fromCharCode(upperUnit(name.charCodeAt(index)));
  return upper;
}

/** One UTF-16 unit in capitals, as Windows' table has it. */
export function upperUnit(unit: number): number {
  for (const [first, last, added] of WINDOWS_DIFFERENCES) {
    if (unit >= first && unit <= last) return unit + added;
  }
  const upper = String.fromCharCode(unit).toUpperCase();
  return upper.length === 1 ? upper.charCodeAt(0) : unit;
}

/** Below, equal (0) or above in the order of subkeys; both in capitals. */
export function compareUpperNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The hash of hash leaves (`lh`) of a name in capitals. */
export function nameHash(upper: string): number {
  let hash = 0;
  for (let index = 0; index < upper.length; index += 1) {
    hash = (Math.imul(hash, 37) + upper.charCodeAt(index)) >>> 0;
  }
  return hash;
}

/** The hint of fast leaves (`lf`): four characters, or 0 when one of them is beyond one byte. */
export function nameHint(name: string): number {
  let hint = 0;
  for (let index = 0; index < Math.min(4, name.length); index += 1) {
    const unit = name.charCodeAt(index);
    if (unit > 0xff) return 0;
    hint += unit * 2 ** (8 * index);
  }
  return hint;
}

/** A name as stored: one byte a character when all fit ("compressed"), else UTF-16. */
export function encodeName(name: string): { bytes: Buffer; compressed: boolean } {
  const compressed = /^[\x00-\xff]*$/.test(name);
  return { bytes: Buffer.from(name, compressed ? 'latin1' : 'utf16le'), compressed };
}
