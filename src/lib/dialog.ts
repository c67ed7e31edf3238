import type { Page } from './tui/page.ts';

/** What a line-oriented terminal is asked: told text, then a prompt. */
export interface Question {
  title: string;
  lines: readonly string[];
  prompt: string;
}

/** A terminal that only takes lines, while one dialog has it. */
export interface LineIo {
  tell(lines: readonly string[]): void;
  /** The line that was typed, trimmed. @throws when the dialog was answered elsewhere. */
  ask(question: Question): Promise<string>;
  readonly signal: AbortSignal;
}

/** One question to a person with two faces: a page where screens are shown, lines and numbers elsewhere. */
export interface Dialog<Result> {
  page(): Page<Result>;
  lines(io: LineIo): Promise<Result>;
  /** The answer when the page is left without one; missing, it is shown again. */
  onLeft?: Result;
}

/** Shows a dialog on the terminal that asked for it and gives the answer. */
export type Present = <Result>(dialog: Dialog<Result>) => Promise<Result>;

/** Asks until `parse` gives a value; what cannot be used is said above the next prompt. */
export async function askLine<Value>(
  io: LineIo,
  options: Question & { parse: (text: string) => { value: Value } | string },
): Promise<Value> {
  const { parse, ...question } = options;
  let note: string[] = [];
  for (;;) {
    const text = await io.ask({ ...question, lines: [...question.lines, ...note] });
    const parsed = parse(text);
    if (typeof parsed !== 'string') return parsed.value;
    note = [`"${text.slice(0, 60)}" cannot be used: ${parsed}.`];
  }
}

/** Asks for one of a numbered list and gives its place from 0. */
export async function askNumber(
  io: LineIo,
  options: Omit<Question, 'prompt'> & { items: readonly string[]; note?: readonly string[] },
): Promise<number> {
  const { items, lines, title, note = [] } = options;
  const numbered = items.map((item, i) => `${i + 1}  ${item}`);
  let wrong: string[] = [];
  for (;;) {
    const text = await io.ask({
      title,
      lines: [...lines, ...numbered, ...note, ...wrong],
      prompt: `Number (1-${items.length}):`,
    });
    const at = /^[0-9]{1,4}$/.test(text) ? Number(text) - 1 : -1;
    if (at >= 0 && at < items.length) return at;
    wrong = text === '' ? [] : [`"${text.slice(0, 40)}" is none of 1 to ${items.length}.`];
  }
}
