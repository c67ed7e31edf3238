import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../lib/spawn.ts';
import { decodeVolumeRecord, readNtfsVolume } from './ntfs-volume.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-ntfs-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function makeVolume(args: readonly string[]): Promise<Buffer> {
  const path = join(folder, 'volume');
  await (await open(path, 'w')).close();
  await truncate(path, 8 * 1024 * 1024);
  await run('mkntfs', ['-q', '-F', '-f', ...args, path]);
  return await readFile(path);
}

function reader(volume: Buffer) {
  return async (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    volume.copy(bytes, 0, Math.min(offset, volume.length));
    return bytes;
  };
}

/** $Volume's place: record 3 of the master file table of a volume with 4 KiB clusters. */
function recordAt(volume: Buffer): number {
  return Number(volume.readBigUInt64LE(0x30)) * 4096 + 3 * 1024;
}

function setDirty(volume: Buffer): void {
  const record = recordAt(volume);
  for (let at = record + volume.readUInt16LE(record + 0x14); ; at += volume.readUInt32LE(at + 4)) {
    if (volume.readUInt32LE(at) !== 0x70) continue;
    const value = at + volume.readUInt16LE(at + 0x14);
    volume.writeUInt16LE(volume.readUInt16LE(value + 10) | 1, value + 10);
    return;
  }
}

describe('NTFS $Volume', () => {
  it('reads label and cluster size as mkntfs made them', async () => {
    const volume = await makeVolume(['-L', 'Systém', '-c', '4096']);
    expect(await readNtfsVolume(reader(volume))).toEqual({
      label: 'Systém',
      dirty: false,
      clusterBytes: 4096,
    });
  });

  it('sees the dirty flag', async () => {
    const volume = await makeVolume(['-c', '4096']);
    setDirty(volume);
    expect(await readNtfsVolume(reader(volume))).toMatchObject({ dirty: true });
  });

  it('says nothing of a volume whose record was torn while it was written', async () => {
    const volume = await makeVolume(['-c', '4096']);
    volume[recordAt(volume) + 1022]! ^= 1;
    expect(await readNtfsVolume(reader(volume))).toBeUndefined();
  });

  it('answers any record without throwing', async () => {
    const volume = await makeVolume(['-c', '4096']);
    const whole = volume.subarray(recordAt(volume), recordAt(volume) + 1024);
    const change = fc.record({ at: fc.nat({ max: 1023 }), value: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 10 }),
        fc.array(change, { maxLength: 5 }),
        async (changes, boot) => {
          const bytes = Buffer.from(volume);
          for (const { at, value } of boot) bytes[at % 512] = value;
          const record = Buffer.from(whole);
          for (const { at, value } of changes) record[at] = value;
          record.copy(bytes, recordAt(volume));
          const found = await readNtfsVolume(reader(bytes));
          if (found !== undefined) expect(typeof found.dirty).toBe('boolean');
          try {
            decodeVolumeRecord(record);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid' });
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
