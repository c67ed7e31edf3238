import { createCipheriv } from 'node:crypto';
import { join } from 'node:path';
import { readDiskLayout } from '../../disk/partition-table.ts';
import { encodeMbr, makeGptDisk } from '../../disk/testdata/made-disks.ts';
import { MemoryDevice } from '../../disk/testdata/memory-device.ts';
import { openFileSink } from '../../image/file-sink.ts';
import { type ImageReader, openImage } from '../../image/image-reader.ts';
import { createImageWriter } from '../../image/image-writer.ts';
import type { DiskLayout } from '../../schema/disk-layout.ts';

export const MIB = 1024 * 1024;
export const CELL_BYTES = 256 * 1024;

export interface TestDisk {
  bytes: Buffer;
  layout: DiskLayout;
}

/** Bytes that no compression makes smaller, the same for the same seed. */
function fillNoise(bytes: Buffer, seed: number): void {
  const key = Buffer.alloc(16, seed);
  createCipheriv('aes-128-ctr', key, key).update(Buffer.alloc(bytes.length)).copy(bytes);
}

/** A disk of `mib` MiB with boot code and one partition of noise, a hole of zeros and a repeated part. */
export async function makeTestDisk(table: 'gpt' | 'mbr', mib = 8): Promise<TestDisk> {
  const sizeBytes = mib * MIB;
  const firstSector = MIB / 512;
  const sectorCount = sizeBytes / 512 - 2 * firstSector;
  const device =
    table === 'gpt'
      ? makeGptDisk({
          sizeBytes,
          entries: [
            {
              number: 1,
              typeGuid: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
              uniqueGuid: '11111111-2222-3333-4444-555555555555',
              firstSector,
              lastSector: firstSector + sectorCount - 1,
              attributes: 0n,
              name: 'root',
            },
          ],
        })
      : new MemoryDevice(Buffer.alloc(sizeBytes));
  if (table === 'mbr') encodeMbr([{ status: 0x80, type: 0x83, firstSector, sectorCount }]).copy(device.bytes);
  fillNoise(device.bytes.subarray(0, 440), 1);
  fillNoise(device.bytes.subarray(64 * 1024, 96 * 1024), 2);
  fillNoise(device.bytes.subarray(MIB, sizeBytes - MIB), 3);
  device.bytes.fill(0, 2 * MIB, 3 * MIB);
  device.bytes.copy(device.bytes, 4 * MIB, MIB, MIB + CELL_BYTES);
  return { bytes: device.bytes, layout: await readDiskLayout(device) };
}

/** Captures a test disk completely; returns the opened image. */
export async function captureTestDisk(disk: TestDisk, dir: string, name = 'lab'): Promise<ImageReader> {
  const path = join(dir, `${name}.sco`);
  const writer = createImageWriter(await openFileSink(path), { level: 1, chunkBytes: CELL_BYTES });
  const { layout, bytes } = disk;
  const areas = [...layout.bootAreas, ...layout.partitions].sort((a, b) => a.startBytes - b.startBytes);
  for (const { startBytes, sizeBytes } of areas) {
    for (let at = startBytes; at < startBytes + sizeBytes; at += CELL_BYTES) {
      const end = Math.min(at + CELL_BYTES, startBytes + sizeBytes);
      await writer.add({ disk: 0, offsetBytes: at }, Buffer.from(bytes.subarray(at, end)));
    }
  }
  await writer.finish({
    name,
    comment: '',
    createdAt: '2026-01-02T03:04:05Z',
    programVersion: '0.1.0',
    source: { hostname: 'master', model: '', serial: '', firmware: 'bios' },
    disks: [layout],
    parts: [],
    usedBytes: 0,
    flaws: [],
  });
  return openImage(path);
}
