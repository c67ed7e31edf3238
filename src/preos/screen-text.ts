import type { ScreenView } from '../lib/screen.ts';

export const VT_COLUMNS = 80;
export const VT_ROWS = 25;
const BAR_CHARS = 40;
const LABEL_CHARS = 12;
const PROBLEMS_SHOWN_MAX = 5;
const ROWS_SHOWN_MAX = 10;

const INVERSE = '\x1b[7m';
const BOLD = '\x1b[1m';
const PLAIN = '\x1b[0m';
const CLEAR_TO_END_OF_LINE = '\x1b[K';
const HOME = '\x1b[H';
const CLEAR_BELOW = '\x1b[J';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

const PLAIN_SPELLINGS: Record<string, string> = {
  '…': '...',
  '–': '-',
  '—': '-',
  '×': 'x',
  '≥': '>=',
  '≤': '<=',
};

/** Printable ASCII: the fonts of a firmware console hold nothing else for certain. */
export function asciiOf(text: string): string {
  return text
    .replace(
      /[^\x20-\x7e]/gu,
      (character) => PLAIN_SPELLINGS[character] ?? (/\s/.test(character) ? ' ' : '?'),
    )
    .trimEnd();
}

/** Breaks at spaces; a word longer than a line is cut. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = [];
  let rest = asciiOf(text);
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns);
    const end = space > 0 ? space : columns;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  lines.push(rest);
  return lines;
}

/** `[#####.....]  45 %   112 MB/s, 3:10 left`, or nothing when nothing is measured. */
export function progressLine(view: ScreenView): string {
  if (view.fraction === undefined) return asciiOf(view.rate ?? '');
  const fraction = Math.min(1, Math.max(0, Number.isFinite(view.fraction) ? view.fraction : 0));
  const filled = Math.floor(fraction * BAR_CHARS);
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_CHARS - filled)}]`;
  const percent = `${Math.floor(fraction * 100)} %`.padStart(5);
  return `${bar} ${percent}  ${asciiOf(view.rate ?? '')}`.trimEnd();
}

interface StyledLine {
  text: string;
  style?: string;
}

/** One whole screen as ANSI text that overwrites the last one in place, without a flicker. */
export function renderView(view: ScreenView, programLine: string): string {
  const body: StyledLine[] = [{ text: '' }];
  for (const row of view.rows.slice(0, ROWS_SHOWN_MAX)) {
    const wrapped = wrapText(row.value, VT_COLUMNS - LABEL_CHARS - 5);
    wrapped.forEach((text, i) => {
      const label = i === 0 ? asciiOf(row.label).slice(0, LABEL_CHARS) : '';
      body.push({ text: `  ${label.padEnd(LABEL_CHARS)}  ${text}` });
    });
  }
  const hidden = view.rows.length - ROWS_SHOWN_MAX;
  if (hidden > 0) body.push({ text: `  and ${hidden} more` });
  body.push({ text: '' });
  for (const text of wrapText(view.activity, VT_COLUMNS - 4)) body.push({ text: `  ${text}`, style: BOLD });
  const progress = progressLine(view);
  if (progress !== '') body.push({ text: `  ${progress}` });
  if (view.problems.length > 0) body.push({ text: '' });
  for (const problem of view.problems.slice(0, PROBLEMS_SHOWN_MAX)) {
    wrapText(problem, VT_COLUMNS - 6).forEach((text, i) => {
      body.push({ text: `  ${i === 0 ? '!' : ' '} ${text}`, style: BOLD });
    });
  }
  const hints = view.hints
    .flatMap((hint) => wrapText(hint, VT_COLUMNS - 4))
    .map((text) => ({ text: `  ${text}` }));
  const shownHints = hints.slice(0, 4);
  const bodyRows = VT_ROWS - 2 - shownHints.length;
  const shownBody = body.slice(0, bodyRows);
  while (shownBody.length < bodyRows) shownBody.push({ text: '' });
  const head = { text: titleLine(view.title, programLine), style: INVERSE };
  return HIDE_CURSOR + placed([head, ...shownBody, ...shownHints]);
}

export interface Question {
  title: string;
  lines: readonly string[];
  prompt: string;
}

/** A question with the cursor behind its prompt. */
export function renderQuestion(question: Question, programLine: string): string {
  const lines = question.lines.flatMap((line) => wrapText(line, VT_COLUMNS - 4));
  const shown = lines.slice(0, VT_ROWS - 5).map((text) => ({ text: `  ${text}` }));
  const head = { text: titleLine(question.title, programLine), style: INVERSE };
  const prompt = { text: `  ${asciiOf(question.prompt)} ` };
  return placed([head, { text: '' }, ...shown, { text: '' }, prompt]) + SHOW_CURSOR;
}

function titleLine(title: string, programLine: string): string {
  const right = ` ${asciiOf(programLine)} `;
  const left = ` ${asciiOf(title)}`.slice(0, VT_COLUMNS - right.length);
  return left.padEnd(VT_COLUMNS - right.length) + right;
}

/** A line is cleared before it is written: clearing behind a full one would eat its last character. */
function placed(lines: readonly StyledLine[]): string {
  const text = lines.map((line) => {
    const shown = line.text.slice(0, VT_COLUMNS);
    const styled = line.style === undefined ? shown : `${line.style}${shown}${PLAIN}`;
    return CLEAR_TO_END_OF_LINE + styled;
  });
  return HOME + text.join('\r\n') + CLEAR_BELOW;
}
