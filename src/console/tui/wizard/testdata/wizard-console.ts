import type { Partition } from '../../../../schema/disk-layout.ts';
import type { ImageDetails } from '../../../console-api.ts';
import type { ImageEntry } from '../../../image-library.ts';
import { FakeConsole, type FakeConsoleOptions } from '../../testdata/fake-console.ts';

function partition(
  number: number,
  facts: Partial<Partition> & { kind: Partition['filesystem']['kind'] },
): Partition {
  const { kind, ...rest } = facts;
  return {
    ...{ number, startBytes: number * 2 ** 20, sizeBytes: 1e9, typeId: '07', id: `x-${number}`, name: '' },
    ...{ attributes: '00', filesystem: { kind, label: '', uuid: '' }, ...rest },
  };
}

const disk = {
  ...{ sizeBytes: 256_060_514_304, logicalSectorBytes: 512 as const, physicalSectorBytes: 512 },
  ...{ model: 'Samsung SSD 870', serial: 'S1', table: 'mbr' as const, diskId: 'aabbccdd', bootAreas: [] },
};

export const OFFICE_DETAILS: ImageDetails = {
  ...{ name: 'office', path: '/srv/images/office.sco', comment: '', createdAt: '2026-03-01T14:00:00.000Z' },
  ...{ encrypted: false, usedBytes: 42e9, storedBytes: 21e9, firmware: 'bios', flaws: [] },
  disks: [
    {
      ...disk,
      partitions: [
        partition(1, {
          ...{ kind: 'ntfs', sizeBytes: 104_857_600, attributes: '80' },
          filesystem: { kind: 'ntfs', label: 'System Reserved', uuid: '' },
        }),
        partition(2, {
          ...{ kind: 'ntfs', sizeBytes: 200e9 },
          filesystem: { kind: 'ntfs', label: 'Windows', uuid: '' },
        }),
        partition(3, {
          kind: 'ntfs',
          sizeBytes: 50e9,
          filesystem: { kind: 'ntfs', label: 'Data', uuid: '' },
        }),
      ],
    },
    {
      ...disk,
      model: 'WDC WD10EZEX',
      sizeBytes: 1e12,
      partitions: [partition(1, { kind: 'ext4', sizeBytes: 9e11 })],
    },
  ],
  suggestedPartitions: [[1, 2], [1]],
  partitionUsedBytes: [[40e6, 38e9, 4e9], [3e11]],
};

function image(name: string, facts: Partial<ImageEntry> = {}): ImageEntry {
  return {
    ...{ name, path: `/srv/images/${name}.sco`, fileBytes: 21e9, problem: '', comment: '', root: '' },
    ...{ createdAt: '2026-03-01T14:00:00.000Z', diskBytes: 256e9, usedBytes: 42e9, storedBytes: 21e9 },
    ...facts,
  };
}

export const IMAGES: ImageEntry[] = [
  image('classroom', { comment: 'room 3' }),
  image('library', {
    ...{ createdAt: '', diskBytes: 0, storedBytes: 0, fileBytes: 10 },
    problem: 'Cannot open "/srv/images/library.sco": the file is truncated; copy it again',
  }),
  image('office', { comment: 'all offices, spring' }),
];

/** A console with images, for the wizard. */
export function wizardConsole(options: FakeConsoleOptions = {}): FakeConsole {
  return new FakeConsole({
    computers: 5,
    ...options,
    answers: {
      images: () => IMAGES,
      'image.details': ({ image: name }) => ({ ...OFFICE_DETAILS, name }),
      plan: () => ({
        rows: [
          { label: 'Master image', value: 'office (42.0 GB, taken 2026-03-01)' },
          { label: 'Target computers', value: '2 computers (2 now)' },
        ],
        notApplied: ['the free space of the target disk: it stays as it is'],
        warnings: [],
        problems: [],
      }),
      'template.list': () => [],
      'template.save': () => ({ path: '/var/lib/totaldeploy/templates/x.json' }),
      deploy: () => ({ jobId: 'job-1' }),
      ...options.answers,
    },
  });
}
