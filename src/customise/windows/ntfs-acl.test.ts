import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../lib/spawn.ts';
import { changeSidOfVolume } from './ntfs-acl.ts';
import { isCleanLog } from './ntfs-acl-clean.ts';
import { attributesOf, decodeRecord, decodeRuns, undoFixups, withFixups } from './ntfs-acl-record.ts';
import { descriptorHash } from './ntfs-acl-secure.ts';
import { decodeAttributeList, decodeBootSector } from './ntfs-acl-volume.ts';
import { machineSidBytes, type SidChange } from './sid.ts';

const CHANGE: SidChange = {
  from: [1_111_111_111, 2_222_222_222, 3_333_333_333],
  to: [1_234_567_890, 2_345_678_901, 3_456_789_012],
};
const RECORD_BYTES = 1024;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'td-acl-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function makeVolume(): Promise<string> {
  const path = join(folder, 'volume');
  await writeFile(path, '');
  await truncate(path, 8 * 1024 * 1024);
  await run('mkntfs', ['-q', '-F', '-Q', '-c', '4096', path]);
  return path;
}

/** Where a file record of a volume with 4 KiB clusters lies. */
function recordAt(volume: Buffer, number: number): number {
  return Number(volume.readBigUInt64LE(0x30)) * 4096 + number * RECORD_BYTES;
}

/** An empty file record as NTFS stores it. */
function storedRecord(): Buffer {
  const record = Buffer.alloc(RECORD_BYTES, 0xab);
  record.write('FILE', 0, 'latin1');
  record.writeUInt16LE(0x30, 4);
  record.writeUInt16LE(3, 6);
  record.writeUInt16LE(0x38, 0x14);
  record.writeUInt16LE(1, 0x16);
  record.writeUInt16LE(7, 0x30);
  record.writeUInt32LE(0xffff_ffff, 0x38);
  return withFixups(record);
}

describe('NTFS file records', () => {
  it('stores what it read under another update sequence number', () => {
    const stored = storedRecord();
    const content = Buffer.from(stored);
    expect(undoFixups(content, 'FILE')).toBe(true);
    const again = withFixups(content);
    expect(again.readUInt16LE(0x30)).toBe(9);
    expect(again.readUInt16LE(510)).toBe(9);
    expect(undoFixups(again, 'FILE')).toBe(true);
    expect(again.subarray(0x36).equals(content.subarray(0x36))).toBe(true);
  });

  it('takes no torn record', () => {
    const stored = storedRecord();
    stored.writeUInt16LE(1, RECORD_BYTES - 2);
    expect(decodeRecord(stored, 9)).toBeUndefined();
  });

  it('reads runs with steps back and holes', () => {
    const bytes = Buffer.from('21 10 00 01 11 02 f0 01 05 11 01 10 00'.replaceAll(' ', ''), 'hex');
    expect(decodeRuns(bytes, { firstVcn: 4, what: 'test' })).toEqual([
      { vcn: 4, clusters: 16, lcn: 256 },
      { vcn: 20, clusters: 2, lcn: 240 },
      { vcn: 22, clusters: 5 },
      { vcn: 27, clusters: 1, lcn: 256 },
    ]);
  });

  it('answers any bytes with an error of its own or a result', () => {
    const types = [0x10, 0x20, 0x50, 0x80, 0x90, 0xa0];
    const decoders = [
      (bytes: Buffer) => decodeRuns(bytes, { firstVcn: 0, what: 'fuzz' }),
      (bytes: Buffer) => decodeAttributeList(bytes, 9),
      decodeBootSector,
      isCleanLog,
      (bytes: Buffer) => {
        const record = storedRecord();
        bytes.copy(record, 0x38, 0, 400);
        const decoded = decodeRecord(record, 9);
        return decoded && attributesOf(decoded, types);
      },
    ];
    // Lengths and places that nearly make sense.
    const bytes = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x10, 0x18, 0x80)), {
      maxLength: 600,
    });
    fc.assert(
      fc.property(bytes, fc.constantFrom(...decoders), fc.constantFrom(...types), (numbers, decode, type) => {
        const input = Buffer.from(numbers);
        if (input.length >= 8) input.writeUInt32LE(type, 0);
        try {
          decode(input);
        } catch (error) {
          expect(error).toMatchObject({
            name: 'TdError',
            code: expect.stringMatching(/^(?:invalid|refused)$/),
          });
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('changeSidOfVolume', () => {
  it('writes nothing where no permission holds the old SID', async () => {
    const path = await makeVolume();
    const before = await readFile(path);
    expect(await changeSidOfVolume(path, CHANGE)).toMatchObject({ changedFiles: 0, changedDescriptors: 0 });
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('changes a descriptor that a file keeps for itself, also in the mirror of the first files', async () => {
    const path = await makeVolume();
    const volume = await readFile(path);
    const places = [recordAt(volume, 3), Number(volume.readBigUInt64LE(0x38)) * 4096 + 3 * RECORD_BYTES];
    for (const record of places) {
      let at = record + volume.readUInt16LE(record + 0x14);
      while (volume.readUInt32LE(at) !== 0x50) at += volume.readUInt32LE(at + 4);
      const end = at + volume.readUInt16LE(at + 0x14) + volume.readUInt32LE(at + 0x10);
      machineSidBytes(CHANGE.from).copy(volume, end - 12);
    }
    await writeFile(path, volume);
    expect(await changeSidOfVolume(path, CHANGE)).toMatchObject({ changedFiles: 1, changedDescriptors: 0 });
    const after = await readFile(path);
    expect(after.includes(machineSidBytes(CHANGE.from))).toBe(false);
    const [inTable, inMirror] = places.map((record) => after.subarray(record, record + RECORD_BYTES));
    expect(inTable!.includes(machineSidBytes(CHANGE.to))).toBe(true);
    expect(inTable!.equals(inMirror!)).toBe(true);
    await run('ntfsfix', ['-n', path]);
  });

  it('refuses a volume with an open journal, and what is no volume', async () => {
    const path = await makeVolume();
    const sound = await readFile(path);
    const open = Buffer.from(sound);
    // The first run of $LogFile's data: one byte each for the lengths, then the count and the place.
    const record = recordAt(open, 2);
    let at = record + open.readUInt16LE(record + 0x14);
    while (open.readUInt32LE(at) !== 0x80) at += open.readUInt32LE(at + 4);
    const run = at + open.readUInt16LE(at + 0x20);
    const countBytes = open.readUInt8(run) & 0xf;
    const cluster = open.readUIntLE(run + 1 + countBytes, open.readUInt8(run) >> 4);
    open.write('RSTR', cluster * 4096, 'latin1');
    await writeFile(path, open);
    await expect(changeSidOfVolume(path, CHANGE)).rejects.toThrow(
      /journal was not closed; start Windows once/,
    );
    await writeFile(path, Buffer.alloc(sound.length));
    await expect(changeSidOfVolume(path, CHANGE)).rejects.toThrow(/boot sector is not that of NTFS/);
    await writeFile(path, sound.subarray(0, 600));
    await expect(changeSidOfVolume(path, CHANGE)).rejects.toMatchObject({ code: 'invalid' });
  });

  it('answers damage in $Secure with one line and changes nothing', async () => {
    const path = await makeVolume();
    const sound = await readFile(path);
    const start = recordAt(sound, 9);
    const places = fc.array(fc.tuple(fc.integer({ min: 0x14, max: 0x3f0 }), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    const handle = await open(path, 'r+');
    try {
      await fc.assert(
        fc.asyncProperty(places, async (changes) => {
          const damaged = Buffer.from(sound.subarray(start, start + RECORD_BYTES));
          for (const [at, byte] of changes) damaged.writeUInt8(byte, at);
          await handle.write(damaged, 0, RECORD_BYTES, start);
          const error = await changeSidOfVolume(path, CHANGE).catch((thrown: unknown) => thrown);
          if (error instanceof Error) expect(error).toMatchObject({ name: 'TdError' });
          sound.copy(damaged, 0, start, start + RECORD_BYTES);
          await handle.write(damaged, 0, RECORD_BYTES, start);
        }),
        { numRuns: 150 },
      );
    } finally {
      await handle.close();
    }
    expect((await readFile(path)).equals(sound)).toBe(true);
  });
});

describe('the journal of a volume', () => {
  /** Both restart pages, the second the later one. */
  function journal(clients: number, flags: number): Buffer {
    const pages = [1n, 2n].map((sequence) => {
      const page = Buffer.alloc(4096);
      page.write('RSTR', 0, 'latin1');
      page.writeUInt16LE(0x1e, 4);
      page.writeUInt16LE(9, 6);
      page.writeUInt16LE(0x30, 0x18);
      page.writeBigUInt64LE(sequence, 0x30);
      page.writeUInt16LE(sequence === 2n ? clients : 0xffff, 0x30 + 12);
      page.writeUInt16LE(sequence === 2n ? flags : 0, 0x30 + 14);
      return withFixups(page);
    });
    return Buffer.concat(pages);
  }

  it.each([
    ['emptied', Buffer.alloc(8192, 0xff), true],
    ['closed', journal(0xffff, 0), true],
    ['marked clean', journal(0, 2), true],
    ['open', journal(0, 0), false],
    ['no journal', Buffer.alloc(8192), false],
  ])('is known when it is %s', (_, bytes, isClean) => {
    expect(isCleanLog(bytes)).toBe(isClean);
  });
});

describe('descriptorHash', () => {
  it('rotates by three and adds each word', () => {
    expect(descriptorHash(Buffer.from('01000480', 'hex'))).toBe(0x8004_0001);
    expect(descriptorHash(Buffer.from('0100048014000000', 'hex'))).toBe(0x0020_0020);
  });
});
