import { describe, expect, it } from 'vitest';
import { BASE, baseChecksum, SECTOR_BYTES } from './base-block.ts';
import { Hive } from './hive.ts';
import { marvin32 } from './marvin32.ts';
import { contentOf, EDITED_AT, interrupted, newLog, oldLog, sampleHive } from './testdata/made-hives.ts';
import { dword } from './value-data.ts';

/** States of one hive as Windows would have written them, one after the other. */
function statesOf(count: number): Buffer[] {
  const states = [sampleHive().toBuffer()];
  for (let step = 1; step < count; step += 1) {
    const hive = Hive.parse(states.at(-1)!, { now: () => new Date(EDITED_AT.getTime() + step) });
    hive.root.ensure(`step ${step}`).set('big', { type: 3, data: Buffer.alloc(30_000, step) });
    hive.key('Kinds')!.set('number', dword(step));
    states.push(hive.toBuffer());
  }
  return states;
}

const [first, second, third, fourth] = statesOf(4) as [Buffer, Buffer, Buffer, Buffer];
const sequence = second.readUInt32LE(BASE.primarySequence);
const dirty = interrupted(first, second);
const stepOf = (hive: Hive) => hive.key('Kinds')!.value('number')!.data.readUInt32LE();

function expectState(hive: Hive, state: Buffer): void {
  expect(contentOf(hive)).toEqual(contentOf(Hive.parse(state)));
  expect(hive.check()).toEqual({ problems: [], lostCells: 0 });
  expect(hive).toMatchObject({ wasDirty: true, isComplete: true, isChanged: true });
}

describe('a log of dirty pages', () => {
  const log = oldLog(first, second);

  it('completes a hive that was not written to its end, and lets it grow', () => {
    const hive = Hive.parse(dirty, { logs: [log] });
    expectState(hive, second);
    const written = hive.toBuffer();
    expect(Hive.parse(written)).toMatchObject({ wasDirty: false });
    expect(written.readUInt32LE(BASE.primarySequence)).toBeGreaterThan(sequence);
  });

  it('repairs the head', () => {
    const broken = Buffer.from(dirty);
    broken.fill(0xee, 0, 64);
    second.copy(broken, 4096 + 20, 4096 + 20, 4096 + 28);
    expectState(Hive.parse(broken, { logs: [log] }), second);
  });

  it('is left aside when it is of another time, cut short, or the hive is whole', () => {
    const older = interrupted(second, third);
    expect(Hive.parse(older, { logs: [oldLog(first, second)] }).isComplete).toBe(false);
    expect(Hive.parse(dirty, { logs: [log.subarray(0, log.length - 1)] }).isComplete).toBe(false);
    expect(Hive.parse(first, { logs: [log] })).toMatchObject({ wasDirty: false, isChanged: false });
  });

  it('gives way to the other log when that was written later', () => {
    const later = oldLog(first, third);
    expect(stepOf(Hive.parse(dirty, { logs: [log, later] }))).toBe(2);
    expect(stepOf(Hive.parse(dirty, { logs: [later, log] }))).toBe(2);
  });
});

describe('a log of entries', () => {
  it('completes a hive by all its entries', () => {
    const log = newLog([first, second, third, fourth], sequence);
    expectState(Hive.parse(dirty, { logs: [log] }), fourth);
  });

  it('is followed by the other log when that goes on, whichever comes first', () => {
    const [one, two] = [newLog([first, second], sequence), newLog([second, third, fourth], sequence + 1)];
    expectState(Hive.parse(dirty, { logs: [one, two] }), fourth);
    expectState(Hive.parse(dirty, { logs: [two, one, Buffer.alloc(0), Buffer.alloc(512)] }), fourth);
  });

  it('is not followed by a log with a gap', () => {
    const [one, two] = [newLog([first, second], sequence), newLog([third, fourth], sequence + 2)];
    expect(stepOf(Hive.parse(dirty, { logs: [one, two] }))).toBe(1);
  });

  it('counts across the end of the numbers', () => {
    const logs = [newLog([second, third], 0), newLog([first, second], 0xffff_ffff)];
    const file = Buffer.from(dirty);
    file.writeUInt32LE(0xffff_ffff, BASE.primarySequence);
    file.writeUInt32LE(0xffff_fffe, BASE.secondarySequence);
    file.writeUInt32LE(baseChecksum(file), BASE.checksum);
    expectState(Hive.parse(file, { logs }), third);
  });

  it('ends at the first damaged entry', () => {
    const log = newLog([first, second, third], sequence);
    log[log.length - 3000]! ^= 1;
    expect(stepOf(Hive.parse(dirty, { logs: [log] }))).toBe(1);
    log[SECTOR_BYTES + 100]! ^= 1;
    expect(Hive.parse(dirty, { logs: [log] }).isComplete).toBe(false);
  });

  it('repairs the head from the log that was begun last', () => {
    const broken = Buffer.from(second);
    broken.fill(0xee, 0, 64);
    expectState(Hive.parse(broken, { logs: [newLog([second, third], sequence + 1)] }), third);
  });

  it('that would make the hive larger than itself and its logs is left aside', () => {
    const log = newLog([first, second], sequence);
    log.writeUInt32LE(0x3f00_0000, SECTOR_BYTES + 16);
    marvin32(log.subarray(SECTOR_BYTES, SECTOR_BYTES + 32)).copy(log, SECTOR_BYTES + 32);
    expect(Hive.parse(dirty, { logs: [log] }).isComplete).toBe(false);
  });

  it('has no number above that of the hive written then', () => {
    const logs = [newLog([first, second], sequence), newLog([third, fourth], sequence + 40)];
    const written = Hive.parse(dirty, { logs }).toBuffer();
    expect(written.readUInt32LE(BASE.primarySequence)).toBe(sequence + 41);
  });
});

describe('a hive whose pending changes are lost', () => {
  it('is read and not edited, unless that is accepted', () => {
    const hive = Hive.parse(dirty);
    expect(hive).toMatchObject({ wasDirty: true, isComplete: false, isChanged: false });
    expect(() => hive.root.ensure('x')).toThrow(/pending changes and no log/);
    expect(hive.toBuffer().equals(dirty)).toBe(true);
    const accepted = Hive.parse(dirty, { acceptLoss: true });
    accepted.root.ensure('x');
    expect(Hive.parse(accepted.toBuffer()).wasDirty).toBe(false);
  });
});
