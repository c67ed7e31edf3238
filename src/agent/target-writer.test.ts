import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDiskLayout } from '../disk/partition-table.ts';
import { MemoryDevice } from '../disk/testdata/memory-device.ts';
import { seededRandom } from '../lib/clock.ts';
import { TargetWriter } from './target-writer.ts';
import { CELL_BYTES, MIB, makeTestDisk, type TestDisk } from './testdata/test-image.ts';

/** A disk that dies after a number of writes. */
class DyingDevice extends MemoryDevice {
  writesLeft = Number.POSITIVE_INFINITY;
  writeCount = 0;

  override async write(offsetBytes: number, bytes: Uint8Array): Promise<void> {
    if (this.writesLeft <= 0) throw new Error('power cut');
    this.writesLeft -= 1;
    this.writeCount += 1;
    await super.write(offsetBytes, bytes);
  }
}

interface Block {
  offsetBytes: number;
  bytes: Buffer;
}

function blocksOf({ bytes, layout }: TestDisk): Block[] {
  const blocks: Block[] = [];
  for (const { startBytes, sizeBytes } of [...layout.bootAreas, ...layout.partitions]) {
    for (let at = startBytes; at < startBytes + sizeBytes; at += CELL_BYTES) {
      const end = Math.min(at + CELL_BYTES, startBytes + sizeBytes);
      blocks.push({ offsetBytes: at, bytes: bytes.subarray(at, end) });
    }
  }
  return blocks;
}

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const random = seededRandom(seed);
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

async function writeAll(device: DyingDevice, disk: TestDisk, seed: number): Promise<void> {
  const writer = new TargetWriter(device, { layout: disk.layout });
  await writer.invalidate();
  for (const block of shuffled(blocksOf(disk), seed)) await writer.write(block.offsetBytes, block.bytes);
  await writer.flush();
  await writer.finishBody();
  await writer.finish();
}

const looksBootable = ({ bytes }: MemoryDevice) => bytes.readUInt16LE(510) === 0xaa55;
const hasGpt = ({ bytes }: MemoryDevice) =>
  bytes.toString('latin1', 512, 520) === 'EFI PART' ||
  bytes.toString('latin1', bytes.length - 512, bytes.length - 504) === 'EFI PART';

/** A disk with another system on it, and how many writes of the new one it survives. */
async function oldDisk(sizeBytes: number, writesLeft = Number.POSITIVE_INFINITY): Promise<DyingDevice> {
  const old = await makeTestDisk('gpt', sizeBytes / MIB);
  old.bytes.fill(0x5a, MIB, sizeBytes - MIB);
  const device = new DyingDevice(old.bytes);
  device.writesLeft = writesLeft;
  return device;
}

describe('TargetWriter', () => {
  it.each([
    ['gpt', 8],
    ['gpt', 11],
    ['mbr', 8],
    ['mbr', 11],
  ] as const)('makes a %s disk on one of %i MiB from blocks in any order', async (table, mib) => {
    const disk = await makeTestDisk(table);
    const device = await oldDisk(mib * MIB);
    await writeAll(device, disk, 5);
    const warnings: string[] = [];
    const layout = await readDiskLayout(device, { onWarning: (line) => warnings.push(line) });
    expect(warnings).toEqual([]);
    expect(layout.partitions).toEqual(disk.layout.partitions);
    for (const { startBytes, sizeBytes } of disk.layout.partitions) {
      const end = startBytes + sizeBytes;
      expect(device.bytes.subarray(startBytes, end).equals(disk.bytes.subarray(startBytes, end))).toBe(true);
    }
  });

  it('never looks bootable before every block is on the disk, wherever the power is cut', async () => {
    for (const table of ['gpt', 'mbr'] as const) {
      const disk = await makeTestDisk(table);
      const whole = await oldDisk(8 * MIB);
      await writeAll(whole, disk, 1);
      const dataBlocks = blocksOf(disk).filter((block) => block.offsetBytes >= MIB);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(),
          fc.integer({ min: 1, max: whole.writeCount }),
          async (seed, writesLeft) => {
            const device = await oldDisk(8 * MIB);
            device.writesLeft = writesLeft;
            await writeAll(device, disk, seed).catch(() => {});
            if (!looksBootable(device)) return;
            for (const { offsetBytes, bytes } of dataBlocks) {
              if (offsetBytes + bytes.length > 7 * MIB) continue;
              const found = device.bytes.subarray(offsetBytes, offsetBytes + bytes.length);
              expect(found.equals(bytes)).toBe(true);
            }
          },
        ),
        { numRuns: 25 },
      );
    }
  });

  it('has no partition table at all while data is being written', async () => {
    const disk = await makeTestDisk('gpt');
    const device = await oldDisk(8 * MIB);
    const writer = new TargetWriter(device, { layout: disk.layout });
    await writer.invalidate();
    for (const block of shuffled(blocksOf(disk), 2)) {
      await writer.write(block.offsetBytes, block.bytes);
      expect(looksBootable(device) || hasGpt(device)).toBe(false);
    }
  });

  it('notices a disk that gives other bytes back', async () => {
    const disk = await makeTestDisk('mbr');
    const device = await oldDisk(8 * MIB);
    const writer = new TargetWriter(device, { layout: disk.layout, remember: true });
    await writer.invalidate();
    for (const block of blocksOf(disk)) await writer.write(block.offsetBytes, block.bytes);
    const reading = { signal: new AbortController().signal, onProgress: () => {} };
    await writer.readBack(reading);
    device.bytes[5 * MIB + 7]! ^= 1;
    await expect(writer.readBack(reading)).rejects.toThrow('gives back other bytes');
  });

  it('does not need the buffers it was given afterwards', async () => {
    const disk = await makeTestDisk('mbr');
    const device = await oldDisk(8 * MIB);
    const writer = new TargetWriter(device, { layout: disk.layout });
    await writer.invalidate();
    for (const block of blocksOf(disk)) {
      const copy = Buffer.from(block.bytes);
      await writer.write(block.offsetBytes, copy);
      copy.fill(0xee);
    }
    await writer.finishBody();
    expect(device.bytes.subarray(0, 512).every((byte) => byte === 0)).toBe(true);
    expect(device.bytes.subarray(512, 8 * MIB - MIB).equals(disk.bytes.subarray(512, 8 * MIB - MIB))).toBe(
      true,
    );
    await writer.finish();
    expect(device.bytes.subarray(0, 512).equals(disk.bytes.subarray(0, 512))).toBe(true);
  });

  it('writes zeros over what was there and counts them', async () => {
    const device = new DyingDevice(Buffer.alloc(8 * MIB, 0x5a));
    const writer = new TargetWriter(device, { layout: (await makeTestDisk('mbr')).layout });
    await writer.invalidate();
    await writer.writeZeros(MIB / 2, 5 * MIB);
    expect(device.bytes.subarray(MIB, 5.5 * MIB).every((byte) => byte === 0)).toBe(true);
    expect(device.bytes[5.5 * MIB]).toBe(0x5a);
    expect(writer.writtenBytes).toBe(5 * MIB);
  });
});
