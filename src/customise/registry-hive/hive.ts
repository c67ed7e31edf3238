import { TdError } from '../../lib/errors.ts';
import { assertReadableBase, BASE, baseChecksum, filetimeOf } from './base-block.ts';
import { BASE_BLOCK_BYTES, SK } from './cell-layout.ts';
import { type CellSnapshot, CellStore } from './cell-store.ts';
import { checkCells, type HiveCheck } from './hive-check.ts';
import { HiveKey } from './hive-key.ts';
import { replayLogs } from './hive-logs.ts';
import { HiveState } from './hive-state.ts';
import { keyCell, rootOffset } from './key-cells.ts';
import { newHiveBytes } from './new-hive.ts';
import { descriptorOf, securityCell, securityOf, securityRing } from './security-cells.ts';

/** Something to return to when an edit fails half-way. */
export interface HiveSnapshot {
  readonly cells: CellSnapshot;
  readonly changed: boolean;
}

export interface ParseOptions {
  /** Contents of FILE.LOG1, FILE.LOG2, FILE.LOG, in this order; empty or useless ones do no harm. */
  logs?: readonly Buffer[];
  /** The time that edits get; now by default. */
  now?: () => Date;
  /** Allows edits of a hive whose pending changes are lost with its logs. */
  acceptLoss?: boolean;
}

const systemTime = () => new Date();
const SEQUENCE_END = 0xffff_ffff;
/** The first bin keeps a copy of the base block's time. */
const FIRST_BIN_TIME = BASE_BLOCK_BYTES + 20;

/**
 * A registry hive (regf 1.3 to 1.6, Windows XP to 11) in memory.
 *
 * @see REGF.md for the layout
 */
export class Hive {
  /** It was not written to its end; `isComplete` tells whether logs have made up for it. */
  readonly wasDirty: boolean;
  /** False when changes are missing because no log held them. */
  readonly isComplete: boolean;
  readonly #state: HiveState;
  readonly #sequenceMax: number;

  private constructor(
    cells: CellStore,
    facts: { wasDirty: boolean; isComplete: boolean; sequenceMax: number; options: ParseOptions },
  ) {
    this.wasDirty = facts.wasDirty;
    this.isComplete = facts.isComplete;
    this.#sequenceMax = facts.sequenceMax;
    const isRefused = !facts.isComplete && facts.options.acceptLoss !== true;
    this.#state = new HiveState(cells, {
      now: facts.options.now ?? systemTime,
      refusal: isRefused
        ? 'it has pending changes and no log that holds them; start Windows once'
        : undefined,
    });
  }

  /**
   * Reads a hive and replays its logs.
   *
   * @param bytes the whole file; not changed.
   * @throws TdError `invalid` when it is no hive, of an unknown version or truncated. Damage inside is listed by `check`.
   */
  static parse(bytes: Buffer, options: ParseOptions = {}): Hive {
    const replay = replayLogs(bytes, options.logs ?? []);
    assertReadableBase(replay.bytes);
    const cells = new CellStore(
      replay.replayed ? replay.bytes : Buffer.from(replay.bytes),
      replay.bytes.readUInt32LE(BASE.binsBytes),
    );
    const { wasDirty, sequenceMax } = replay;
    const hive = new Hive(cells, {
      wasDirty,
      isComplete: !wasDirty || replay.replayed,
      sequenceMax,
      options,
    });
    keyCell(cells, rootOffset(cells));
    return hive;
  }

  /** An empty hive of version 1.5 whose root SYSTEM and Administrators own. */
  static create(options: Pick<ParseOptions, 'now'> = {}): Hive {
    return Hive.parse(newHiveBytes((options.now ?? systemTime)()), options);
  }

  get root(): HiveKey {
    return new HiveKey(this.#state, rootOffset(this.#state.cells));
  }

  /** Edited since it was read, or completed from its logs. */
  get isChanged(): boolean {
    return this.#state.changed || (this.wasDirty && this.isComplete);
  }

  /** @param path backslashes, any case; empty for the root. */
  key(path: string): HiveKey | undefined {
    return this.root.subkey(path);
  }

  /** Every key, each before those below it; deep ones need no recursion. @throws TdError `invalid` at damage */
  *keys(): Generator<HiveKey> {
    const waiting = [this.root];
    for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
      yield key;
      for (const subkey of key.subkeys().reverse()) waiting.push(subkey);
    }
  }

  /** What is wrong inside; editing is refused when a problem is unsafe. */
  check(): HiveCheck {
    const { problems, lostCells } = checkCells(this.#state.cells);
    return { problems, lostCells };
  }

  /**
   * Changes security descriptors, each of them once however many keys share it.
   *
   * @param change gets a copy; returns one of the same length, or undefined to leave it.
   * @returns how many were changed.
   */
  changeSecurity(change: (descriptor: Buffer) => Buffer | undefined): number {
    const { cells } = this.#state;
    const first = securityOf(cells, rootOffset(this.#state.cells));
    if (first === undefined) return 0;
    this.#state.beginEdit();
    let changed = 0;
    for (const offset of securityRing(cells, first)) {
      const cell = securityCell(cells, offset);
      const before = Buffer.from(descriptorOf(cell));
      const after = change(Buffer.from(before));
      if (after === undefined || after.equals(before)) continue;
      if (after.length !== before.length) {
        throw new TdError('invalid', 'Cannot change security descriptors of a hive: one got another length');
      }
      after.copy(cell, SK.descriptor);
      changed += 1;
    }
    return changed;
  }

  /** Wipes what was deleted: free cells, ends of cells, cells that nothing leads to, and what follows the bins. */
  wipeUnused(): void {
    this.#state.beginEdit();
    const { cells } = this.#state;
    const { usedBytesOf } = checkCells(cells);
    for (const offset of cells.allocatedCells()) {
      cells.cell(offset, 0, 'a cell').fill(0, usedBytesOf(offset) ?? 0);
    }
    cells.wipeFree();
  }

  snapshot(): HiveSnapshot {
    return { cells: this.#state.cells.snapshot(), changed: this.#state.changed };
  }

  /** Returns to a snapshot; keys handed out before are outdated. */
  restore(snapshot: HiveSnapshot): void {
    this.#state.cells.restore(snapshot.cells);
    this.#state.changed = snapshot.changed;
    this.#state.endAllKeys();
  }

  /**
   * The whole file. One that was not changed is given as it was read; otherwise its sequence numbers are equal and
   * above those of its logs, so that Windows replays nothing over it.
   */
  toBuffer(): Buffer {
    const { cells } = this.#state;
    const file = Buffer.from(cells.file);
    if (!this.isChanged) return file;
    const sequence = this.#sequenceMax >= SEQUENCE_END ? 1 : this.#sequenceMax + 1;
    file.writeUInt32LE(sequence, BASE.primarySequence);
    file.writeUInt32LE(sequence, BASE.secondarySequence);
    const time = filetimeOf(this.#state.now());
    file.writeBigUInt64LE(time, BASE.lastWritten);
    file.writeBigUInt64LE(time, FIRST_BIN_TIME);
    file.writeUInt32LE(cells.binsBytes, BASE.binsBytes);
    file.writeUInt32LE(baseChecksum(file), BASE.checksum);
    return file;
  }
}
