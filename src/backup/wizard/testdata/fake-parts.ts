import { TdError } from '../../../lib/errors.ts';
import type { DiskLayout, FilesystemKind, Partition } from '../../../schema/disk-layout.ts';
import type { MachineDisk } from '../../../schema/machine.ts';
import type { WizardParts } from '../wizard-parts.ts';

export function fakeDisk(name: string, more: Partial<MachineDisk> = {}): MachineDisk {
  return {
    name,
    sizeBytes: 500_107_862_016,
    logicalSectorBytes: 512,
    physicalSectorBytes: 512,
    model: 'ACME Disk 500',
    serial: `S-${name}`,
    wwn: '',
    bus: 'ata',
    rotational: false,
    removable: false,
    readOnly: false,
    bootMedium: false,
    ...more,
  };
}

function partition(number: number, kind: FilesystemKind, more: Partial<Partition> = {}): Partition {
  return {
    number,
    startBytes: number * 1_000_000_000,
    sizeBytes: 900_000_000,
    typeId: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
    id: '',
    name: '',
    attributes: '0000000000000000',
    filesystem: { kind, label: '', uuid: '' },
    ...more,
  };
}

function layoutOf(partitions: Partition[]): DiskLayout {
  return {
    sizeBytes: 500_107_862_016,
    logicalSectorBytes: 512,
    physicalSectorBytes: 512,
    model: '',
    serial: '',
    table: partitions.length === 0 ? 'none' : 'gpt',
    diskId: '',
    bootAreas: [],
    partitions,
  };
}

const SYSTEM = layoutOf([
  partition(1, 'fat32', { name: 'EFI system partition', sizeBytes: 272_629_760 }),
  partition(2, 'ntfs', { filesystem: { kind: 'ntfs', label: 'Windows', uuid: '' }, sizeBytes: 300e9 }),
  partition(3, 'ntfs', { filesystem: { kind: 'ntfs', label: 'Daten', uuid: '' }, sizeBytes: 199e9 }),
]);
const STICK = layoutOf([
  partition(1, 'exfat', { filesystem: { kind: 'exfat', label: 'IMAGES', uuid: '' }, sizeBytes: 128e9 }),
]);

/** Two disks, a USB stick, the boot medium, one console and one share. */
export function fakeParts(folder: string, more: Partial<WizardParts> = {}): WizardParts {
  const unmounted: string[] = [];
  return {
    disks: async () => [
      fakeDisk('sda'),
      fakeDisk('sdb', { model: 'USB Stick', sizeBytes: 128e9, bus: 'usb', removable: true }),
      fakeDisk('sdc', { bootMedium: true }),
    ],
    contents: async (disk) => ({
      layout: disk.name === 'sda' ? SYSTEM : STICK,
      problems: [],
      warnings: [],
    }),
    usedBytes: async (_disk, { sizeBytes }) => sizeBytes / 4,
    consoles: async () => [
      {
        address: '192.168.1.10',
        controlPort: 5001,
        name: 'lab-server',
        version: '1.0',
        protocol: 1,
        certificateSha256: 'ab'.repeat(32),
      },
    ],
    hasImage: async (_console, name) => name === 'taken',
    mount: async (request) => {
      if (request.kind === 'smb' && request.password !== 'right') {
        throw new TdError(
          'refused',
          `Cannot use "${request.source}": the server refuses the user or the password`,
        );
      }
      return {
        path: folder,
        source: { kind: request.kind, source: request.source, server: '', label: '' },
        [Symbol.asyncDispose]: async () => void unmounted.push(request.source),
      };
    },
    listFolder: async (path) => ({
      path,
      parent: '/',
      freeBytes: 64e9,
      writable: !path.includes('locked'),
      entries: [{ name: 'images', kind: 'folder', sizeBytes: 0, changedAt: '' }],
    }),
    suggestedPartitions: ({ partitions }) =>
      partitions.map(({ number }) => number).filter((number) => number < 3),
    ...more,
  };
}
