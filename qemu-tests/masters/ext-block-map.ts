import { TdError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/spawn.ts';
import type { ByteRange } from './fat-block-map.ts';

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** The used blocks of an ext2/3/4 file system inside a disk file, as e2fsprogs sees them. */
export async function extUsedRanges(diskPath: string, offsetBytes: number): Promise<ByteRange[]> {
  const { stdout } = await run('dumpe2fs', [`${diskPath}?offset=${offsetBytes}`], {
    outputBytesMax: OUTPUT_BYTES_MAX,
  });
  return usedRangesOfDump(stdout, offsetBytes);
}

/**
 * Turns dumpe2fs's lists of free blocks into the ranges between them.
 *
 * @throws TdError `invalid` when the text is not what dumpe2fs prints.
 */
export function usedRangesOfDump(dump: string, offsetBytes: number): ByteRange[] {
  const number = (label: string) => {
    const value = dump.match(new RegExp(`^${label}:\\s+(\\d+)$`, 'm'))?.[1];
    if (value === undefined) throw new TdError('invalid', `Cannot read dumpe2fs: it does not say "${label}"`);
    return Number(value);
  };
  const blockBytes = number('Block size');
  const blockCount = number('Block count');
  const freeBlocks = number('Free blocks');
  const free = [...dump.matchAll(/^ {2}Free blocks: (.*)$/gm)]
    .flatMap(([, list]) => list!.split(',').map((part) => part.trim()))
    .filter((part) => part !== '')
    .map((part) => part.split('-').map(Number) as [number, number?])
    .map(([first, last]) => ({ first, last: last ?? first }))
    .sort((a, b) => a.first - b.first);
  const listed = free.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  if (listed !== freeBlocks) {
    throw new TdError('invalid', `Cannot read dumpe2fs: ${listed} free blocks listed, ${freeBlocks} counted`);
  }
  const used: ByteRange[] = [];
  let next = 0;
  for (const range of [...free, { first: blockCount, last: blockCount }]) {
    if (range.first > next) {
      used.push({
        offsetBytes: offsetBytes + next * blockBytes,
        sizeBytes: (range.first - next) * blockBytes,
      });
    }
    next = range.last + 1;
  }
  return used;
}
