import { TdError } from '../../lib/errors.ts';
import { BASE, dateOf, filetimeOf } from './base-block.ts';
import { KEY_FLAG, NK, NOWHERE, SIGNATURE } from './cell-layout.ts';
import type { CellStore } from './cell-store.ts';
import { KEY_LEVELS_MAX, KEY_NAME_UNITS_MAX, VALUE_BYTES_MAX, VALUE_NAME_UNITS_MAX } from './hive-limits.ts';
import type { HiveState } from './hive-state.ts';
import { keyCell, keyName, rootOffset, valueCell, valueName } from './key-cells.ts';
import { encodeName, upperName } from './key-name.ts';
import {
  addReference,
  descriptorOf,
  dropReference,
  securityCell,
  securityOf,
  takeSecurity,
} from './security-cells.ts';
import {
  findSubkey,
  freeSubkeyLists,
  insertSubkey,
  leafOffsets,
  removeSubkey,
  subkeyLeaves,
  subkeyOffsets,
} from './subkey-lists.ts';
import {
  addValue,
  findValue,
  freeValues,
  readValue,
  removeValue,
  valueOffsets,
  writeValue,
} from './value-cells.ts';
import type { ValueContent } from './value-data.ts';

/** A value as it was when it was read. */
export interface HiveValue extends ValueContent {
  /** Empty for the default value. */
  readonly name: string;
}

/**
 * One key of a hive. Names are found whatever their case; paths are parted by backslashes.
 * A handle is outdated, and says so, once its key was removed or moved by another handle, or the hive restored.
 */
export class HiveKey {
  readonly #state: HiveState;
  #offset: number;
  #age: string;

  /** Keys are got from a `Hive`. */
  constructor(state: HiveState, offset: number) {
    this.#state = state;
    this.#offset = offset;
    this.#age = state.ageOf(offset);
  }

  get name(): string {
    return keyName(this.#cell());
  }

  /** From below the root, whose own path is empty. */
  get path(): string {
    return this.#line()
      .map((offset) => keyName(keyCell(this.#cells, offset)))
      .join('\\');
  }

  /** Undefined for a key without a class. */
  get className(): string | undefined {
    const key = this.#cell();
    const bytes = key.readUInt16LE(NK.classNameBytes);
    const offset = key.readUInt32LE(NK.className);
    if (bytes === 0 || offset === NOWHERE) return undefined;
    return this.#cells.cell(offset, bytes, 'the class of a registry key').toString('utf16le', 0, bytes & ~1);
  }

  get lastWritten(): Date {
    return dateOf(this.#cell().readBigUInt64LE(NK.lastWritten));
  }

  /** All subkeys in the order of Windows. @throws TdError `invalid` when the lists are damaged */
  subkeys(): HiveKey[] {
    return subkeyOffsets(this.#cells, this.#live()).map((offset) => new HiveKey(this.#state, offset));
  }

  /** @param path one name or more; the empty path is this key itself. */
  subkey(path: string): HiveKey | undefined {
    let offset: number | undefined = this.#live();
    for (const name of namesOf(path)) {
      offset = findSubkey(this.#cells, offset, upperName(name));
      if (offset === undefined) return undefined;
    }
    return new HiveKey(this.#state, offset);
  }

  /** The subkey at a path; what is missing of it is made, with the security of the key above. */
  ensure(path: string): HiveKey {
    const found = this.subkey(path);
    if (found !== undefined) return found;
    const names = namesOf(path);
    for (const name of names) assertKeyName(name);
    if (this.#line().length + names.length > KEY_LEVELS_MAX) {
      throw new TdError(
        'invalid',
        `Cannot make a registry key: more than ${KEY_LEVELS_MAX} levels are not allowed`,
      );
    }
    this.#state.beginEdit();
    let offset = this.#offset;
    for (const name of names) {
      offset = findSubkey(this.#cells, offset, upperName(name)) ?? this.#create(offset, name);
    }
    return new HiveKey(this.#state, offset);
  }

  /** Removes the key with all below it. @throws TdError `refused` for the root */
  remove(): void {
    if (this.#isRoot) throw new TdError('refused', 'Cannot remove the root of a registry hive');
    this.#state.beginEdit();
    const parent = this.#cell().readUInt32LE(NK.parent);
    const doomed = [this.#offset];
    for (const offset of doomed) {
      for (const below of subkeyOffsets(this.#cells, offset)) doomed.push(below);
    }
    removeSubkey(this.#cells, parent, this.#offset);
    for (const offset of doomed) this.#free(offset);
    this.#touch(parent);
  }

  /** Gives the key another name and its place among the others. @throws TdError `refused` when the name is taken */
  rename(name: string): void {
    assertKeyName(name);
    if (this.#isRoot) this.#renameRoot(name);
    else this.#renameSubkey(name);
  }

  #renameSubkey(name: string): void {
    const parent = this.#cell().readUInt32LE(NK.parent);
    const taken = findSubkey(this.#cells, parent, upperName(name));
    if (taken !== undefined && taken !== this.#offset) {
      throw new TdError('refused', `Cannot rename the registry key "${this.path}": "${name}" exists`);
    }
    this.#state.beginEdit();
    const { bytes, compressed } = encodeName(name);
    removeSubkey(this.#cells, parent, this.#offset);
    const moved = this.#cells.resize(this.#offset, NK.name + bytes.length);
    if (moved !== this.#offset) this.#moveTo(moved);
    writeName(keyCell(this.#cells, moved), { bytes, compressed });
    insertSubkey(this.#cells, parent, moved);
    raiseLargest(keyCell(this.#cells, parent), { subkeyName: name });
    this.#touch(moved);
    this.#touch(parent);
  }

  /** All values in their order. @throws TdError `invalid` when one of them is damaged */
  values(): HiveValue[] {
    // Values that share their cells could be more than memory holds.
    let roomBytes = this.#cells.binsBytes;
    return valueOffsets(this.#cells, this.#cell()).map((offset) => {
      const value = this.#read(offset);
      roomBytes -= value.name.length + value.data.length;
      if (roomBytes >= 0) return value;
      throw new TdError('invalid', `Cannot read the values of "${this.path}": they are larger than the hive`);
    });
  }

  /** @param name empty for the default value. */
  value(name: string): HiveValue | undefined {
    const offset = findValue(this.#cells, this.#cell(), upperName(name));
    return offset === undefined ? undefined : this.#read(offset);
  }

  /** Sets a value; an existing one keeps the case of its name and its place, and an equal one is left alone. */
  set(name: string, content: ValueContent): void {
    assertValue(name, content);
    const offset = findValue(this.#cells, this.#cell(), upperName(name));
    const before = offset === undefined ? undefined : this.#read(offset);
    if (before?.type === content.type && before.data.equals(content.data)) return;
    this.#state.beginEdit();
    if (offset === undefined) addValue(this.#cells, this.#offset, { name, ...content });
    else writeValue(this.#cells, offset, content);
    raiseLargest(this.#cell(), { valueName: name, valueBytes: content.data.length });
    this.#touch(this.#offset);
  }

  /** @returns false when there is no such value. */
  delete(name: string): boolean {
    const offset = findValue(this.#cells, this.#cell(), upperName(name));
    if (offset === undefined) return false;
    this.#state.beginEdit();
    removeValue(this.#cells, this.#offset, offset);
    this.#touch(this.#offset);
    return true;
  }

  /** The self-relative security descriptor, a copy. @throws TdError `invalid` when the key has none */
  get securityDescriptor(): Buffer {
    const offset = securityOf(this.#cells, this.#live());
    if (offset === undefined) {
      throw new TdError(
        'invalid',
        `Cannot read the security of the registry key "${this.path}": it has none`,
      );
    }
    return Buffer.from(descriptorOf(securityCell(this.#cells, offset)));
  }

  /** Keys with equal descriptors share one cell, as in Windows. */
  set securityDescriptor(descriptor: Buffer) {
    const before = securityOf(this.#cells, this.#live());
    this.#state.beginEdit();
    const taken = takeSecurity(
      this.#cells,
      before ?? securityOf(this.#cells, rootOffset(this.#cells)),
      descriptor,
    );
    if (before !== undefined) dropReference(this.#cells, before);
    this.#cell().writeUInt32LE(taken, NK.security);
    this.#touch(this.#offset);
  }

  get #cells(): CellStore {
    return this.#state.cells;
  }

  #live(): number {
    if (this.#state.ageOf(this.#offset) !== this.#age) {
      throw new TdError('not-found', 'Cannot use a registry key: it was removed or moved; look it up again');
    }
    return this.#offset;
  }

  #cell(): Buffer {
    return keyCell(this.#cells, this.#live());
  }

  #read(offset: number): HiveValue {
    const cell = valueCell(this.#cells, offset);
    return { name: valueName(cell), ...readValue(this.#cells, cell) };
  }

  get #isRoot(): boolean {
    return this.#live() === rootOffset(this.#cells);
  }

  /** Offsets of this key and those above it, from below the root on; not endless whatever the hive holds. */
  #line(): number[] {
    const line: number[] = [];
    const root = rootOffset(this.#cells);
    for (let offset = this.#live(); offset !== root && line.length <= KEY_LEVELS_MAX; ) {
      line.unshift(offset);
      offset = keyCell(this.#cells, offset).readUInt32LE(NK.parent);
    }
    return line;
  }

  /** Nobody looks a root up by its name, so it has no place among others. */
  #renameRoot(name: string): void {
    this.#state.beginEdit();
    const { bytes, compressed } = encodeName(name);
    const moved = this.#cells.resize(this.#offset, NK.name + bytes.length);
    if (moved !== this.#offset) this.#moveTo(moved);
    this.#cells.base.writeUInt32LE(moved, BASE.rootCell);
    writeName(this.#cell(), { bytes, compressed });
    this.#touch(moved);
  }

  #create(parent: number, name: string): number {
    const { bytes, compressed } = encodeName(name);
    const offset = this.#cells.allocate(NK.name + bytes.length);
    const security = securityOf(this.#cells, parent);
    const key = this.#cells.cell(offset, NK.name, 'a registry key');
    key.writeUInt16LE(SIGNATURE.nk);
    key.writeUInt32LE(parent, NK.parent);
    for (const field of [NK.subkeyList, NK.volatileList, NK.valueList, NK.className]) {
      key.writeUInt32LE(NOWHERE, field);
    }
    key.writeUInt32LE(security ?? NOWHERE, NK.security);
    writeName(key, { bytes, compressed });
    if (security !== undefined) addReference(this.#cells, security);
    insertSubkey(this.#cells, parent, offset);
    raiseLargest(keyCell(this.#cells, parent), { subkeyName: name });
    this.#touch(offset);
    this.#touch(parent);
    return offset;
  }

  #free(offset: number): void {
    const key = keyCell(this.#cells, offset);
    freeValues(this.#cells, offset);
    freeSubkeyLists(this.#cells, offset);
    const className = key.readUInt32LE(NK.className);
    if (className !== NOWHERE && key.readUInt16LE(NK.classNameBytes) > 0) this.#cells.free(className);
    const security = securityOf(this.#cells, offset);
    if (security !== undefined) dropReference(this.#cells, security);
    this.#cells.free(offset);
    this.#state.endKey(offset);
  }

  #moveTo(moved: number): void {
    for (const subkey of subkeyLeaves(this.#cells, moved).flatMap((leaf) => leafOffsets(this.#cells, leaf))) {
      keyCell(this.#cells, subkey).writeUInt32LE(moved, NK.parent);
    }
    this.#state.endKey(this.#offset);
    this.#offset = moved;
    this.#age = this.#state.ageOf(moved);
  }

  #touch(offset: number): void {
    keyCell(this.#cells, offset).writeBigUInt64LE(filetimeOf(this.#state.now()), NK.lastWritten);
  }
}

function namesOf(path: string): string[] {
  return path.split('\\').filter((name) => name !== '');
}

function assertKeyName(name: string): void {
  if (name === '' || name.length > KEY_NAME_UNITS_MAX || /[\\\0]/.test(name)) {
    throw new TdError(
      'invalid',
      `Cannot name a registry key ${JSON.stringify(name.slice(0, 80))}: 1 to ${KEY_NAME_UNITS_MAX} characters without backslashes are allowed`,
    );
  }
}

function assertValue(name: string, { type, data }: ValueContent): void {
  const refuse = (why: string): never => {
    throw new TdError(
      'invalid',
      `Cannot set the registry value ${JSON.stringify(name.slice(0, 80))}: ${why}`,
    );
  };
  if (name.length > VALUE_NAME_UNITS_MAX) refuse(`its name has more than ${VALUE_NAME_UNITS_MAX} characters`);
  if (data.length > VALUE_BYTES_MAX) refuse(`${data.length} bytes are more than ${VALUE_BYTES_MAX}`);
  if (!Number.isInteger(type) || type < 0 || type > 0xffff_ffff) refuse(`its type ${type} makes no sense`);
}

function writeName(key: Buffer, name: { bytes: Buffer; compressed: boolean }): void {
  const flags = key.readUInt16LE(NK.flags) & ~KEY_FLAG.compressedName;
  key.writeUInt16LE(name.compressed ? flags | KEY_FLAG.compressedName : flags, NK.flags);
  key.writeUInt16LE(name.bytes.length, NK.nameBytes);
  name.bytes.copy(key, NK.name);
  key.fill(0, NK.name + name.bytes.length);
}

/** Windows sizes its answers by these fields; like Windows, they are never lowered. */
function raiseLargest(
  key: Buffer,
  seen: { subkeyName?: string; valueName?: string; valueBytes?: number },
): void {
  const nameBytes = (seen.subkeyName?.length ?? 0) * 2;
  if (nameBytes > key.readUInt16LE(NK.largestSubkeyNameBytes)) {
    key.writeUInt16LE(nameBytes, NK.largestSubkeyNameBytes);
  }
  const valueNameBytes = (seen.valueName?.length ?? 0) * 2;
  if (valueNameBytes > key.readUInt32LE(NK.largestValueNameBytes)) {
    key.writeUInt32LE(valueNameBytes, NK.largestValueNameBytes);
  }
  if ((seen.valueBytes ?? 0) > key.readUInt32LE(NK.largestValueDataBytes)) {
    key.writeUInt32LE(seen.valueBytes ?? 0, NK.largestValueDataBytes);
  }
}
