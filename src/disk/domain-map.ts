import { TdError } from '../lib/errors.ts';

export interface Extent {
  startBytes: number;
  sizeBytes: number;
}

/** What is kept in memory of one partition: 100 bytes each. */
const EXTENTS_MAX = 1_000_000;
const FIRST_GAP_BYTES = 4096;
const LINE_BYTES_MAX = 4096;

export function extentsLength(extents: readonly Extent[]): number {
  return extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
}

/**
 * Reads a domain map of partclone (the format of GNU ddrescue's mapfile: `position size status` in
 * hexadecimal, `#` comments, `+` used, anything else free), positions absolute on the disk.
 *
 * What no line covers counts as used. A map of more extents than `extentsMax` (default a million) is made
 * coarser by counting the smallest gaps as used.
 *
 * @param map the file's bytes.
 * @param range the partition; the map must stay inside it.
 * @returns ascending extents that neither touch nor overlap.
 * @throws TdError `invalid` when a line is malformed, out of order or outside the partition.
 */
export function parseDomainMap(
  map: Uint8Array,
  range: Extent,
  options: { extentsMax?: number } = {},
): Extent[] {
  const end = range.startBytes + range.sizeBytes;
  const used = new ExtentList(options.extentsMax ?? EXTENTS_MAX);
  let at = range.startBytes;
  let sawPosition = false;
  for (const line of lines(map)) {
    if (line === '' || line.startsWith('#')) continue;
    if (!sawPosition) {
      // The first line is ddrescue's current position and status, no area.
      sawPosition = true;
      continue;
    }
    const fields = /^0x([0-9a-fA-F]{1,16})\s+0x([0-9a-fA-F]{1,16})\s+([?*/+-])\s*$/.exec(line);
    if (fields === null)
      throw new TdError('invalid', `Cannot read the block map: "${line.slice(0, 80)}" is no area`);
    const startBytes = Number.parseInt(fields[1]!, 16);
    const sizeBytes = Number.parseInt(fields[2]!, 16);
    if (startBytes < at || !Number.isSafeInteger(startBytes + sizeBytes) || startBytes > end) {
      throw new TdError(
        'invalid',
        `Cannot read the block map: its area at ${startBytes} is out of order or outside`,
      );
    }
    used.add(at, startBytes);
    // Maps of a filesystem that was not grown to its partition, or is a little longer, end elsewhere than it.
    at = Math.min(startBytes + sizeBytes, end);
    if (fields[3] === '+') used.add(startBytes, at);
  }
  if (!sawPosition) throw new TdError('invalid', 'Cannot read the block map: it is empty');
  used.add(at, end);
  return used.finish();
}

function* lines(bytes: Uint8Array): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at < buffer.length) {
    const found = buffer.indexOf(10, at);
    const end = found < 0 ? buffer.length : found;
    yield buffer.toString('latin1', at, Math.min(end, at + LINE_BYTES_MAX)).trim();
    at = end + 1;
  }
}

/** Collects ascending ranges, joining those that touch, and closes small gaps when there are too many. */
class ExtentList {
  readonly #extentsMax: number;
  #extents: Extent[] = [];
  #gapBytes = 0;

  constructor(extentsMax: number) {
    this.#extentsMax = extentsMax;
  }

  add(startBytes: number, endBytes: number): void {
    if (endBytes <= startBytes) return;
    const last = this.#extents.at(-1);
    if (last !== undefined && startBytes - (last.startBytes + last.sizeBytes) <= this.#gapBytes) {
      last.sizeBytes = endBytes - last.startBytes;
      return;
    }
    this.#extents.push({ startBytes, sizeBytes: endBytes - startBytes });
    if (this.#extents.length > this.#extentsMax) this.#coarsen();
  }

  #coarsen(): void {
    while (this.#extents.length > this.#extentsMax / 2) {
      this.#gapBytes = Math.max(FIRST_GAP_BYTES, this.#gapBytes * 2);
      const joined: Extent[] = [];
      for (const extent of this.#extents) {
        const last = joined.at(-1);
        if (last !== undefined && extent.startBytes - (last.startBytes + last.sizeBytes) <= this.#gapBytes) {
          last.sizeBytes = extent.startBytes + extent.sizeBytes - last.startBytes;
        } else joined.push(extent);
      }
      this.#extents = joined;
    }
  }

  finish(): Extent[] {
    return this.#extents;
  }
}
