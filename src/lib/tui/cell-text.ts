import type { Line, Span } from './page.ts';

const PLAIN_SPELLINGS: Readonly<Record<string, string>> = {
  '–': '-',
  '—': '-',
  '‘': "'",
  '’': "'",
  '“': '"',
  '”': '"',
  '\u00a0': ' ',
  '\u00ad': '-',
};

/** Latin, Greek, Cyrillic, and the few signs that pages draw with: one column each in every terminal. */
const ONE_COLUMN =
  /[\x20-\x7e\u00a1-\u00ac\u00ae-\u024f\u0370-\u0377\u037b-\u037f\u0384-\u0482\u048a-\u052f\u2026\u2190-\u2193\u2500-\u257f\u2580-\u2593\u25a0\u25b2\u25ba\u25bc\u25c4\u2022\u221a]/;

const ALL_ONE_COLUMN = new RegExp(`^${ONE_COLUMN.source}*$`);

/**
 * One line in which every UTF-16 unit takes exactly one column: what could be wider, narrower, change direction
 * or control the terminal becomes `?`.
 */
export function cellText(text: string): string {
  if (ALL_ONE_COLUMN.test(text)) return text;
  let out = '';
  for (const character of text.normalize('NFC')) {
    const spelled = PLAIN_SPELLINGS[character] ?? character;
    out += /\s/.test(spelled) ? ' ' : ONE_COLUMN.test(spelled) && spelled.length === 1 ? spelled : '?';
  }
  return out;
}

/** Cuts with `…` at the end. */
export function cutText(text: string, columns: number): string {
  const cells = cellText(text);
  if (cells.length <= columns) return cells;
  return columns <= 0 ? '' : `${cells.slice(0, columns - 1)}…`;
}

/** Exactly so many columns: cut, or filled with spaces. */
export function padText(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const cut = cutText(text, columns);
  return align === 'left' ? cut.padEnd(columns) : cut.padStart(columns);
}

/** Breaks at spaces and keeps the text's own line breaks; a word longer than a line is cut in pieces. */
export function wrapText(text: string, columns: number): string[] {
  const width = Math.max(1, columns);
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let rest = cellText(paragraph).trimEnd();
    while (rest.length > width) {
      const space = rest.lastIndexOf(' ', width);
      const end = rest.slice(0, Math.max(0, space)).trim() === '' ? width : space;
      lines.push(rest.slice(0, end).trimEnd());
      rest = rest.slice(end).trimStart();
    }
    lines.push(rest);
  }
  return lines;
}

/** A line as spans. */
export function spansOf(line: Line): readonly Span[] {
  return typeof line === 'string' ? [{ text: line }] : line;
}

export function lineColumns(line: Line): number {
  return spansOf(line).reduce((sum, span) => sum + cellText(span.text).length, 0);
}

/** Exactly so many columns: the last spans are cut, or one of spaces is added. */
export function fitLine(line: Line, columns: number): Span[] {
  const fitted: Span[] = [];
  let left = columns;
  for (const span of spansOf(line)) {
    if (left <= 0) break;
    const text = cutText(span.text, left);
    if (text !== '') fitted.push({ ...span, text });
    left -= text.length;
  }
  if (left > 0) fitted.push({ text: ' '.repeat(left) });
  return fitted;
}

/** The characters alone, for tests and logs. */
export function plainLine(line: Line): string {
  return spansOf(line)
    .map((span) => cellText(span.text))
    .join('');
}

/** A problem in lines of a page; none when it is empty. */
export function problemLines(problem: string, columns: number): Line[] {
  if (problem === '') return [];
  return wrapText(`! ${problem}`, columns - 4).map((text): Line => [{ text: `  ${text}`, tone: 'bad' }]);
}
