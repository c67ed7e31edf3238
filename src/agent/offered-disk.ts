import type { Offer } from '../control/messages.ts';
import { formatBytes } from '../lib/progress.ts';
import type { MachineDisk } from '../schema/machine.ts';

export type OfferEnd = 'started' | 'left';

/** One offer and the disk it would be written to. */
export interface OfferedDisk {
  offer: Offer;
  disk: MachineDisk;
  warnings: readonly string[];
  /** Asks the console for it. @throws TdError with the reason why not. */
  start(pin: string): Promise<{ jobId: string }>;
}

/** What is typed to confirm a disk, and whether it was. */
export function confirmationOf(disk: MachineDisk): string {
  return formatBytes(disk.sizeBytes);
}

export function isConfirmed(disk: MachineDisk, typed: string): boolean {
  const bare = (text: string) => text.replace(/\s+/g, '').toLowerCase();
  return bare(typed) === bare(confirmationOf(disk));
}

/** What a person must see before anything is overwritten. */
export function offerRows({ offer, disk }: OfferedDisk): [label: string, value: string][] {
  const comment: [string, string][] = offer.comment === '' ? [] : [['Comment', offer.comment]];
  return [
    ['Deployment', offer.name],
    ...comment,
    ['Image', offer.image],
    ['Disk', disk.name],
    ['Model', disk.model || 'unknown'],
    ['Serial', disk.serial || 'unknown'],
    ['Size', confirmationOf(disk)],
  ];
}
