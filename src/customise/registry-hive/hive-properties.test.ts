import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { BASE, baseChecksum } from './base-block.ts';
import { Hive } from './hive.ts';
import type { HiveKey } from './hive-key.ts';
import { replayLogs } from './hive-logs.ts';
import { upperName } from './key-name.ts';
import { emptyHive, interrupted, newLog, oldLog, sampleHive } from './testdata/made-hives.ts';

/** What a key holds, by its name in capitals. */
interface Model {
  name: string;
  keys: Map<string, Model>;
  values: Map<string, { name: string; type: number; data: Buffer }>;
  security: string;
}

type Change =
  | { do: 'remove'; path: number[] }
  | { do: 'rename'; path: number[]; to: number }
  | { do: 'set'; path: number[]; name: number; bytes: number; fill: number }
  | { do: 'delete'; path: number[]; name: number }
  | { do: 'secure'; path: number[]; fill: number };

type Step =
  | Change
  | { do: 'ensure'; path: number[] }
  | { do: 'fill'; path: number[]; count: number }
  | { do: 'write' }
  | { do: 'undo' };

/** Few names, so that steps meet: letters of both cases, of one byte and two, short and long. */
const NAMES = ['a', 'A', 'b', 'Ä', 'ä', 'Ω', 'ω', 'zz', 'a b', 'n'.repeat(120), 'Ж'.repeat(90), '~'];
const index = fc.nat({ max: NAMES.length - 1 });
// Mostly the first names, so that what one step made is met by the next.
const often = fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: index });
const path = fc.array(often, { minLength: 1, maxLength: 3 });
const bytes = fc.oneof(fc.nat({ max: 40 }), fc.constantFrom(4, 5, 16_343, 16_344, 16_345, 33_000));
const fill = fc.nat({ max: 255 });
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), path, name: index, bytes, fill }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('ensure' as const), path }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), path }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('rename' as const), path, to: index }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), path, name: index }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('secure' as const), path, fill: fc.nat({ max: 3 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('fill' as const), path, count: fc.nat({ max: 700 }) }),
    },
    { weight: 1, arbitrary: fc.constantFrom({ do: 'write' as const }, { do: 'undo' as const }) },
  ),
  { maxLength: 60 },
);

function nameOf(number: number): string {
  return NAMES[number]!;
}

function pathText(numbers: readonly number[]): string {
  return numbers.map(nameOf).join('\\');
}

function newModel(name: string, security: string): Model {
  return { name, keys: new Map(), values: new Map(), security };
}

function ensureModel(root: Model, names: readonly string[]): Model {
  let model = root;
  for (const name of names) {
    const below = model.keys.get(upperName(name)) ?? newModel(name, model.security);
    model.keys.set(upperName(name), below);
    model = below;
  }
  return model;
}

function findModel(root: Model, numbers: readonly number[]): Model | undefined {
  let model: Model | undefined = root;
  for (const number of numbers) model = model?.keys.get(upperName(nameOf(number)));
  return model;
}

/** A hive beside what it should hold. */
class Pair {
  hive: Hive;
  model: Model;

  constructor(minor: 3 | 5) {
    this.hive = emptyHive(minor);
    this.model = newModel('ROOT', this.hive.root.securityDescriptor.toString('hex'));
  }

  apply(step: Step): void {
    if (step.do === 'write') this.hive = Hive.parse(this.hive.toBuffer());
    else if (step.do === 'undo') this.#undo();
    else if (step.do === 'ensure') {
      this.hive.root.ensure(pathText(step.path));
      ensureModel(this.model, step.path.map(nameOf));
    } else if (step.do === 'fill') this.#fill(step.path, step.count);
    else {
      const [key, model] = [this.hive.key(pathText(step.path)), findModel(this.model, step.path)];
      expect(key?.name).toBe(model?.name);
      if (key !== undefined && model !== undefined) this.#change(step, key, model);
    }
  }

  #undo(): void {
    const snapshot = this.hive.snapshot();
    for (const key of this.hive.root.subkeys()) key.remove();
    this.hive.root.set('x', { type: 3, data: Buffer.alloc(20_000) });
    this.hive.restore(snapshot);
  }

  #fill(numbers: readonly number[], count: number): void {
    const names = numbers.map(nameOf);
    for (let number = 0; number < count; number += 1) {
      const name = `${(number * 271) % 700}`;
      this.hive.root.ensure([...names, name].join('\\'));
      ensureModel(this.model, [...names, name]);
    }
  }

  #change(step: Change, key: HiveKey, model: Model): void {
    const parent = findModel(this.model, step.path.slice(0, -1))!;
    if (step.do === 'remove') {
      key.remove();
      parent.keys.delete(upperName(model.name));
    } else if (step.do === 'rename') {
      const taken = parent.keys.get(upperName(nameOf(step.to)));
      if (taken !== undefined && taken !== model) {
        expect(() => key.rename(nameOf(step.to))).toThrow(/exists/);
        return;
      }
      key.rename(nameOf(step.to));
      parent.keys.delete(upperName(model.name));
      parent.keys.set(upperName(nameOf(step.to)), Object.assign(model, { name: nameOf(step.to) }));
    } else if (step.do === 'set') {
      const content = { type: step.fill, data: Buffer.alloc(step.bytes, step.fill) };
      const before = model.values.get(upperName(nameOf(step.name)));
      key.set(nameOf(step.name), content);
      model.values.set(upperName(nameOf(step.name)), { name: before?.name ?? nameOf(step.name), ...content });
    } else if (step.do === 'delete') {
      expect(key.delete(nameOf(step.name))).toBe(model.values.delete(upperName(nameOf(step.name))));
    } else if (step.do === 'secure') {
      const descriptor = Buffer.alloc(20 + step.fill * 4, step.fill);
      key.securityDescriptor = descriptor;
      model.security = descriptor.toString('hex');
    }
  }

  expectEqual(): void {
    const waiting: [HiveKey, Model][] = [[this.hive.root, this.model]];
    for (const [key, model] of waiting) {
      const values = key.values().map((value) => [value.name, value.type, value.data.toString('latin1')]);
      expect(values).toEqual(
        [...model.values.values()].map(({ name, type, data }) => [name, type, data.toString('latin1')]),
      );
      expect(key.securityDescriptor.toString('hex')).toBe(model.security);
      const inOrder = [...model.keys].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, below]) => below);
      const subkeys = key.subkeys();
      expect(subkeys.map((subkey) => subkey.name)).toEqual(inOrder.map((below) => below.name));
      subkeys.forEach((subkey, at) => {
        waiting.push([subkey, inOrder[at]!]);
      });
    }
    expect(this.hive.check()).toEqual({ problems: [], lostCells: 0 });
  }
}

describe('any sequence of edits', () => {
  it.each([3, 5] as const)('keeps a hive sound and reads back as what was done (version 1.%i)', (minor) => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const pair = new Pair(minor);
        for (const step of sequence) pair.apply(step);
        pair.expectEqual();
        pair.apply({ do: 'write' });
        pair.expectEqual();
      }),
      { numRuns: 40 },
    );
  });
});

/** Reads all there is to read, and edits. Only a one-line TdError may come of it. */
function useAll(file: Buffer, logs: readonly Buffer[] = []): void {
  const attempt = (use: () => void) => {
    try {
      use();
    } catch (error) {
      if (!(error instanceof TdError)) throw error;
      expect(error.message).toMatch(/^[^\n]{10,500}$/);
    }
  };
  attempt(() => {
    const hive = Hive.parse(file, { logs, acceptLoss: true });
    expect(hive.check().problems.length).toBeLessThanOrEqual(1000);
    attempt(() => {
      for (const key of hive.keys()) {
        attempt(() => key.values());
        attempt(() => key.className);
        attempt(() => key.securityDescriptor);
        attempt(() => key.path);
      }
    });
    attempt(() => {
      hive.root.ensure('new\\key').set('v', { type: 3, data: Buffer.alloc(20_000, 1) });
      hive.root.subkeys()[0]?.rename('q'.repeat(100));
      hive.root.subkeys().at(-1)?.remove();
      hive.wipeUnused();
      expect(
        Hive.parse(hive.toBuffer())
          .check()
          .problems.filter((problem) => problem.isUnsafe),
      ).toEqual([]);
    });
  });
}

function resealed(file: Buffer): Buffer {
  file.writeUInt32LE(baseChecksum(file), BASE.checksum);
  return file;
}

/** A hive with a few of everything, so that a mutation often matters. */
function smallFile(minor: 3 | 5): Buffer {
  const hive = emptyHive(minor);
  for (const name of ['a', 'b', 'b\\c', 'b\\c\\d', 'Ω']) {
    const key = hive.root.ensure(name);
    key.set('small', { type: 4, data: Buffer.alloc(4, 1) });
    key.set('cell', { type: 1, data: Buffer.alloc(40, 1) });
    key.securityDescriptor = Buffer.alloc(20 + name.length * 4, 7);
  }
  hive.key('a')!.set('big', { type: 3, data: Buffer.alloc(35_000, 1) });
  for (let number = 0; number < 600; number += 1) hive.root.ensure(`many\\${number}`);
  return hive.toBuffer();
}

describe('any bytes', () => {
  const u32 = fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.nat({ max: 0x4000 }), fc.constant(0xffff_ffff));
  const mutation = fc.record({ at: fc.nat(), value: u32, bytes: fc.constantFrom(1, 2, 4) });

  it.each([3, 5] as const)('in place of some of a hive give an error or a tree (version 1.%i)', (minor) => {
    const original = smallFile(minor);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 12 }), (mutations) => {
        const file = Buffer.from(original);
        for (const { at, value, bytes: length } of mutations) {
          // Aligned, and half of them where keys and lists are.
          const where = at % 2 === 0 ? 4096 + (at % 8192) : at % (file.length - 4);
          file.writeUIntLE(value % 2 ** (8 * length), where & ~1, length);
        }
        useAll(resealed(file));
      }),
      { numRuns: 120 },
    );
  });

  it('that point from cell to cell give an error or a tree', () => {
    const original = smallFile(5);
    const cells = cellOffsets(original);
    const cell = fc.nat({ max: cells.length - 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, fc.nat({ max: 20 }), cell), { minLength: 1, maxLength: 8 }),
        (links) => {
          const file = Buffer.from(original);
          for (const [from, word, to] of links) {
            const at = 4096 + cells[from]! + 4 + word * 4;
            if (at + 4 <= file.length) file.writeUInt32LE(cells[to]!, at);
          }
          useAll(resealed(file));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('of noise give an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12_000 }), fc.uint8Array({ maxLength: 2000 }), (noise, log) => {
        const file = Buffer.from(noise);
        if (file.length >= 8192) sampleHive().toBuffer().copy(file, 0, 0, 4140);
        useAll(file, [Buffer.from(log)]);
      }),
      { numRuns: 80 },
    );
  });

  it('in a log are never more than an unused log', () => {
    const before = smallFile(5);
    const hive = Hive.parse(before);
    hive.root.ensure('after').set('v', { type: 3, data: Buffer.alloc(9000, 9) });
    const after = hive.toBuffer();
    const dirty = interrupted(before, after);
    const sequence = after.readUInt32LE(BASE.primarySequence);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), fc.boolean(), (mutations, isNew) => {
        const log = isNew ? newLog([before, after], sequence) : oldLog(before, after);
        for (const { at, value, bytes: length } of mutations) {
          log.writeUIntLE(value % 2 ** (8 * length), at % (log.length - 4), length);
        }
        resealed(log);
        expect(replayLogs(dirty, [log]).bytes.length).toBeLessThanOrEqual(dirty.length + log.length);
        useAll(dirty, [log]);
      }),
      { numRuns: 80 },
    );
  });
});

function cellOffsets(file: Buffer): number[] {
  const offsets: number[] = [];
  for (let bin = 4096; bin < file.length; bin += file.readUInt32LE(bin + 8)) {
    const end = bin + file.readUInt32LE(bin + 8);
    for (let at = bin + 32; at < end; at += Math.abs(file.readInt32LE(at))) offsets.push(at - 4096);
  }
  return offsets;
}
