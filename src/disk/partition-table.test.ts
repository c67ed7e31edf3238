import { mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TdError } from '../lib/errors.ts';
import { run } from '../lib/spawn.ts';
import { diskLayoutSchema } from '../schema/disk-layout.ts';
import { openBlockDevice } from './block-device.ts';
import type { GptEntry } from './gpt-table.ts';
import { readDiskLayout, relocateGptBackup } from './partition-table.ts';
import { encodeMbr, makeGptDisk } from './testdata/made-disks.ts';
import { MemoryDevice } from './testdata/memory-device.ts';

const MIB = 1024 * 1024;
const LINUX = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const ESP = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-table-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function emptyFile(name: string, sizeBytes: number): Promise<string> {
  const path = join(folder, name);
  await (await open(path, 'w')).close();
  await truncate(path, sizeBytes);
  return path;
}

async function layoutOf(path: string, fileSectorBytes = 512) {
  await using device = await openBlockDevice(path, { fileSectorBytes });
  const warnings: string[] = [];
  const layout = await readDiskLayout(device, { onWarning: (line) => warnings.push(line) });
  expect(diskLayoutSchema.parse(layout)).toEqual(layout);
  return { layout, warnings };
}

function entry(number: number, firstSector: number, lastSector: number): GptEntry {
  const uniqueGuid = `00000000-0000-0000-0000-${number.toString(16).toUpperCase().padStart(12, '0')}`;
  return { number, typeGuid: LINUX, uniqueGuid, firstSector, lastSector, attributes: 0n, name: '' };
}

describe('readDiskLayout', () => {
  it('reads a GPT as sgdisk wrote it', async () => {
    const path = await emptyFile('disk', 64 * MIB);
    const args = ['-U', '6B3A4E5C-0F1D-4C2B-9A8E-112233445566', '-n', '1:2048:+8M', '-t', '1:EF00'];
    args.push('-c', '1:EFI Systém', '-u', '1:11111111-2222-3333-4444-555555555555', '-A', '1:set:0');
    args.push(
      '-n',
      '3:40960:0',
      '-t',
      '3:8300',
      '-u',
      '3:AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE',
      '-A',
      '3:set:63',
    );
    await run('sgdisk', [...args, path]);
    const { layout, warnings } = await layoutOf(path);
    expect(warnings).toEqual([]);
    expect(layout).toMatchObject({
      table: 'gpt',
      diskId: '6B3A4E5C-0F1D-4C2B-9A8E-112233445566',
      sizeBytes: 64 * MIB,
    });
    expect(layout.partitions).toEqual([
      {
        number: 1,
        startBytes: MIB,
        sizeBytes: 8 * MIB,
        typeId: ESP,
        id: '11111111-2222-3333-4444-555555555555',
        name: 'EFI Systém',
        attributes: '0000000000000001',
        filesystem: { kind: 'unknown', label: '', uuid: '' },
      },
      {
        number: 3,
        startBytes: 40_960 * 512,
        sizeBytes: 64 * MIB - 33 * 512 - 40_960 * 512,
        typeId: LINUX,
        id: 'AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE',
        name: '',
        attributes: '8000000000000000',
        filesystem: { kind: 'unknown', label: '', uuid: '' },
      },
    ]);
    expect(layout.bootAreas).toEqual([
      { kind: 'head', startBytes: 0, sizeBytes: MIB },
      { kind: 'gpt-backup', startBytes: 64 * MIB - 33 * 512, sizeBytes: 33 * 512 },
    ]);
  });

  it('reads an MBR with logical partitions as sfdisk wrote it, numbered as the kernel does', async () => {
    const path = await emptyFile('disk', 128 * MIB);
    const input = [
      'label: dos',
      'label-id: 0xdeadbeef',
      'start=2048, size=20480, type=7, bootable',
      'start=22528, size=100000, type=f',
      'start=24576, size=4096, type=83',
      'start=30720, size=4096, type=82',
      'start=200000, size=1000, type=83',
    ].join('\n');
    await run('sfdisk', [path], { input });
    const { layout } = await layoutOf(path);
    expect(layout).toMatchObject({ table: 'mbr', diskId: 'deadbeef' });
    const brief = layout.partitions.map((p) => [
      p.number,
      p.startBytes / 512,
      p.sizeBytes / 512,
      p.typeId,
      p.attributes,
    ]);
    const dumped = (await run('sfdisk', ['--dump', path])).stdout.matchAll(
      /^\S*?disk(\d+) : start=\s*(\d+), size=\s*(\d+), type=(\w+)(, bootable)?/gm,
    );
    const expected = [...dumped]
      .map((m) => [Number(m[1]), Number(m[2]), Number(m[3]), m[4]!.padStart(2, '0'), m[5] ? '80' : '00'])
      .filter((one) => one[3] !== '0f');
    expect(brief).toEqual(expected);
    expect(brief.map((one) => one[0])).toEqual([1, 3, 5, 6]);
    expect(layout.partitions[0]?.id).toBe('deadbeef-01');
    expect(layout.bootAreas.map((area) => [area.kind, area.startBytes / 512, area.sizeBytes / 512])).toEqual([
      ['head', 0, 2048],
      ['ebr', 22_528, 1],
      ['ebr', expect.any(Number), 1],
    ]);
  });

  it('reads a GPT on a disk of 4096-byte sectors', async () => {
    const disk = makeGptDisk({ sizeBytes: 64 * MIB, sectorBytes: 4096, entries: [entry(1, 256, 511)] });
    const layout = await readDiskLayout(disk);
    expect(layout.logicalSectorBytes).toBe(4096);
    expect(layout.partitions[0]).toMatchObject({ startBytes: MIB, sizeBytes: MIB });
    expect(layout.bootAreas[1]).toMatchObject({ startBytes: 64 * MIB - 5 * 4096, sizeBytes: 5 * 4096 });
  });

  it('finds a filesystem on a disk without a table', async () => {
    const path = await emptyFile('floppy', 64 * MIB);
    await run('mkfs.vfat', ['-F', '32', '-s', '1', '-n', 'STICK', path]);
    const { layout } = await layoutOf(path);
    expect(layout).toMatchObject({ table: 'none', bootAreas: [] });
    expect(layout.partitions).toMatchObject([
      { number: 1, startBytes: 0, sizeBytes: 64 * MIB, filesystem: { kind: 'fat32', label: 'STICK' } },
    ]);
  });

  it('finds no partitions on a disk that was only given a table', async () => {
    const mbr = new MemoryDevice(Buffer.alloc(4 * MIB));
    encodeMbr([]).copy(mbr.bytes);
    expect(await readDiskLayout(mbr)).toMatchObject({
      table: 'mbr',
      partitions: [],
      bootAreas: [{ kind: 'head', startBytes: 0, sizeBytes: MIB }],
    });
    const gpt = makeGptDisk({ sizeBytes: 4 * MIB, entries: [] });
    expect((await readDiskLayout(gpt)).bootAreas[0]).toEqual({ kind: 'head', startBytes: 0, sizeBytes: MIB });
  });

  it('keeps at most 64 MiB of a gap before the first partition', async () => {
    const gpt = makeGptDisk({ sizeBytes: 80 * MIB, entries: [entry(1, 150_000, 150_001)] });
    expect((await readDiskLayout(gpt)).bootAreas[0]).toEqual({
      kind: 'head',
      startBytes: 0,
      sizeBytes: 64 * MIB,
    });
  });

  it.each([
    ['header', 512 + 60],
    ['entries', 1024 + 40],
    ['signature', 512],
  ])('uses the backup when the primary %s is damaged, and says so', async (_title, at) => {
    const disk = makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095)] });
    const whole = await readDiskLayout(disk);
    disk.bytes[at]! ^= 0xff;
    const warnings: string[] = [];
    const layout = await readDiskLayout(disk, { onWarning: (line) => warnings.push(line) });
    expect(layout).toEqual(whole);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^Cannot use the primary GPT of "memory": .*its backup copy was used$/);
  });

  it('says so when the backup is damaged, and goes on', async () => {
    const disk = makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095)] });
    disk.bytes[disk.sizeBytes - 512 + 30]! ^= 1;
    const warnings: string[] = [];
    const layout = await readDiskLayout(disk, { onWarning: (line) => warnings.push(line) });
    expect(layout.bootAreas.map((area) => area.kind)).toEqual(['head']);
    expect(warnings).toEqual(['The backup GPT of "memory" is missing or damaged; the primary was used']);
  });

  it('finds a backup that is not at the end, as on a disk image that was made bigger', async () => {
    const disk = makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095)] });
    const bigger = new MemoryDevice(Buffer.concat([disk.bytes, Buffer.alloc(8 * MIB)]));
    expect((await readDiskLayout(bigger)).bootAreas[1]).toEqual({
      kind: 'gpt-backup',
      startBytes: 8 * MIB - 33 * 512,
      sizeBytes: 33 * 512,
    });
  });

  it.each<[string, MemoryDevice, string]>([
    [
      'overlapping GPT partitions',
      makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095), entry(2, 4000, 5000)] }),
      'partition 2 at 2048000 overlaps partition 1',
    ],
    [
      'overlapping MBR partitions',
      mbrDisk([
        { type: 7, firstSector: 63, sectorCount: 1000 },
        { type: 7, firstSector: 500, sectorCount: 10 },
      ]),
      'partition 2 at 256000 overlaps partition 1',
    ],
    ['a partition on the table', mbrDisk([{ type: 7, firstSector: 0, sectorCount: 1000 }]), 'overlaps'],
    [
      'a partition beyond the end',
      mbrDisk([{ type: 7, firstSector: 63, sectorCount: 0xffff_ffff }]),
      'partition 1 ends at',
    ],
    [
      'an extended partition beyond the end',
      mbrDisk([{ type: 5, firstSector: 63, sectorCount: 0xffff_ffff }]),
      'extended partition reaches beyond',
    ],
    [
      'two extended partitions',
      mbrDisk([
        { type: 5, firstSector: 63, sectorCount: 100 },
        { type: 5, firstSector: 263, sectorCount: 100 },
      ]),
      'more than one extended',
    ],
    ['a GPT that is damaged twice', damagedTwice(), 'its backup is no better'],
    [
      'a protective MBR alone',
      mbrDisk([{ type: 0xee, firstSector: 1, sectorCount: 9999 }]),
      'its backup is no better',
    ],
    [
      'sectors of 2048 bytes',
      new MemoryDevice(Buffer.alloc(MIB), { sectorBytes: 2048 }),
      'sectors of 2048 bytes',
    ],
    ['a disk of 512 bytes', new MemoryDevice(Buffer.alloc(512)), 'it has only 512 bytes'],
  ])('refuses %s', async (_title, disk, message) => {
    const read = readDiskLayout(disk);
    await expect(read).rejects.toThrow(TdError);
    await expect(read).rejects.toThrow(message);
    await expect(read).rejects.not.toThrow('\n');
  });

  it('answers any bytes in the tables with a valid layout or a one-line error', async () => {
    const change = fc.record({ at: fc.nat({ max: 4095 }), value: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.constantFrom('gpt', 'mbr', 'random'),
        async (changes, kind) => {
          const disk =
            kind === 'gpt'
              ? makeGptDisk({ sizeBytes: 2 * MIB, entries: [entry(1, 64, 100)] })
              : mbrDisk(
                  [
                    { type: 5, firstSector: 2, sectorCount: 500 },
                    { type: 7, firstSector: 600, sectorCount: 9 },
                  ],
                  2 * MIB,
                );
          for (const { at, value } of changes) {
            disk.bytes[at] = value;
            if (kind === 'gpt') disk.bytes[disk.sizeBytes - 1 - at] = value;
          }
          try {
            const layout = await readDiskLayout(disk);
            expect(diskLayoutSchema.safeParse(layout).success).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(TdError);
            expect((error as Error).message).not.toContain('\n');
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

function mbrDisk(entries: Parameters<typeof encodeMbr>[0], sizeBytes = 4 * MIB): MemoryDevice {
  const disk = new MemoryDevice(Buffer.alloc(sizeBytes));
  encodeMbr(entries).copy(disk.bytes);
  return disk;
}

function damagedTwice(): MemoryDevice {
  const disk = makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095)] });
  disk.bytes[512 + 60]! ^= 1;
  disk.bytes[disk.sizeBytes - 512 + 60]! ^= 1;
  return disk;
}

describe('relocateGptBackup', () => {
  it('makes a GPT that sgdisk finds whole on a bigger disk, and keeps identities', async () => {
    const path = await emptyFile('disk', 32 * MIB);
    await run('sgdisk', ['-n', '1:2048:+4M', '-c', '1:one', '-n', '2:0:0', '-c', '2:two', path]);
    const { layout: source } = await layoutOf(path);
    await truncate(path, 100 * MIB);
    await expect(run('sgdisk', ['-v', path])).resolves.toMatchObject({
      stdout: /not at the end of the disk|problem/i,
    });
    {
      await using device = await openBlockDevice(path, { write: true });
      expect(await relocateGptBackup(device, source)).toBe(true);
    }
    const verified = (await run('sgdisk', ['-v', path])).stdout;
    expect(verified).toMatch(/No problems found/);
    expect(verified).not.toMatch(/warning|problem:/i);
    const { layout, warnings } = await layoutOf(path);
    expect(warnings).toEqual([]);
    expect(layout.partitions).toEqual(source.partitions);
    expect(layout.diskId).toBe(source.diskId);
    expect(layout.bootAreas[1]?.startBytes).toBe(100 * MIB - 33 * 512);
    // The new room can be used: that is what the headers' last usable sector is for.
    await run('sgdisk', ['-n', '3:0:+60M', path]);
    await using device = await openBlockDevice(path);
    const oldBackup = await device.read(32 * MIB - 512, 512);
    expect(oldBackup.includes('EFI PART')).toBe(false);
    const protective = await device.read(446 + 12, 4);
    expect(protective.readUInt32LE(0)).toBe((100 * MIB) / 512 - 1);
  });

  it('works for any size of disk and table', async () => {
    const sizes = fc.record({
      sectorBytes: fc.constantFrom<512 | 4096>(512, 4096),
      entryCount: fc.constantFrom(4, 128, 130, 256),
      extraSectors: fc.nat({ max: 3000 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, async ({ sectorBytes, entryCount, extraSectors }) => {
        const entries = [entry(1, 300, 400), entry(4, 401, 401)];
        const source = makeGptDisk({ sizeBytes: 1000 * sectorBytes, sectorBytes, entryCount, entries });
        const layout = await readDiskLayout(source);
        const bytes = Buffer.concat([source.bytes, Buffer.alloc(extraSectors * sectorBytes)]);
        const target = new MemoryDevice(bytes, { sectorBytes });
        await relocateGptBackup(target, layout);
        const warnings: string[] = [];
        const after = await readDiskLayout(target, { onWarning: (line) => warnings.push(line) });
        expect(warnings).toEqual([]);
        expect(after.partitions).toEqual(layout.partitions);
        const backup = after.bootAreas[1]!;
        expect(backup.startBytes + backup.sizeBytes).toBe(target.sizeBytes);
        // Wreck the primary: the new backup must stand for itself.
        target.bytes.fill(0xaa, sectorBytes, 3 * sectorBytes);
        expect((await readDiskLayout(target)).partitions).toEqual(layout.partitions);
      }),
      { numRuns: 60 },
    );
  });

  it('mends a damaged primary from the backup of the source', async () => {
    const disk = makeGptDisk({ sizeBytes: 4 * MIB, entries: [entry(1, 2048, 4095)] });
    disk.bytes.fill(0x55, 512, 2048);
    const layout = await readDiskLayout(disk);
    const target = new MemoryDevice(Buffer.concat([disk.bytes, Buffer.alloc(MIB)]));
    await relocateGptBackup(target, layout);
    const warnings: string[] = [];
    expect((await readDiskLayout(target, { onWarning: (line) => warnings.push(line) })).partitions).toEqual(
      layout.partitions,
    );
    expect(warnings).toEqual([]);
  });

  it('fits a smaller disk when the partitions fit, and refuses before it writes when they do not', async () => {
    const source = makeGptDisk({ sizeBytes: 8 * MIB, entries: [entry(1, 2048, 4095)] });
    const layout = await readDiskLayout(source);
    const smaller = new MemoryDevice(Buffer.from(source.bytes.subarray(0, 4 * MIB)));
    await relocateGptBackup(smaller, layout);
    expect((await readDiskLayout(smaller)).partitions).toEqual(layout.partitions);
    const tooSmall = new MemoryDevice(Buffer.from(source.bytes.subarray(0, 2 * MIB + 512)));
    const before = Buffer.from(tooSmall.bytes);
    await expect(relocateGptBackup(tooSmall, layout)).rejects.toThrow('partition 1 ends at sector 4095');
    expect(tooSmall.bytes.equals(before)).toBe(true);
  });

  it('leaves MBR disks and disks of other sectors alone', async () => {
    const mbr = mbrDisk([{ type: 7, firstSector: 63, sectorCount: 1000 }]);
    expect(await relocateGptBackup(mbr, await readDiskLayout(mbr))).toBe(false);
    const gpt = makeGptDisk({ sizeBytes: 4 * MIB, entries: [entry(1, 2048, 4095)] });
    const other = new MemoryDevice(Buffer.from(gpt.bytes), { sectorBytes: 4096 });
    await expect(relocateGptBackup(other, await readDiskLayout(gpt))).rejects.toThrow(
      'sectors of 4096 bytes',
    );
  });
});
