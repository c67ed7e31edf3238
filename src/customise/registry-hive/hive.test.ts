import { describe, expect, it } from 'vitest';
import { BASE, baseChecksum, isValidBase } from './base-block.ts';
import { Hive } from './hive.ts';
import { compareUpperNames, nameHash, nameHint, upperName } from './key-name.ts';
import { contentOf, EDITED_AT, emptyHive, sampleHive } from './testdata/made-hives.ts';
import { dword, numberOf, text, textOf, texts, textsOf, VALUE_TYPE } from './value-data.ts';

const binaryOf = (length: number, fill: number) => ({
  type: VALUE_TYPE.REG_BINARY,
  data: Buffer.alloc(length, fill),
});

/** What no hive of ours may ever have. */
function expectSound(hive: Hive): void {
  expect(hive.check()).toEqual({ problems: [], lostCells: 0 });
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** By walking all bins and cells. */
function* freeCells(file: Buffer): Generator<{ at: number; size: number }> {
  for (let bin = 4096; bin < file.length; bin += file.readUInt32LE(bin + 8)) {
    for (let at = bin + 32; at < bin + file.readUInt32LE(bin + 8); at += Math.abs(file.readInt32LE(at))) {
      if (file.readInt32LE(at) > 0) yield { at, size: file.readInt32LE(at) };
    }
  }
}

describe('a hive', () => {
  it.each([3, 5] as const)('reads back everything that was put into it (version 1.%i)', (minor) => {
    const hive = sampleHive(minor);
    expectSound(hive);
    const again = Hive.parse(hive.toBuffer());
    expectSound(again);
    expect(contentOf(again)).toEqual(contentOf(hive));
    const kinds = again.key('kinds')!;
    expect(textOf(kinds.value('TEXT')!)).toBe('grün & "quoted" \\ 日本');
    expect(textsOf(kinds.value('list')!)).toEqual(['one', 'two', 'drei']);
    expect(numberOf(kinds.value('number')!)).toBe(0xfedc_ba98);
    expect(kinds.value('four segments')!.data.equals(Buffer.alloc(50_000, 'data'))).toBe(true);
    expect(textOf(kinds.value('')!)).toBe('default');
    expect(again.key('names\\STRASSE')).toBeUndefined();
    expect(again.key('NAMES\\ÄRGER')?.name).toBe('ärger');
    expect(again.key('deep\\1\\2\\3\\4\\5\\6\\7\\8')?.path).toBe('Deep\\1\\2\\3\\4\\5\\6\\7\\8');
  });

  it('keeps subkeys in the order of their names in capitals, in leaves of at most one bin', () => {
    const hive = sampleHive();
    for (const path of ['Many', 'Names']) {
      const names = hive
        .key(path)!
        .subkeys()
        .map((key) => upperName(key.name));
      expect(names).toEqual([...names].sort(compareUpperNames));
    }
    expect(hive.key('Many')!.subkeys()).toHaveLength(1200);
  });

  it('removes keys with all below, and gives their room to what comes next', () => {
    const hive = sampleHive();
    const before = hive.toBuffer().length;
    for (let round = 0; round < 3; round += 1) {
      hive.key('Many')!.remove();
      hive.key('Kinds')!.remove();
      expectSound(hive);
      expect(hive.key('Many')).toBeUndefined();
      for (let index = 0; index < 1200; index += 1) hive.root.ensure(`Many\\key ${index}`);
      hive.root.ensure('Kinds').set('four segments', binaryOf(50_000, round));
      hive.root.ensure('Kinds').set('two segments', binaryOf(16_345, round));
      expectSound(hive);
    }
    expect(hive.toBuffer().length).toBeLessThanOrEqual(before);
  });

  it('renames a key in place of the order, also when its cell must move', () => {
    const hive = sampleHive();
    const key = hive.key('Names\\a.b')!;
    key.ensure('below').set('x', dword(1));
    key.rename('z'.repeat(200));
    expectSound(hive);
    expect(numberOf(hive.key(`Names\\${'Z'.repeat(200)}\\below`)!.value('x')!)).toBe(1);
    expect(hive.key('Names\\a.b')).toBeUndefined();
    hive.key('Names\\A_B')!.rename('a_b');
    expect(hive.key('Names\\A_B')!.name).toBe('a_b');
    expect(() => key.rename('Ärger')).toThrow(/exists/);
    expectSound(hive);
  });

  it.each(['S-1', 'r'.repeat(200)])('renames its root to %s', (name) => {
    const hive = sampleHive();
    hive.root.rename(name);
    const again = Hive.parse(hive.toBuffer());
    expect(again.root.name).toBe(name);
    expect(again.key('Names\\a.b')!.path).toBe('Names\\a.b');
    expectSound(again);
  });

  it('says when a handle is of a key that is gone', () => {
    const hive = sampleHive();
    const [key, other] = [hive.key('Names\\a.b')!, hive.key('Names\\a.b')!];
    key.remove();
    expect(() => other.values()).toThrow(/was removed or moved/);
    hive.root.ensure('Names\\a.b');
    expect(() => other.name).toThrow(/was removed or moved/);
  });

  it('overwrites values of any size by values of any other', () => {
    const sizes = [0, 1, 4, 5, 100, 16_344, 16_345, 40_000];
    for (const minor of [3, 5] as const) {
      const hive = emptyHive(minor);
      for (const from of sizes) {
        for (const to of sizes) {
          hive.root.set('v', binaryOf(from, 1));
          hive.root.set('V', binaryOf(to, 2));
          expect(hive.root.value('v')?.data.equals(Buffer.alloc(to, 2))).toBe(true);
        }
      }
      expectSound(hive);
      expect(hive.root.values().map((value) => value.name)).toEqual(['v']);
    }
  });

  it('leaves nothing of what was deleted in the file', () => {
    const hive = emptyHive();
    hive.root.set('secret', text('correct horse battery'));
    hive.root.set('secret2', binaryOf(40_000, 0x5a));
    hive.root.delete('secret');
    hive.root.delete('secret2');
    const file = hive.toBuffer();
    expect(file.includes(Buffer.from('correct', 'utf16le'))).toBe(false);
    expect(file.includes(Buffer.alloc(64, 0x5a))).toBe(false);
  });

  it('wipes what earlier writers left in free cells, ends of cells and behind the bins, and nothing else', () => {
    const hive = sampleHive();
    hive.key('Names')!.remove();
    hive.root.ensure('marked').set('v', text('room!'));
    const file = hive.toBuffer();
    let marks = 0;
    for (const { at, size } of freeCells(file)) marks += size < 16 ? 0 : file.write('MARK', at + 8);
    // The text takes 12 of 12 bytes; as a shorter value it leaves the end of its cell to anyone.
    const valueAt = file.indexOf(Buffer.from('room!', 'utf16le'));
    file.write('MARK', valueAt + 8, 'latin1');
    const cellAt = file.readInt32LE(valueAt - 4);
    expect([marks > 100, cellAt]).toEqual([true, -16]);
    const reference = file.indexOf(Buffer.concat([u32(12), u32(valueAt - 4 - 4096)]));
    file.writeUInt32LE(6, reference);
    const dirty = Hive.parse(Buffer.concat([file, Buffer.from('MARK behind the bins')]));
    const before = contentOf(dirty);
    dirty.wipeUnused();
    const wiped = dirty.toBuffer();
    expect(wiped.includes('MARK')).toBe(false);
    expect(contentOf(Hive.parse(wiped))).toEqual(before);
    expectSound(dirty);
  });

  it('goes back to a snapshot', () => {
    const hive = sampleHive();
    const before = hive.toBuffer();
    const snapshot = hive.snapshot();
    const root = hive.root;
    hive.root.ensure('new').set('x', binaryOf(100_000, 1));
    hive.key('Many')!.remove();
    hive.restore(snapshot);
    expect(() => root.name).toThrow(/look it up again/);
    expect(hive.toBuffer().equals(before)).toBe(true);
    hive.root.ensure('new').set('x', binaryOf(100_000, 1));
    expectSound(hive);
  });

  it('is written as it was read when nothing was changed, also when a value was set to what it is', () => {
    const file = sampleHive().toBuffer();
    const hive = Hive.parse(file);
    hive.key('Kinds')!.set('TEXT', hive.key('Kinds')!.value('text')!);
    hive.root.ensure('deep\\1');
    expect(hive.isChanged).toBe(false);
    expect(hive.toBuffer().equals(file)).toBe(true);
  });

  it('has equal sequence numbers, one higher, the time and a right checksum after an edit', () => {
    const file = sampleHive().toBuffer();
    const hive = Hive.parse(file, { now: () => EDITED_AT });
    hive.root.ensure('x');
    const edited = hive.toBuffer();
    expect(edited.readUInt32LE(BASE.primarySequence)).toBe(file.readUInt32LE(BASE.primarySequence) + 1);
    expect(edited.readUInt32LE(BASE.secondarySequence)).toBe(file.readUInt32LE(BASE.primarySequence) + 1);
    expect(isValidBase(edited)).toBe(true);
    expect(Hive.parse(edited).key('x')!.lastWritten).toEqual(EDITED_AT);
  });
});

describe('security', () => {
  const everyone = (hive: Hive) => {
    const descriptor = hive.root.securityDescriptor;
    descriptor.writeUInt8(0, descriptor.length - 4);
    return descriptor;
  };

  it('is shared by keys with equal descriptors and freed with the last of them', () => {
    const hive = sampleHive();
    const own = everyone(hive);
    const cellsBefore = hive.toBuffer().toString('latin1').split('sk\0\0').length;
    hive.key('Many')!.securityDescriptor = own;
    hive.key('Deep\\1')!.securityDescriptor = own;
    hive.root.ensure('Many\\inherits');
    expect(hive.key('Many\\inherits')!.securityDescriptor.equals(own)).toBe(true);
    expectSound(hive);
    expect(hive.toBuffer().toString('latin1').split('sk\0\0').length).toBe(cellsBefore + 1);
    hive.key('Many')!.remove();
    hive.key('Deep\\1')!.securityDescriptor = hive.root.securityDescriptor;
    expectSound(hive);
    expect(hive.toBuffer().toString('latin1').split('sk\0\0').length).toBe(cellsBefore);
  });

  it('is changed once for all keys that share it', () => {
    const hive = sampleHive();
    const own = everyone(hive);
    expect(hive.changeSecurity(() => own)).toBe(1);
    expect(hive.key('Many\\key 7')!.securityDescriptor.equals(own)).toBe(true);
    expect(() => hive.changeSecurity((descriptor) => descriptor.subarray(1))).toThrow(/another length/);
    expectSound(hive);
  });
});

describe('names', () => {
  it('are put into capitals unit by unit, as Windows does', () => {
    expect(upperName('straße ÿ ı ſ µ ǆ ᾳ')).toBe('STRAßE Ÿ ı ſ µ Ǆ ᾼ');
    expect(upperName('ⴀﬁ')).toBe('Ⴀﬁ');
  });

  it('are hashed and hinted as in real hives', () => {
    // From a SYSTEM hive of Windows 7.
    expect(nameHash('CONTROLSET001')).toBe(nameHash(upperName('ControlSet001')));
    expect(nameHash('AB')).toBe(65 * 37 + 66);
    expect(nameHint('ControlSet001')).toBe(Buffer.from('Cont').readUInt32LE());
    expect(nameHint('ab')).toBe(0x6261);
    expect(nameHint('aΩ')).toBe(0);
  });
});

describe('limits', () => {
  it('refuses names, levels and values that Windows would not take, and changes nothing', () => {
    const hive = emptyHive();
    const file = hive.toBuffer();
    expect(() => hive.root.ensure('x'.repeat(256))).toThrow(/1 to 255/);
    expect(() => hive.root.ensure('a\0b')).toThrow(/1 to 255/);
    expect(() => hive.root.ensure('a\\'.repeat(513))).toThrow(/512 levels/);
    expect(() => hive.root.set('v'.repeat(16_384), dword(1))).toThrow(/16383/);
    expect(() => hive.root.set('v', { type: -1, data: Buffer.alloc(0) })).toThrow(/makes no sense/);
    expect(() => hive.root.remove()).toThrow(/root/);
    expect(() => hive.root.rename('a\\b')).toThrow(/1 to 255/);
    expect(hive.toBuffer().equals(file)).toBe(true);
    expect(hive.root.ensure('a\\'.repeat(512)).path).toHaveLength(1023);
    expectSound(hive);
  });

  it.each([
    ['an empty file', (file: Buffer) => file.subarray(0, 0), /only 0 bytes/],
    ['a truncated file', (file: Buffer) => file.subarray(0, file.length - 4096), /is truncated/],
    ['a wrong checksum', (file: Buffer) => file.fill(1, 48, 49), /checksum/],
    ['no hive', (file: Buffer) => file.fill('x', 0, 4), /"regf"/],
    ['an old version', (file: Buffer) => resealed(file, BASE.minor, 2), /version 1\.2/],
    ['a log', (file: Buffer) => resealed(file, BASE.fileType, 6), /is a log/],
    ['absurd bins', (file: Buffer) => resealed(file, BASE.binsBytes, 0xffff_f000), /truncated/],
    ['no root', (file: Buffer) => resealed(file, BASE.rootCell, 0x24), /no cell at 0x24/],
  ])('refuses %s in one line', (_what, damage, message) => {
    const file = damage(sampleHive().toBuffer());
    expect(() => Hive.parse(file)).toThrow(message);
  });

  it('reads on where it can, lists what is wrong, and does not edit what that could destroy', () => {
    const file = sampleHive().toBuffer();
    file.fill(0, file.lastIndexOf('hbin'), file.lastIndexOf('hbin') + 4);
    const hive = Hive.parse(file);
    expect(hive.check().problems.some((problem) => problem.isUnsafe)).toBe(true);
    expect(() => hive.root.ensure('x')).toThrow(/^Cannot change the registry hive: it is damaged/);
    expect(hive.toBuffer().equals(file)).toBe(true);
  });

  it('edits all the same when only hashes are wrong', () => {
    const hive = sampleHive(3);
    const file = hive.toBuffer();
    const at = file.indexOf('lf\x04\x00', 0, 'latin1');
    expect(at).toBeGreaterThan(0);
    file.writeUInt32LE(1, at + 8);
    const again = Hive.parse(file);
    expect(again.check().problems).toMatchObject([
      { isUnsafe: false, text: expect.stringMatching(/wrong hash/) },
    ]);
    again.root.ensure('x');
    expect(again.key('x')).toBeDefined();
  });
});

function resealed(file: Buffer, at: number, value: number): Buffer {
  file.writeUInt32LE(value, at);
  file.writeUInt32LE(baseChecksum(file), BASE.checksum);
  return file;
}

describe('value data', () => {
  it('ends texts at their zero and lists at their empty text', () => {
    expect(textOf({ data: Buffer.from('a\0b\0', 'utf16le') })).toBe('a');
    expect(textOf({ data: Buffer.from('ab', 'utf16le') })).toBe('ab');
    expect(textsOf({ data: Buffer.from('a\0b\0\0c\0', 'utf16le') })).toEqual(['a', 'b']);
    expect(textsOf(texts([]))).toEqual([]);
    expect(() => texts(['a', ''])).toThrow(/empty/);
    expect(() => numberOf(text('1'))).toThrow(/REG_SZ of 4 bytes/);
  });
});
