import { TdError } from '../../lib/errors.ts';
import { CELL_ALIGN_BYTES, LIST, NK, NOWHERE, SK, VK } from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';
import { KEY_LEVELS_MAX, PROBLEMS_MAX } from './hive-limits.ts';
import { keyCell, keyName, rootOffset, valueCell } from './key-cells.ts';
import { compareUpperNames, upperName } from './key-name.ts';
import { securityCell, securityOf, securityRing } from './security-cells.ts';
import { elementMark, leafElementBytes, leafOffsets, type SubkeyLeaf, subkeyLeaves } from './subkey-lists.ts';
import { dataCells, partBytes, valueOffsets } from './value-cells.ts';

export interface HiveProblem {
  /** One line. */
  text: string;
  /** An edit could destroy what is still good. */
  isUnsafe: boolean;
}

export interface HiveCheck {
  /** At most `PROBLEMS_MAX`. */
  problems: HiveProblem[];
  /** Allocated cells that nothing leads to; Windows itself leaves some. */
  lostCells: number;
}

export interface CheckedCells extends HiveCheck {
  /** How much of a cell's data is used; undefined when nothing leads to the cell. */
  usedBytesOf(offset: number): number | undefined;
}

/** Follows everything from the root and lists what is wrong, at most `PROBLEMS_MAX`. */
export function checkCells(cells: CellStore): CheckedCells {
  return new CellCheck(cells).run();
}

/** A key that is still to be looked at. */
interface WaitingKey {
  offset: number;
  parent: number;
  level: number;
}

class CellCheck {
  readonly #cells: CellStore;
  readonly #problems: HiveProblem[] = [];
  /** Of the cell that begins at each 8 bytes: how much of its data is used, and 1 more; 0 when nothing led there. */
  readonly #used: Uint32Array;
  /** How many keys have each security cell. */
  readonly #references = new Map<number, number>();

  constructor(cells: CellStore) {
    this.#cells = cells;
    this.#used = new Uint32Array(cells.binsBytes / CELL_ALIGN_BYTES);
  }

  run(): CheckedCells {
    for (const text of this.#cells.layoutProblems) this.#problem(text, { isUnsafe: true });
    const root = rootOffset(this.#cells);
    const waiting: WaitingKey[] = [{ offset: root, parent: NOWHERE, level: 0 }];
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      const found = key;
      this.#attempt(() => this.#checkKey(found, waiting));
    }
    this.#attempt(() => this.#checkSecurity(securityOf(this.#cells, root)));
    return {
      problems: this.#problems,
      lostCells: this.#countLost(),
      usedBytesOf: (offset) => this.#usedBytesOf(offset),
    };
  }

  #problem(text: string, { isUnsafe }: { isUnsafe: boolean }): void {
    if (this.#problems.length < PROBLEMS_MAX) this.#problems.push({ text, isUnsafe });
  }

  /** What cannot be read is a problem, and what can be is checked on. */
  #attempt(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof TdError)) throw error;
      this.#problem(error.message, { isUnsafe: true });
    }
  }

  /** @returns false when something else uses the cell already. */
  #claim(offset: number, usedBytes: number, what: string): boolean {
    this.#cells.assertCell(offset, usedBytes, what);
    if (this.#used[offset / CELL_ALIGN_BYTES] !== 0) {
      this.#problem(`the cell at 0x${offset.toString(16)} is used twice, now by ${what}`, { isUnsafe: true });
      return false;
    }
    this.#used[offset / CELL_ALIGN_BYTES] = usedBytes + 1;
    return true;
  }

  #usedBytesOf(offset: number): number | undefined {
    const used = this.#used[offset / CELL_ALIGN_BYTES] ?? 0;
    return used === 0 ? undefined : used - 1;
  }

  #checkKey({ offset, parent, level }: WaitingKey, waiting: WaitingKey[]): void {
    const key = keyCell(this.#cells, offset);
    if (!this.#claim(offset, NK.name + key.readUInt16LE(NK.nameBytes), 'a registry key')) return;
    if (level > KEY_LEVELS_MAX) {
      this.#problem(`the key at 0x${offset.toString(16)} lies too deep`, { isUnsafe: true });
      return;
    }
    if (parent !== NOWHERE && key.readUInt32LE(NK.parent) !== parent) {
      this.#problem(`${describe(key)} does not know the key above it`, { isUnsafe: true });
    }
    const classBytes = key.readUInt16LE(NK.classNameBytes);
    const className = key.readUInt32LE(NK.className);
    if (classBytes > 0 && className !== NOWHERE)
      this.#claim(className, classBytes, 'the class of a registry key');
    const security = securityOf(this.#cells, offset);
    if (security === undefined) this.#problem(`${describe(key)} has no security`, { isUnsafe: false });
    else this.#references.set(security, (this.#references.get(security) ?? 0) + 1);
    this.#attempt(() => this.#checkValues(key));
    this.#checkSubkeys({ offset, key, level }, waiting);
  }

  #checkValues(key: Buffer): void {
    const offsets = valueOffsets(this.#cells, key);
    if (offsets.length === 0) return;
    if (!this.#claim(key.readUInt32LE(NK.valueList), offsets.length * 4, 'a list of values')) return;
    for (const offset of offsets) this.#attempt(() => this.#checkValue(offset));
  }

  #checkValue(offset: number): void {
    const value = valueCell(this.#cells, offset);
    if (!this.#claim(offset, VK.name + value.readUInt16LE(VK.nameBytes), 'a registry value')) return;
    const place = dataCells(this.#cells, value);
    const [head, list] = place.lists;
    if (head !== undefined) this.#claim(head, 8, 'the data of a value');
    if (list !== undefined) this.#claim(list, place.data.length * 4, 'the data of a value');
    place.data.forEach((part, index) => {
      this.#claim(part, partBytes(place, index), 'the data of a value');
    });
  }

  #checkSubkeys(of: { offset: number; key: Buffer; level: number }, waiting: WaitingKey[]): void {
    const leaves = subkeyLeaves(this.#cells, of.offset);
    const listOffset = of.key.readUInt32LE(NK.subkeyList);
    if (leaves.length > 0 && leaves[0]?.offset !== listOffset) {
      this.#claim(listOffset, LIST.elements + leaves.length * 4, 'a list of subkeys');
    }
    let count = 0;
    let before: string | undefined;
    for (const leaf of leaves) {
      const bytes = LIST.elements + leaf.count * leafElementBytes(leaf.signature);
      if (!this.#claim(leaf.offset, bytes, 'a list of subkeys')) continue;
      count += leaf.count;
      before = this.#checkLeaf(of.key, leaf, before);
      for (const offset of leafOffsets(this.#cells, leaf)) {
        waiting.push({ offset, parent: of.offset, level: of.level + 1 });
      }
    }
    const promised = of.key.readUInt32LE(NK.subkeyCount);
    if (count !== promised) {
      this.#problem(`${describe(of.key)} has ${count} subkeys, not ${promised}`, { isUnsafe: true });
    }
  }

  /** Order and hashes; Windows does not find keys that are elsewhere. @returns the last name in capitals */
  #checkLeaf(key: Buffer, leaf: SubkeyLeaf, before: string | undefined): string | undefined {
    const list = this.#cells.cell(leaf.offset, 0, 'a list of subkeys');
    let last = before;
    leafOffsets(this.#cells, leaf).forEach((offset, index) => {
      if (!this.#cells.isCell(offset)) return;
      const name = this.#nameAt(offset);
      if (name === undefined) return;
      const upper = upperName(name);
      if (last !== undefined && compareUpperNames(last, upper) >= 0) {
        this.#problem(`${describe(key)} has its subkey "${name}" in the wrong place`, { isUnsafe: false });
      }
      last = upper;
      const mark = elementMark(leaf.signature, name);
      if (mark !== undefined && list.readUInt32LE(LIST.elements + index * 8 + 4) !== mark) {
        this.#problem(`${describe(key)} has a wrong hash of its subkey "${name}"`, { isUnsafe: false });
      }
    });
    return last;
  }

  #nameAt(offset: number): string | undefined {
    try {
      return keyName(keyCell(this.#cells, offset));
    } catch (error) {
      if (error instanceof TdError) return undefined;
      throw error;
    }
  }

  #checkSecurity(first: number | undefined): void {
    const ring = first === undefined ? [] : securityRing(this.#cells, first);
    ring.forEach((offset, index) => {
      const cell = securityCell(this.#cells, offset);
      this.#claim(offset, SK.descriptor + cell.readUInt32LE(SK.descriptorBytes), "a registry key's security");
      const next = ring[(index + 1) % ring.length] ?? offset;
      const isLinked =
        cell.readUInt32LE(SK.next) === next &&
        securityCell(this.#cells, next).readUInt32LE(SK.previous) === offset;
      if (!isLinked) this.#problem('the ring of security descriptors is broken', { isUnsafe: true });
    });
    const known = new Set(ring);
    for (const [offset, references] of this.#references) {
      const at = `the security descriptor at 0x${offset.toString(16)}`;
      if (!known.has(offset)) this.#problem(`${at} is not in the ring`, { isUnsafe: true });
      else {
        const stored = securityCell(this.#cells, offset).readUInt32LE(SK.references);
        // Too many only keep it longer than needed; too few would free it while it is used.
        if (stored !== references) {
          const text = `${at} counts ${stored} keys, not ${references}`;
          this.#problem(text, { isUnsafe: stored < references });
        }
      }
    }
  }

  #countLost(): number {
    let lost = 0;
    for (const offset of this.#cells.allocatedCells()) if (this.#usedBytesOf(offset) === undefined) lost += 1;
    return lost;
  }
}

function describe(key: Buffer): string {
  return `the key "${keyName(key)}"`;
}
