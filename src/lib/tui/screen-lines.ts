import { cutText, fitLine, padText, plainLine, spansOf } from './cell-text.ts';
import type { CellPlace, Line, Page, PageKey, PageSize } from './page.ts';
import type { ScreenTone } from './terminal-look.ts';

export const COLUMNS_MIN = 80;
export const ROWS_MIN = 24;

const DIALOG_COLUMNS = 72;

export interface ScreenSpan {
  text: string;
  tone?: ScreenTone;
}

/** A whole screen: exactly `rows` lines of exactly `columns` characters. */
export interface ScreenPicture {
  lines: ScreenSpan[][];
  cursor: CellPlace | undefined;
}

export interface ScreenParts {
  size: PageSize;
  /** Left in the title bar. */
  title: string;
  /** From the first page to the one on top. */
  pages: readonly Page<never>[];
  /** Whether F1 has a text for the page on top. */
  hasHelp: boolean;
}

/** Title bar, page, key bar. A page on top that is a dialog stands in a box above the one below it. */
export function screenPicture(parts: ScreenParts): ScreenPicture {
  const { size, pages } = parts;
  if (size.columns < COLUMNS_MIN || size.rows < ROWS_MIN) return tooSmall(size);
  // An empty line above the keys, where there is room for one.
  const gap: ScreenSpan[][] = size.rows > ROWS_MIN ? [[{ text: ' '.repeat(size.columns) }]] : [];
  const bodySize: PageSize = { columns: size.columns, rows: size.rows - 2 - gap.length };
  const top = pages.at(-1);
  const base = pages.findLastIndex((page) => page.dialog !== true);
  const body = fitBody(pages[base]?.render(bodySize) ?? [], bodySize);
  let cursor: CellPlace | undefined;
  if (top?.dialog === true) {
    for (const line of body) for (const span of line) span.tone = 'muted';
    cursor = drawDialog(top, { body, size: bodySize });
  } else cursor = top?.cursor?.(bodySize);
  const inside = cursor !== undefined && cursor.row < bodySize.rows && cursor.column < bodySize.columns;
  return {
    lines: [titleBar(parts), ...body, ...gap, keyBar(parts)],
    cursor: inside && cursor !== undefined ? { row: cursor.row + 1, column: cursor.column } : undefined,
  };
}

function fitBody(lines: readonly Line[], size: PageSize): ScreenSpan[][] {
  const body: ScreenSpan[][] = lines.slice(0, size.rows).map((line) => fitLine(line, size.columns));
  while (body.length < size.rows) body.push([{ text: ' '.repeat(size.columns) }]);
  return body;
}

function titleBar({ size, title, pages }: ScreenParts): ScreenSpan[] {
  const path = pages
    .filter((page) => page.dialog !== true)
    .map((page) => page.title)
    .filter((name) => name !== '');
  const right = cutText(path.slice(-2).join(' ► '), size.columns - 24);
  const left = padText(` ${title}`, size.columns - right.length - 1);
  return [{ text: `${left}${right} `, tone: 'title' }];
}

function keyBar({ size, pages, hasHelp }: ScreenParts): ScreenSpan[] {
  const own = pages.at(-1)?.keys() ?? [];
  const keys: PageKey[] = hasHelp ? [{ key: 'F1', label: 'Help' }, ...own] : [...own];
  const wide = keys.reduce((sum, { key, label }) => sum + key.length + label.length + 4, 0) <= size.columns;
  const spans: ScreenSpan[] = [{ text: ' ' }];
  for (const { key, label } of keys) {
    spans.push({ text: key, tone: 'key' }, { text: ` ${label}${wide ? '   ' : '  '}`, tone: 'muted' });
  }
  return fitLine(spans as Line, size.columns);
}

/** Draws into the body; returns where the cursor stands in it. */
function drawDialog(
  page: Page<never>,
  options: { body: ScreenSpan[][]; size: PageSize },
): CellPlace | undefined {
  const { body, size } = options;
  const inner: PageSize = { columns: Math.min(DIALOG_COLUMNS, size.columns - 6) - 2, rows: size.rows - 6 };
  const lines = [...page.render(inner).slice(0, inner.rows), '', dialogKeys(page)];
  const top = Math.max(0, Math.floor((size.rows - lines.length - 2) / 2));
  const left = Math.floor((size.columns - inner.columns - 2) / 2);
  const title = cutText(page.title, inner.columns - 6);
  const rule = '─'.repeat(inner.columns - title.length - 3);
  const side: ScreenSpan = { text: '│', tone: 'border' };
  const box: ScreenSpan[][] = [
    [
      { text: '┌─ ', tone: 'border' },
      { text: title, tone: 'heading' },
      { text: ` ${rule}┐`, tone: 'border' },
    ],
    ...lines.map((line) => [side, ...fitLine(line, inner.columns), side]),
    [{ text: `└${'─'.repeat(inner.columns)}┘`, tone: 'border' }],
  ];
  box.forEach((spans, i) => {
    const under = plainLine(body[top + i] as Line);
    body[top + i] = [
      { text: under.slice(0, left), tone: 'muted' },
      ...spans,
      { text: under.slice(left + inner.columns + 2), tone: 'muted' },
    ];
  });
  const place = page.cursor?.(inner);
  return place === undefined ? undefined : { row: top + 1 + place.row, column: left + 1 + place.column };
}

function dialogKeys(page: Page<never>): Line {
  return page
    .keys()
    .flatMap(({ key, label }) => [
      { text: '  ' },
      { text: key, tone: 'key' as const },
      { text: ` ${label}` },
    ]);
}

function tooSmall(size: PageSize): ScreenPicture {
  const text = [
    'The terminal is too small.',
    `It has ${size.columns} x ${size.rows} characters;`,
    `${COLUMNS_MIN} x ${ROWS_MIN} are needed.`,
  ];
  const lines = text.slice(0, size.rows).map((line): ScreenSpan[] => [{ text: padText(line, size.columns) }]);
  while (lines.length < size.rows) lines.push([{ text: ' '.repeat(size.columns) }]);
  return { lines, cursor: undefined };
}

/** The characters of a picture, for tests. */
export function pictureText(picture: ScreenPicture): string {
  return picture.lines
    .map((line) =>
      spansOf(line as Line)
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    )
    .join('\n');
}
