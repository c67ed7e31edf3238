import { TdError } from '../lib/errors.ts';
import type { DiskLayout, Partition } from '../schema/disk-layout.ts';
import type { FetchedImage } from './image-fetch.ts';

/** Which blocks of an image's disk are written: boot areas always, of the partitions the chosen ones. */
export class ChosenParts {
  /** Partitions that are cleared in place of written. */
  readonly cleared: readonly Partition[];

  /** @throws TdError `invalid` for a partition that the image does not have. */
  constructor(layout: DiskLayout, chosen: readonly number[] | undefined) {
    const unknown = chosen?.find((number) => !layout.partitions.some((one) => one.number === number));
    if (unknown !== undefined) {
      const there = layout.partitions.map((one) => one.number).join(', ') || 'none';
      throw new TdError('invalid', `Cannot deploy partition ${unknown}: the image's disk has ${there}`);
    }
    this.cleared =
      chosen === undefined ? [] : layout.partitions.filter((one) => !chosen.includes(one.number));
  }

  /** False for a block inside a partition that is not wanted; a block never crosses a partition's border. */
  isWanted(offsetBytes: number): boolean {
    return !this.cleared.some(
      ({ startBytes, sizeBytes }) => offsetBytes >= startBytes && offsetBytes < startBytes + sizeBytes,
    );
  }

  /** Raw bytes of the blocks that are written. */
  totalBytes(image: FetchedImage): number {
    if (this.cleared.length === 0) return image.totalBytes;
    let bytes = 0;
    for (const { disk, offsetBytes, rawBytes } of image.index.placements()) {
      if (disk === image.disk && this.isWanted(offsetBytes)) bytes += rawBytes;
    }
    return bytes;
  }
}
