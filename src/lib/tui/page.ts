/** What a piece of text means; the terminal decides how it looks, with and without colour. */
export type Tone = 'plain' | 'muted' | 'heading' | 'good' | 'warning' | 'bad' | 'selected' | 'input' | 'key';

export interface Span {
  text: string;
  tone?: Tone;
}

/** One line of a page. Every character takes one column; see `cellText`. */
export type Line = string | readonly Span[];

/** The body of a page: title bar and key bar belong to the framework. */
export interface PageSize {
  columns: number;
  rows: number;
}

export interface KeyPress {
  /**
   * `up`, `down`, `left`, `right`, `enter`, `escape`, `tab`, `backtab`, `space`, `backspace`, `delete`, `insert`,
   * `home`, `end`, `pageup`, `pagedown`, `f1` to `f12`, `paste`, or the character in lower case.
   */
  name: string;
  /** What was typed or pasted; empty for keys that write nothing. */
  text: string;
  ctrl: boolean;
  shift: boolean;
}

/** Shown in the key bar, e.g. `{ key: 'F2', label: 'Save' }`. */
export interface PageKey {
  key: string;
  label: string;
}

export interface CellPlace {
  row: number;
  column: number;
}

/** A page holds state and draws it; it knows no terminal. Lines that are too long or too many are cut. */
export interface Page<Result = void> {
  readonly title: string;
  /** Key of the text that F1 shows. */
  readonly helpTopic: string;
  /** Drawn in a box above the page it was opened from. */
  readonly dialog?: boolean;
  render(size: PageSize): Line[];
  keys(): readonly PageKey[];
  /** Escape closes a page only when the page does so itself. */
  onKey(key: KeyPress, host: PageHost<Result>): void;
  /** Where the terminal's cursor stands; none hides it. */
  cursor?(size: PageSize): CellPlace | undefined;
  /** Called when the page comes to the top, also when it does so again. */
  onShown?(host: PageHost<Result>): void;
  /** Called when another page covers it and when it closes. */
  onHidden?(): void;
}

/** What a page can ask of the framework. */
export interface PageHost<Result = void> {
  /** Shows a page above this one; resolves with its result, or undefined when it was left without one. */
  open<R>(page: Page<R>): Promise<R | undefined>;
  close(result?: Result): void;
  /** Draws soon; call it after a change that no key caused. */
  refresh(): void;
  message(title: string, text: string): Promise<void>;
  /** @param options.typed what the person has to type, e.g. the size of a disk. */
  confirm(title: string, text: string, options?: { typed?: string }): Promise<boolean>;
  showError(error: unknown): Promise<void>;
  /** Aborts when the page closes. */
  readonly signal: AbortSignal;
}

/** Texts of F1 by topic; an empty line starts a paragraph, a line that begins with `# ` is a heading. */
export type HelpTexts = Readonly<Record<string, string>>;
