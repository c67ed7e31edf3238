import type { CellPlace, KeyPress, Line, PageHost } from './page.ts';

// biome-ignore lint/suspicious/noExplicitAny: a field takes the host of any page
export type AnyHost = PageHost<any>;

/** One field of a form: state, how it is drawn, what it does with keys. */
export interface Field {
  /** Path of its problem in a check, e.g. `network.first`; empty for notes and buttons. */
  readonly name: string;
  /** Text in the label column; empty makes the field as wide as the form. */
  readonly label: string;
  /** Shown at the field; empty when it is right. */
  problem: string;
  /** Whether the cursor can stand on it. */
  readonly focusable: boolean;
  /** Left out of the form while true. */
  hidden?(): boolean;
  /** Recomputes `problem` from what was entered. */
  check?(): void;
  render(columns: number, focused: boolean): Line[];
  /** @returns whether the key was used; what is not goes to the form and the page. */
  onKey(key: KeyPress, host: AnyHost): boolean;
  cursor?(columns: number): CellPlace | undefined;
}

export interface FieldOptions {
  name: string;
  label: string;
  /** Said below the field in grey while it has the cursor. */
  hint?: string;
  hidden?: () => boolean;
}
