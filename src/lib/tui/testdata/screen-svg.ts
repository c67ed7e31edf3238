/** Makes a picture of what a terminal shows: `tmux capture-pane -p -e` in, SVG out. */

const CELL_WIDTH = 9;
const CELL_HEIGHT = 19;
const MARGIN = 12;
const BASELINE = 14;
const BACKGROUND = '#16191d';
const FOREGROUND = '#d3d7cf';

/** xterm's sixteen, a little softer. */
const PALETTE = [
  ...['#16191d', '#cc5555', '#5fa05f', '#c4a000', '#1f4e79', '#8f6f9f', '#4a9fb0', '#d3d7cf'],
  ...['#6b7075', '#ef5f5f', '#8ae234', '#fce94f', '#729fcf', '#ad7fa8', '#63c5d8', '#ffffff'],
];

interface Style {
  fg: number | undefined;
  bg: number | undefined;
  bold: boolean;
  underline: boolean;
  inverse: boolean;
}

interface Run extends Style {
  column: number;
  text: string;
}

const STYLE_KEYS = ['fg', 'bg', 'bold', 'underline', 'inverse'] as const;

const PLAIN: Style = { fg: undefined, bg: undefined, bold: false, underline: false, inverse: false };

/** @param text lines with SGR sequences. */
export function screenSvg(text: string, size: { columns: number; rows: number; title: string }): string {
  const width = size.columns * CELL_WIDTH + 2 * MARGIN;
  const height = size.rows * CELL_HEIGHT + 2 * MARGIN;
  const parts: string[] = [];
  let style = PLAIN;
  text.split('\n').forEach((line, row) => {
    if (row >= size.rows) return;
    const parsed = parseLine(line, style);
    style = parsed.style;
    for (const run of parsed.runs) parts.push(...drawRun(run, row));
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(size.title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    `<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="15" xml:space="preserve">`,
    ...parts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function parseLine(line: string, start: Style): { runs: Run[]; style: Style } {
  const runs: Run[] = [];
  let style = start;
  let column = 0;
  for (const part of line.split(/(\x1b\[[0-9;]*m|\x1b\([0B]|[\x0e\x0f])/)) {
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes !== undefined) style = applyCodes(style, codes.split(';').map(Number));
    else if (part !== '' && !/^[\x1b\x0e\x0f]/.test(part)) {
      const last = runs.at(-1);
      if (last !== undefined && STYLE_KEYS.every((key) => last[key] === style[key])) last.text += part;
      else runs.push({ ...style, column, text: part });
      column += part.length;
    }
  }
  return { runs, style };
}

function applyCodes(style: Style, codes: readonly number[]): Style {
  let next = { ...style };
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) next = { ...PLAIN };
    else if (code === 1) next.bold = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 38 || code === 48) {
      next[code === 38 ? 'fg' : 'bg'] = codes[i + 2];
      i += 2;
    } else if (code === 39) next.fg = undefined;
    else if (code === 49) next.bg = undefined;
    else if (code >= 30 && code < 38) next.fg = code - 30;
    else if (code >= 40 && code < 48) next.bg = code - 40;
    else if (code >= 90 && code < 98) next.fg = code - 82;
    else if (code >= 100 && code < 108) next.bg = code - 92;
  }
  return next;
}

function colour(number: number): string {
  const named = PALETTE[number];
  if (named !== undefined) return named;
  if (number >= 232) {
    const level = 8 + (number - 232) * 10;
    return `rgb(${level},${level},${level})`;
  }
  const cube = number - 16;
  const levels = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((n) =>
    n === 0 ? 0 : 55 + n * 40,
  );
  return `rgb(${levels.join(',')})`;
}

function drawRun(run: Run, row: number): string[] {
  const fg = run.fg === undefined ? FOREGROUND : colour(run.fg);
  const bg = run.bg === undefined ? BACKGROUND : colour(run.bg);
  const [ink, paper] = run.inverse ? [bg, fg] : [fg, bg];
  const x = MARGIN + run.column * CELL_WIDTH;
  const y = MARGIN + row * CELL_HEIGHT;
  const width = run.text.length * CELL_WIDTH;
  const parts: string[] = [];
  if (paper !== BACKGROUND) parts.push(rect({ x, y, width, height: CELL_HEIGHT, fill: paper }));
  if (run.underline) parts.push(rect({ x, y: y + CELL_HEIGHT - 2, width, height: 1, fill: ink }));
  for (const [i, character] of [...run.text].entries()) {
    parts.push(...drawSign(character, { x: x + i * CELL_WIDTH, y, fill: ink }));
  }
  const words = run.text.replace(/[█░─═│┌┐└┘├┤]/g, ' ');
  for (const { 0: word, index } of words.matchAll(/\S+(?: \S+)*/g)) {
    const weight = run.bold ? ' font-weight="bold"' : '';
    const at = `x="${x + index * CELL_WIDTH}" y="${y + BASELINE}" textLength="${word.length * CELL_WIDTH}"`;
    parts.push(`<text ${at} fill="${ink}"${weight}>${escaped(word)}</text>`);
  }
  return parts;
}

/** Bars and lines are drawn, because fonts leave gaps between theirs. */
function drawSign(character: string, place: { x: number; y: number; fill: string }): string[] {
  const { x, y, fill } = place;
  const midX = x + CELL_WIDTH / 2 - 0.5;
  const midY = y + CELL_HEIGHT / 2 - 0.5;
  const cell = { x, y: y + 2, width: CELL_WIDTH, height: CELL_HEIGHT - 4, fill };
  const left = rect({ x, y: midY, width: CELL_WIDTH / 2 + 0.5, height: 1, fill });
  const right = rect({ x: midX, y: midY, width: CELL_WIDTH / 2 + 0.5, height: 1, fill });
  const up = rect({ x: midX, y, width: 1, height: CELL_HEIGHT / 2, fill });
  const down = rect({ x: midX, y: midY, width: 1, height: CELL_HEIGHT / 2 + 0.5, fill });
  const signs: Record<string, string[]> = {
    '█': [rect(cell)],
    '░': [rect({ ...cell, opacity: 0.3 })],
    '─': [left, right],
    '═': [rect({ x, y: midY - 1, width: CELL_WIDTH, height: 3, fill })],
    '│': [up, down],
    '┌': [right, down],
    '┐': [left, down],
    '└': [right, up],
    '┘': [left, up],
    '├': [right, up, down],
    '┤': [left, up, down],
  };
  return signs[character] ?? [];
}

function rect(box: {
  x: number;
  y: number;
  width: number;
  height: number;
  fill: string;
  opacity?: number;
}): string {
  const opacity = box.opacity === undefined ? '' : ` opacity="${box.opacity}"`;
  return `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="${box.fill}"${opacity}/>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
