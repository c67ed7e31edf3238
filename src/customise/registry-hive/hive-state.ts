import { TdError } from '../../lib/errors.ts';
import type { CellStore } from './cell-store.ts';
import { checkCells } from './hive-check.ts';

/** What a hive and the keys handed out of it share. */
export class HiveState {
  readonly cells: CellStore;
  readonly now: () => Date;
  /** Something was edited. */
  changed = false;
  /** Why nothing may be edited, found out at the first edit. */
  #refusal: string | undefined;
  #isChecked = false;
  /** Keys that were removed or moved, by the cell they had; a handle from before is outdated. */
  readonly #ends = new Map<number, number>();
  #restores = 0;

  constructor(cells: CellStore, options: { now: () => Date; refusal: string | undefined }) {
    this.cells = cells;
    this.now = options.now;
    this.#refusal = options.refusal;
  }

  /** Called before every edit. @throws TdError `refused` when it would do more harm. */
  beginEdit(): void {
    if (!this.#isChecked && this.#refusal === undefined) {
      const unsafe = checkCells(this.cells).problems.find((problem) => problem.isUnsafe);
      this.#refusal = unsafe && `it is damaged (${unsafe.text})`;
      this.#isChecked = true;
    }
    if (this.#refusal !== undefined) {
      throw new TdError('refused', `Cannot change the registry hive: ${this.#refusal}`);
    }
    this.changed = true;
  }

  /** A number that changes when the key that is there now goes. */
  ageOf(offset: number): string {
    return `${this.#restores}.${this.#ends.get(offset) ?? 0}`;
  }

  endKey(offset: number): void {
    this.#ends.set(offset, (this.#ends.get(offset) ?? 0) + 1);
  }

  endAllKeys(): void {
    this.#ends.clear();
    this.#restores += 1;
  }
}
