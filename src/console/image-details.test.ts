import { expect, it } from 'vitest';
import { manifestDraft } from '../image/testdata/small-image.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';
import type { CapturedPart, ImageManifest } from '../schema/image-manifest.ts';
import { imageDetails } from './image-details.ts';

const GB = 1e9;

function partition(number: number): DiskLayout['partitions'][number] {
  return {
    ...{ number, startBytes: number * GB, sizeBytes: GB, typeId: '83', id: '', name: '', attributes: '00' },
    filesystem: { kind: 'ext4', label: '', uuid: '' },
  };
}

function part(disk: number, number: number | null, usedBytes: number): CapturedPart {
  return {
    ...{ disk, partition: number, startBytes: 0, sizeBytes: GB, usedBytes },
    ...{ method: 'partclone', blockBytes: 4096, warnings: [] },
  };
}

it('tells by disk and partition what is used, and which partitions were not captured', () => {
  const draft = manifestDraft(10 * GB, 2);
  const manifest = {
    ...draft,
    disks: [
      { ...draft.disks[0]!, partitions: [partition(5), partition(1), partition(2)] },
      { ...draft.disks[1]!, partitions: [partition(1)] },
    ],
    parts: [part(0, null, 7), part(0, 1, 11), part(0, 5, 55), part(1, 1, 0)],
  } as ImageManifest;
  const details = imageDetails({ manifest, path: '/images/a.sco', warnings: [] }, 'a');
  expect(details.partitionUsedBytes).toEqual([[55, 11, null], [0]]);
});
