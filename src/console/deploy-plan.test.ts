import { describe, expect, it } from 'vitest';
import type { DiskLayout } from '../schema/disk-layout.ts';
import { type TemplateInput, templateSchema } from '../schema/template.ts';
import type { ImageDetails } from './console-api.ts';
import { deployPlan, requestFromTemplate } from './deploy-plan.ts';
import { deployRequestSchema } from './deploy-request.ts';
import { suggestedPartitions } from './image-details.ts';

type Kind = DiskLayout['partitions'][number]['filesystem']['kind'];
const ESP = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const RECOVERY = 'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC';

interface Part {
  kind: Kind;
  gigabytes: number;
  label?: string;
  typeId?: string;
  active?: boolean;
}

function layout(table: 'gpt' | 'mbr', parts: readonly Part[]): DiskLayout {
  return {
    ...{ sizeBytes: 500e9, logicalSectorBytes: 512, physicalSectorBytes: 512, model: 'M', serial: 'S' },
    ...{ table, diskId: '', bootAreas: [] },
    partitions: parts.map(({ kind, gigabytes, label = '', typeId = '', active = false }, i) => ({
      ...{ number: i + 1, startBytes: 1, sizeBytes: gigabytes * 1e9, typeId, id: '', name: '' },
      attributes: active ? '80' : '00',
      filesystem: { kind, label, uuid: '' },
    })),
  };
}

const WINDOWS = layout('gpt', [
  { kind: 'fat32', gigabytes: 0.1, typeId: ESP },
  { kind: 'unknown', gigabytes: 0.016 },
  { kind: 'ntfs', gigabytes: 100, label: 'Windows' },
  { kind: 'ntfs', gigabytes: 300, typeId: RECOVERY },
  { kind: 'ntfs', gigabytes: 50, label: 'Data' },
]);

function image(disks: DiskLayout[], changes: Partial<ImageDetails> = {}): ImageDetails {
  return {
    ...{ name: 'office', path: '/images/office.sco', comment: '', createdAt: '2026-01-02T03:04:05Z' },
    ...{ encrypted: false, usedBytes: 20e9, storedBytes: 10e9, firmware: 'uefi', flaws: [] },
    disks,
    suggestedPartitions: disks.map(suggestedPartitions),
    partitionUsedBytes: [],
    ...changes,
  };
}

const computers = [1, 2, 3].map((number) => ({
  label: `52:54:00:00:00:0${number}`,
  macs: [`52:54:00:00:00:0${number}`],
  serial: '',
}));
const template = (fields: Partial<TemplateInput> = {}) =>
  templateSchema.parse({ version: 1, name: 'lab', image: 'office', ...fields });

function plan(fields: Partial<TemplateInput> = {}, params = {}) {
  return deployPlan(template(fields), { image: image([WINDOWS]), computers, params });
}
const value = (found: ReturnType<typeof plan>, label: string) =>
  found.rows.find((row) => row.label === label)?.value;

describe('the partitions an administrator would start with', () => {
  it.each<[string, 'gpt' | 'mbr', Part[], number[]]>([
    ['Windows on GPT: system and EFI, no recovery, no data', 'gpt', [], [1, 3]],
    [
      'Windows on MBR: its loader and the biggest NTFS',
      'mbr',
      [
        { kind: 'ntfs', gigabytes: 0.1, label: 'System Reserved', active: true },
        { kind: 'ntfs', gigabytes: 80 },
        { kind: 'ntfs', gigabytes: 20 },
      ],
      [1, 2],
    ],
    [
      'Linux: root, EFI and swap',
      'gpt',
      [
        { kind: 'fat32', gigabytes: 0.1, typeId: ESP },
        { kind: 'ext4', gigabytes: 80 },
        { kind: 'swap', gigabytes: 4 },
        { kind: 'fat32', gigabytes: 4 },
      ],
      [1, 2, 3],
    ],
    [
      'several Linux file systems: all',
      'mbr',
      [
        { kind: 'ext4', gigabytes: 1, active: true },
        { kind: 'xfs', gigabytes: 80 },
      ],
      [1, 2],
    ],
    [
      'two systems: all',
      'mbr',
      [
        { kind: 'ntfs', gigabytes: 80, active: true },
        { kind: 'ext4', gigabytes: 80 },
        { kind: 'fat32', gigabytes: 8 },
      ],
      [1, 2, 3],
    ],
    [
      'encrypted or in volumes: all',
      'gpt',
      [
        { kind: 'ext4', gigabytes: 1 },
        { kind: 'luks', gigabytes: 80 },
        { kind: 'fat32', gigabytes: 8 },
      ],
      [1, 2, 3],
    ],
    ['nothing known: all', 'gpt', [{ kind: 'unknown', gigabytes: 8 }], [1]],
  ])('are of %s', (_what, table, parts, expected) => {
    const disk = parts.length === 0 ? WINDOWS : layout(table, parts);
    expect(suggestedPartitions(disk)).toEqual(expected);
  });
});

describe('the plan of a deployment', () => {
  it('says in rows what would be done', () => {
    const found = plan({
      ...{ partitions: [1, 3], targetDisk: 'serial=A', freeSpace: 'grow-last' },
      users: [{ name: 'admin', group: 'administrators' }],
      computerNames: { kind: 'pattern', pattern: 'LAB-{n:02}' },
      membership: { kind: 'workgroup', name: 'LAB' },
      network: {
        kind: 'static',
        first: '10.0.0.10',
        last: '10.0.0.30',
        prefixLength: 24,
        gateway: '10.0.0.1',
      },
      files: [{ source: '//server/a.exe', execute: true }, { source: '/b' }],
      run: { waitFor: 20, waitSeconds: 90 },
    });
    expect(Object.fromEntries(found.rows.map((row) => [row.label, row.value]))).toEqual({
      'Master image': 'office (20.0 GB, taken 2026-01-02)',
      'Disk of the image': '1 (500 GB, GPT)',
      Partitions: '1 (fat32, 100 MB), 3 (Windows, ntfs, 100 GB); the boot area always',
      'Target computers': 'all that are connected (3 now); waits up to 1:30 for 20',
      'Target disk': 'serial=A',
      'Free space': 'given to the last partition',
      'User accounts': 'admin (Administrators)',
      'Computer names': 'pattern LAB-{n:02}: LAB-01 to LAB-03',
      'Domain or workgroup': 'workgroup LAB',
      Network: '10.0.0.10 to 10.0.0.30, /24, gateway 10.0.0.1',
      'Security identifiers': 'a new one on each computer',
      Files: '//server/a.exe (executed), /b',
      Applications: 'none',
      'Disk drivers': 'none',
      'After deployment': 'shut down',
    });
    expect(value(plan({}, { after: 'restart', targets: ['a', 'b'] }), 'After deployment')).toBe('restart');
    expect(JSON.stringify(plan({ imagePassword: 'topsecret' }))).not.toContain('topsecret');
  });

  it('names everything that this version does not apply, and nothing else', () => {
    const everything = {
      users: [{ name: 'admin' }],
      computerNames: { kind: 'pattern' as const, pattern: 'A{n}' },
      membership: { kind: 'workgroup' as const, name: 'LAB' },
      network: { kind: 'dhcp' as const },
      files: [{ source: '/a' }],
      ...{ applications: [{ path: 'C:\\a' }], drivers: [{ source: '/a' }] },
    };
    expect(plan(everything).notApplied).toEqual([]);
    expect(plan({ imagePassword: 'x', freeSpace: 'proportional' }).notApplied).toEqual([
      'the password of the image',
      'the free space of the target disk: it stays as it is',
    ]);
  });

  it('warns when the image holds no system that could be changed', () => {
    const warnings = (kind: Kind, fields: Partial<TemplateInput>) =>
      deployPlan(template(fields), {
        ...{ image: image([layout('gpt', [{ kind, gigabytes: 8 }])]), computers, params: {} },
      }).warnings;
    const users = [{ name: 'admin' }];
    expect(warnings('fat32', { users })).toEqual([expect.stringContaining('can hold Windows or Linux')]);
    expect(warnings('bitlocker', { users })).toEqual([expect.stringContaining('are encrypted')]);
    expect(warnings('fat32', {})).toEqual([]);
    expect(warnings('xfs', { users })).toEqual([]);
  });

  it('asks for the password of who joins computers to the domain when the template has none', () => {
    const membership = { kind: 'domain' as const, name: 'lab.example.org', user: 'joiner' };
    expect(plan({ membership }).asks).toEqual({ user: 'joiner', domain: 'lab.example.org' });
    expect(plan({ membership: { ...membership, password: 'p' } }).asks).toBeUndefined();
  });

  it('has problems where it would be refused', () => {
    expect(plan().problems).toEqual([]);
    expect(plan({ disk: 1 }).problems).toEqual(['the image has 1 disk: there is no disk 2']);
    expect(plan({ partitions: [3, 9] }).problems).toEqual([
      'partition 9 is not in the image; it has 1, 2, 3, 4, 5',
    ]);
    expect(plan({ partitions: [3], targetPartition: 2 }).problems).toEqual([
      expect.stringContaining('would clear the disk'),
    ]);
    const network = { kind: 'static' as const, first: '10.0.0.1', last: '10.0.0.9', prefixLength: 24 };
    expect(plan({ network }, { waitFor: 10 }).problems).toEqual([
      '10.0.0.1 to 10.0.0.9 are 9 addresses for 10 computers; widen the range',
    ]);
  });

  it('warns of flaws of the image and of nobody being there', () => {
    const flawed = image([WINDOWS], { flaws: ['taken with --force'] });
    expect(deployPlan(template(), { image: flawed, computers: [], params: {} }).warnings).toEqual([
      'Image: taken with --force',
      'No computer is connected and free',
    ]);
  });

  it('makes a request that a job takes, with the parameters before the template', () => {
    const fields = {
      ...{ disk: 0, partitions: [1, 3], targetDisk: 'first', after: 'restart' as const },
      run: { waitFor: 5, joinLate: true, wake: true, rateMbit: 100, lostWaitSeconds: 7 },
    };
    const request = (params: object, changes = {}) =>
      deployRequestSchema.parse(
        requestFromTemplate(template({ ...fields, ...changes }), { image: image([WINDOWS]), params }),
      );
    expect(request({})).toMatchObject({
      ...{ image: 'office', disk: 0, partitions: [1, 3], diskRule: 'first', after: 'restart' },
      ...{ targets: 'all', waitFor: 5, waitSeconds: 600, joinLate: true, wake: true, rateMbit: 100 },
      ...{ lostWaitSeconds: 7, template: 'lab' },
    });
    const params = { targets: ['52:54:00:00:00:01'], waitFor: 1, waitSeconds: 2, after: 'wait' };
    expect(request(params)).toMatchObject(params);
    // A place's name is none that a job knows.
    expect(request({}, { image: 'usb/office' }).image).toBe('/images/office.sco');
  });
});
