import { TdError } from '../lib/errors.ts';
import { type TableRow, tableRowSchema } from '../schema/template.ts';
import { normalMac } from './computers.ts';

const COLUMNS = ['mac', 'name', 'address', 'prefix', 'gateway'] as const;
type Column = (typeof COLUMNS)[number];

const ROWS_MAX = 2000;
const TOLD_MAX = 20;

/** A row of cells and the line it begins in. */
interface CsvRow {
  lineNumber: number;
  cells: string[];
}

/**
 * Reads a table of names and addresses as spreadsheets save it: first line the columns in any order, then a line for
 * each computer; commas, semicolons or tabs between.
 *
 * @param what the file, for messages.
 * @throws TdError `invalid` naming every wrong row by its line.
 */
export function parseTable(text: string, what: string): TableRow[] {
  const problems: string[] = [];
  const [head, ...body] = parseCsv(text, what);
  const columns = (head?.cells ?? []).map((cell) => cell.toLowerCase());
  for (const column of columns) {
    if (!isColumn(column)) problems.push(`line 1: "${column}" is none of the columns ${COLUMNS.join(', ')}`);
  }
  if (new Set(columns).size < columns.length) problems.push('line 1: a column is there twice');
  if (!columns.includes('mac')) problems.push('line 1: there must be a column called mac');
  if (body.length === 0) problems.push('there is no computer in it');
  if (body.length > ROWS_MAX) problems.push(`it has ${body.length} computers, ${ROWS_MAX} at most`);
  if (problems.length > 0) throw tableError(what, problems);
  const rows: TableRow[] = [];
  const seen = new Map<string, number>();
  for (const row of body) {
    const read = readRow(columns as Column[], row);
    if (typeof read === 'string') problems.push(`line ${row.lineNumber}: ${read}`);
    else {
      problems.push(...repeated(read, { seen, lineNumber: row.lineNumber }));
      rows.push(read);
    }
  }
  if (problems.length > 0) throw tableError(what, problems);
  return rows;
}

function isColumn(text: string): text is Column {
  return (COLUMNS as readonly string[]).includes(text);
}

/** A table's row, or what is wrong with it. */
function readRow(columns: readonly Column[], { cells }: CsvRow): TableRow | string {
  if (cells.slice(columns.length).some((cell) => cell !== '')) {
    return `it has ${cells.length} fields for ${columns.length} columns`;
  }
  const cell = (column: Column) => cells[columns.indexOf(column)] ?? '';
  const [name, address, prefix, gateway] = [cell('name'), cell('address'), cell('prefix'), cell('gateway')];
  const parsed = tableRowSchema.safeParse({
    mac: normalMac(cell('mac')),
    ...(name === '' ? {} : { name }),
    ...(address === '' ? {} : { address }),
    ...(prefix === '' ? {} : { prefixLength: /^\d+$/.test(prefix) ? Number(prefix) : Number.NaN }),
    ...(gateway === '' ? {} : { gateway }),
  });
  if (parsed.success) return parsed.data;
  const wrong = new Set(parsed.error.issues.map(({ path }) => String(path[0])));
  const words = [
    wrong.has('mac') ? `"${cell('mac')}" is no MAC address` : '',
    wrong.has('name') ? `"${name}" is no computer name of 1 to 15 letters, digits and dashes` : '',
    wrong.has('address') ? `"${address}" is no IPv4 address` : '',
    wrong.has('prefixLength') ? `"${prefix}" is no prefix from 1 to 30` : '',
    wrong.has('gateway') ? `"${gateway}" is no IPv4 address` : '',
  ];
  return words.filter((one) => one !== '').join(', ');
}

function repeated(
  row: TableRow,
  { seen, lineNumber }: { seen: Map<string, number>; lineNumber: number },
): string[] {
  return [row.mac, row.name, row.address].flatMap((value) => {
    if (value === undefined) return [];
    const first = seen.get(value.toLowerCase());
    if (first === undefined) seen.set(value.toLowerCase(), lineNumber);
    return first === undefined ? [] : [`line ${lineNumber}: "${value}" is in line ${first} already`];
  });
}

function tableError(what: string, problems: readonly string[]): TdError {
  const more = problems.length > TOLD_MAX ? `; and ${problems.length - TOLD_MAX} more` : '';
  const told = problems.slice(0, TOLD_MAX).map((problem) => problem.replace(/[\p{Cc}\p{Cf}]/gu, '?'));
  return new TdError('invalid', `Cannot read the table "${what}": ${told.join('; ')}${more}`);
}

/**
 * RFC 4180 with the first line's separator, without its empty lines; cells without blanks around.
 *
 * @throws TdError `invalid` for quotes that do not close.
 */
export function parseCsv(text: string, what: string): CsvRow[] {
  const csv = text.replace(/^\uFEFF/, '');
  const separator = /[,;\t]/.exec(csv.split(/[\r\n]/, 1)[0] ?? '')?.[0] ?? ',';
  const token = new RegExp(`"((?:[^"]|"")*)"[ ]*(?=[${separator}\\r\\n]|$)|([^${separator}\\r\\n]*)`, 'y');
  const rows: CsvRow[] = [];
  let lineNumber = 1;
  let cells: string[] = [];
  let startLine = 1;
  for (let at = 0; at <= csv.length; ) {
    token.lastIndex = at;
    const [whole = '', quoted, plain = ''] = token.exec(csv) ?? [];
    if (quoted === undefined && plain.startsWith('"')) {
      throw tableError(what, [`line ${lineNumber}: a quote does not close`]);
    }
    cells.push((quoted?.replaceAll('""', '"') ?? plain).trim());
    lineNumber += whole.match(/\r\n|[\r\n]/g)?.length ?? 0;
    at += whole.length;
    if (csv[at] === separator) {
      at += 1;
      continue;
    }
    if (cells.some((cell) => cell !== '')) rows.push({ lineNumber: startLine, cells });
    cells = [];
    lineNumber += 1;
    startLine = lineNumber;
    at += csv.startsWith('\r\n', at) ? 2 : 1;
  }
  return rows;
}
