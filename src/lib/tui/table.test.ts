import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineColumns, plainLine } from './cell-text.ts';
import { Table } from './table.ts';
import { anyText } from './testdata/any-text.ts';
import { press } from './testdata/fake-host.ts';

interface Row {
  id: string;
  size: string;
}

function rowsOf(count: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({ id: `row ${i}`, size: String(i) }));
}

function table(rows: readonly Row[], options: { selectable?: boolean } = {}): Table<Row> {
  return new Table<Row>({
    ...{ rows, id: ({ id }) => id, empty: 'No rows', ...options },
    columns: [
      { title: 'Name', min: 6, text: ({ id }) => id },
      { title: 'Long', min: 30, drop: 1, text: () => 'x' },
      { title: 'Size', align: 'right', text: ({ size }) => size },
    ],
  });
}

const texts = (one: Table<Row>, rows: number) =>
  one.render({ columns: 60, rows }).map((line) => plainLine(line).trimEnd());

describe('a table', () => {
  it('scrolls so that the cursor is seen, and says where there is more', () => {
    const one = table(rowsOf(20));
    for (let i = 0; i < 9; i += 1) one.onKey(press('down'));
    expect(one.current?.id).toBe('row 9');
    const lines = texts(one, 5);
    expect(lines.at(-1)).toContain('row 9');
    expect(lines.at(-1)).toMatch(/▼$/);
    expect(lines[1]).toMatch(/▲$/);
    one.onKey(press('end'));
    expect(texts(one, 5).at(-1)).toMatch(/row 19 .* 19$/);
    one.onKey(press('home'));
    expect(texts(one, 5)[1]).toContain('row 0');
  });

  it('keeps cursor and selection with their rows when rows come and go', () => {
    const one = table(rowsOf(5), { selectable: true });
    one.onKey(press('down'));
    one.onKey(press('space'));
    one.onKey(press('space'));
    expect(one.chosenRows().map(({ id }) => id)).toEqual(['row 1', 'row 2']);
    expect(one.current?.id).toBe('row 3');
    one.setRows([{ id: 'new', size: '' }, ...rowsOf(4).slice(2)]);
    expect(one.chosenRows().map(({ id }) => id)).toEqual(['row 2']);
    expect(one.current?.id).toBe('row 3');
    one.setRows([]);
    expect(one.current).toBeUndefined();
    expect(texts(one, 5)[1]).toBe(' No rows');
  });

  it('chooses all or none with one key', () => {
    const one = table(rowsOf(3), { selectable: true });
    one.onKey(press('a'));
    expect(one.chosen.size).toBe(3);
    one.onKey(press('a'));
    expect(one.chosen.size).toBe(0);
  });

  it('leaves out what may be dropped when it is narrow', () => {
    const one = table(rowsOf(1));
    expect(plainLine(one.render({ columns: 60, rows: 3 })[0]!)).toContain('Long');
    expect(plainLine(one.render({ columns: 40, rows: 3 })[0]!)).not.toContain('Long');
  });

  it('puts a text in the place of columns that have nothing to say', () => {
    const one = new Table<Row>({
      ...{ rows: rowsOf(2), id: ({ id }) => id },
      tail: { from: 'Size', text: ({ size }) => (size === '1' ? 'why there is no size' : '') },
      columns: [
        { title: 'Name', min: 8, text: ({ id }) => id },
        { title: 'Size', text: ({ size }) => size },
        { title: 'Rate', text: () => 'fast' },
      ],
    });
    const lines = one.render({ columns: 40, rows: 5 }).map((line) => plainLine(line).trimEnd());
    expect(lines[1]).toMatch(/row 0 .* fast$/);
    expect(lines[2]).toBe(' row 1     why there is no size');
  });

  it('never draws more or wider lines than there is room for', () => {
    const row = fc.record({ id: anyText(), size: anyText() });
    fc.assert(
      fc.property(
        fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 12 }),
        ...[fc.integer({ min: 40, max: 200 }), fc.integer({ min: 2, max: 20 }), fc.boolean()],
        (rows, columns, lines, selectable) => {
          const drawn = table(rows, { selectable }).render({ columns, rows: lines });
          expect(drawn.length).toBeLessThanOrEqual(lines);
          expect(Math.max(...drawn.map(lineColumns))).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});
