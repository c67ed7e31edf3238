import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { testMachine } from '../control/testdata/test-machine.ts';
import { openBlockDevice } from '../disk/block-device.ts';
import { readDiskLayout } from '../disk/partition-table.ts';
import { makeGptDisk } from '../disk/testdata/made-disks.ts';
import { openFileSink } from '../image/file-sink.ts';
import { type ImageReader, openImage } from '../image/image-reader.ts';
import { createImageWriter } from '../image/image-writer.ts';
import { manifestDraft, noise } from '../image/testdata/small-image.ts';
import { silentLog } from '../lib/log.ts';
import { silentScreen } from '../lib/screen.ts';
import { runAgent } from './agent-role.ts';
import { FakeConsole } from './testdata/fake-console.ts';
import { CELL_BYTES, MIB, makeTestDisk, type TestDisk } from './testdata/test-image.ts';

const OLD_BYTE = 0xa5;
const PARTITION_MIB = 4;

let dir: string;
let target: string;
let console: FakeConsole | undefined;
let agent: { ended: Promise<void>; stop: AbortController } | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'td-parts-'));
  target = join(dir, 'target.img');
});
afterEach(async () => {
  agent?.stop.abort();
  await agent?.ended.catch(() => {});
  await console?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** Three partitions of noise, one after the other. */
async function threePartitions(): Promise<TestDisk> {
  const entries = [0, 1, 2].map((i) => ({
    number: i + 1,
    typeGuid: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
    uniqueGuid: `11111111-2222-3333-4444-55555555555${i}`,
    firstSector: ((1 + i * PARTITION_MIB) * MIB) / 512,
    lastSector: ((1 + (i + 1) * PARTITION_MIB) * MIB) / 512 - 1,
    attributes: 0n,
    name: `part ${i + 1}`,
  }));
  const device = makeGptDisk({ sizeBytes: (3 * PARTITION_MIB + 2) * MIB, entries });
  noise(3 * PARTITION_MIB * MIB, 7).copy(device.bytes, MIB);
  return { bytes: device.bytes, layout: await readDiskLayout(device) };
}

async function capture(disks: readonly TestDisk[]): Promise<ImageReader> {
  const path = join(dir, 'lab.sco');
  const writer = createImageWriter(await openFileSink(path), { level: 1, chunkBytes: CELL_BYTES });
  for (const [disk, { layout, bytes }] of disks.entries()) {
    const areas = [...layout.bootAreas, ...layout.partitions].sort((a, b) => a.startBytes - b.startBytes);
    for (const { startBytes, sizeBytes } of areas) {
      for (let at = startBytes; at < startBytes + sizeBytes; at += CELL_BYTES) {
        const end = Math.min(at + CELL_BYTES, startBytes + sizeBytes);
        await writer.add({ disk, offsetBytes: at }, Buffer.from(bytes.subarray(at, end)));
      }
    }
  }
  await writer.finish({ ...manifestDraft(MIB), disks: disks.map((one) => one.layout) });
  return openImage(path);
}

/** Deploys to a target full of old bytes; its bytes afterwards. */
async function deploy(
  image: ImageReader,
  changes: { disk?: number; partitions?: number[] },
): Promise<{ bytes: Buffer; ok: boolean; error: string }> {
  await writeFile(target, Buffer.alloc(16 * MIB, OLD_BYTE));
  console = await FakeConsole.start(dir, image);
  const stop = new AbortController();
  const ended = runAgent({
    ...{ console: console.address, site: console.site, diskFile: target, verify: true },
    ...{ screen: silentScreen, logger: silentLog, signal: stop.signal, firstWaitMs: 50 },
    power: { act: async () => {} },
    readMachineNow: async () => testMachine(1),
  });
  ended.catch(() => {});
  agent = { ended, stop };
  await console.connected();
  await console.deploy(changes);
  const { ok, error } = await console.report();
  return { bytes: await readFile(target), ok, error };
}

it('writes the chosen partition and clears both ends of the others', async () => {
  const disk = await threePartitions();
  const { bytes, ok, error } = await deploy(await capture([disk]), { partitions: [2] });
  expect({ ok, error }).toEqual({ ok: true, error: '' });
  for (const { number, startBytes, sizeBytes } of disk.layout.partitions) {
    const found = bytes.subarray(startBytes, startBytes + sizeBytes);
    if (number === 2) {
      expect(found.equals(disk.bytes.subarray(startBytes, startBytes + sizeBytes))).toBe(true);
      continue;
    }
    const isAll = (part: Buffer, value: number) => part.every((byte) => byte === value);
    expect(isAll(found.subarray(0, MIB), 0), `head of ${number}`).toBe(true);
    expect(isAll(found.subarray(-MIB), 0), `tail of ${number}`).toBe(true);
    expect(isAll(found.subarray(MIB, -MIB), OLD_BYTE), `middle of ${number}`).toBe(true);
  }
  await using device = await openBlockDevice(target);
  expect((await readDiskLayout(device)).partitions).toEqual(disk.layout.partitions);
  const written = console?.messages.findLast((message) => message.type === 'progress');
  expect(written?.type === 'progress' ? written.totalBytes : 0).toBeLessThan((PARTITION_MIB + 2) * MIB);
});

it('takes the chosen disk of an image of several', async () => {
  const [first, second] = [await threePartitions(), await makeTestDisk('mbr', 8)];
  const { bytes, ok, error } = await deploy(await capture([first, second]), { disk: 1 });
  expect({ ok, error }).toEqual({ ok: true, error: '' });
  expect(bytes.subarray(0, 7 * MIB).equals(second.bytes.subarray(0, 7 * MIB))).toBe(true);
});

it('writes nothing when the image has no such partition or disk', async () => {
  const image = await capture([await threePartitions()]);
  const { bytes, ok, error } = await deploy(image, { partitions: [2, 9] });
  expect(ok).toBe(false);
  expect(error).toBe("Cannot deploy partition 9: the image's disk has 1, 2, 3");
  expect(bytes.every((byte) => byte === OLD_BYTE)).toBe(true);
});
