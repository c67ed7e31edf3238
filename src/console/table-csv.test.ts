import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TdError } from '../lib/errors.ts';
import { parseCsv, parseTable } from './table-csv.ts';

function problem(text: string): string {
  try {
    parseTable(text, 'seats.csv');
  } catch (error) {
    expect((error as TdError).code).toBe('invalid');
    expect((error as TdError).message).not.toContain('\n');
    return (error as TdError).message;
  }
  throw new Error('it was read');
}

const cells = (text: string) => parseCsv(text, 'x').map((row) => row.cells);

describe('CSV', () => {
  it('comes back as it was written, whatever separator, line ends and quotes', () => {
    const cell = fc
      .string({ maxLength: 8, unit: fc.constantFrom('a', '"', ',', ';', '\t', '\n', '\r\n', 'ü', ' ', '.') })
      .map((text) => text.trim());
    const row = fc
      .array(cell, { minLength: 2, maxLength: 4 })
      .map(([first, ...rest]) => [`x${first}`.trim(), ...rest]);
    const style = fc.record({
      separator: fc.constantFrom(',', ';', '\t'),
      end: fc.constantFrom('\n', '\r\n'),
      bom: fc.boolean(),
      last: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), style, (rows, { separator, end, bom, last }) => {
        const quoted = (text: string) =>
          /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
        const lines = [['a', 'b'], ...rows].map((one) => one.map(quoted).join(separator));
        const text = `${bom ? '\uFEFF' : ''}${lines.join(end)}${last ? end : ''}`;
        expect(cells(text)).toEqual([['a', 'b'], ...rows]);
      }),
    );
  });

  it('counts lines, also those inside of quotes, and leaves out empty ones', () => {
    expect(parseCsv('a,b\r\n\r\n"x\ny",1\r\n , \r\nz,2', 'x')).toEqual([
      { lineNumber: 1, cells: ['a', 'b'] },
      { lineNumber: 3, cells: ['x\ny', '1'] },
      { lineNumber: 6, cells: ['z', '2'] },
    ]);
  });

  it('ends on anything at all', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', '\uFEFF'),
      maxLength: 60,
    });
    fc.assert(
      fc.property(text, (csv) => {
        try {
          parseCsv(csv, 'x');
        } catch (error) {
          expect((error as Error).message).toMatch(/^Cannot read the table "x": line \d+: a quote/);
        }
      }),
    );
    expect(() => parseCsv(`a,"${'x'.repeat(900_000)}`, 'x')).toThrow('a quote');
    expect(cells(`"${'x""'.repeat(300_000)}"`)[0]?.[0]).toHaveLength(600_000);
  });
});

describe('a table of names and addresses', () => {
  it('is read with columns in any order, MAC addresses in any spelling', () => {
    const text = [
      'Name;MAC;Gateway;address;PREFIX',
      'SEAT-1;52-54-00-AA-BB-01;10.0.0.1;10.0.0.11;24',
      '"SEAT-2";525400AABB02;;10.0.0.12;',
      ';5254.00aa.bb03;;;',
    ].join('\r\n');
    expect(parseTable(`\uFEFF${text}\r\n`, 'seats.csv')).toEqual([
      {
        mac: '52:54:00:aa:bb:01',
        name: 'SEAT-1',
        address: '10.0.0.11',
        prefixLength: 24,
        gateway: '10.0.0.1',
      },
      { mac: '52:54:00:aa:bb:02', name: 'SEAT-2', address: '10.0.0.12' },
      { mac: '52:54:00:aa:bb:03' },
    ]);
    expect(parseTable('mac\n52:54:00:aa:bb:01', 'x')).toHaveLength(1);
    expect(parseTable('mac\tname\n52:54:00:aa:bb:01\tA', 'x')).toMatchObject([{ name: 'A' }]);
  });

  it('names every wrong row by its line', () => {
    const text = [
      'mac,name,address,prefix,gateway',
      'zz:54:00:aa:bb:01,SEAT-1,10.0.0.11,24,10.0.0.1',
      '52:54:00:aa:bb:02,THIS-NAME-IS-TOO-LONG,10.0.0.300,33,x',
      '',
      '52:54:00:aa:bb:03,SEAT-3,10.0.0.3,24,10.0.0.1,surplus',
      '52:54:00:aa:bb:04,SEAT-4,10.0.0.4,,',
      '52-54-00-AA-BB-04,seat-4,10.0.0.4,1e1,',
    ].join('\n');
    expect(problem(text)).toBe(
      'Cannot read the table "seats.csv": line 2: "zz:54:00:aa:bb:01" is no MAC address; ' +
        'line 3: "THIS-NAME-IS-TOO-LONG" is no computer name of 1 to 15 letters, digits and dashes, "10.0.0.300" is no IPv4 address, "33" is no prefix from 1 to 30, "x" is no IPv4 address; ' +
        'line 5: it has 6 fields for 5 columns; ' +
        'line 7: "1e1" is no prefix from 1 to 30',
    );
    const twice = 'mac,name,address\n52:54:00:aa:bb:04,A,10.0.0.4\n52-54-00-AA-BB-04,a,10.0.0.4';
    expect(problem(twice)).toMatch(
      /"52:54:00:aa:bb:04" is in line 2 already; line 3: "a" is .* line 3: "10.0.0.4"/,
    );
  });

  it.each([
    ['', 'there must be a column called mac'],
    ['name\nA', 'there must be a column called mac'],
    ['mac,hostname\n52:54:00:aa:bb:01,A', '"hostname" is none of the columns mac, name, address, prefix'],
    ['mac,mac\n52:54:00:aa:bb:01,', 'a column is there twice'],
    ['mac,name', 'there is no computer in it'],
    ['mac\n"52', 'line 2: a quote'],
    ['mac\n\u0007\u202e', '"??" is no MAC address'],
    [`mac\n${'x\n'.repeat(3000)}`, 'it has 3000 computers, 2000 at most'],
    [`mac\n${'x\n'.repeat(100)}`, 'and 80 more'],
  ])('is refused for %j', (text, message) => {
    expect(problem(text)).toContain(message);
  });
});
