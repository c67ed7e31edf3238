import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TdError } from '../../lib/errors.ts';
import { INF_BYTES_MAX, type Inf, infNumber, infSection, infValue, infValues, parseInf } from './inf-file.ts';

const VERSION = '[Version]\nSignature="$Windows NT$"\n';

function parse(text: string, encoding: BufferEncoding = 'utf8'): Inf {
  return parseInf(Buffer.from(VERSION + text, encoding), 'test.inf');
}

describe('syntax', () => {
  test('sections and keys match in any case, and sections of one name are one', () => {
    const inf = parse('[Files]\nA = 1\n[other]\nb=2\n[ FILES ]\na = 3, 4\n');
    expect(infValues(inf, 'files', 'a')).toEqual(['1', '3', '4']);
    expect(infValue(inf, 'OTHER', 'B')).toBe('2');
    expect(infValue(inf, 'none', 'b')).toBe('');
  });

  test('quotes keep blanks, commas, semicolons and equals signs; two make one', () => {
    const inf = parse('[s]\nx = " a; b ", "say ""hi""", c d ; comment\nHKR,,"a=b",,"=1"\n');
    expect(infValues(inf, 's', 'x')).toEqual([' a; b ', 'say "hi"', 'c d']);
    expect(infSection(inf, 's')[1]).toEqual({ key: '', values: ['HKR', '', 'a=b', '', '=1'] });
  });

  test('an equals sign behind a comma parts nothing', () => {
    expect(infSection(parse('[s]\nHKR,,x,0,a=b\n'), 's')).toEqual([
      { key: '', values: ['HKR', '', 'x', '0', 'a=b'] },
    ]);
  });

  test('a backslash at the end goes on, comments and all, but not inside quotes', () => {
    const inf = parse('[s]\nx = a, \\ ; more\n   b, \\\r\n c\ny = "C:\\"\nz = 1\n');
    expect(infValues(inf, 's', 'x')).toEqual(['a', 'b', 'c']);
    expect(infValues(inf, 's', 'y')).toEqual(['C:\\']);
    expect(infValues(inf, 's', 'z')).toEqual(['1']);
  });

  test('lines without values stay as they are', () => {
    const inf = parse('[s]\nfile.sys\n,,2\nkey =\n');
    expect(infSection(inf, 's')).toEqual([
      { key: '', values: ['file.sys'] },
      { key: '', values: ['', '', '2'] },
      { key: 'key', values: [''] },
    ]);
  });

  test('numbers are decimal or hexadecimal', () => {
    expect([infNumber('3'), infNumber('0x00010001'), infNumber('-1')]).toEqual([3, 0x10001, 0xffffffff]);
    expect([infNumber(''), infNumber('x'), infNumber('1,2')]).toEqual([undefined, undefined, undefined]);
  });
});

describe('strings', () => {
  const STRINGS =
    '[Strings]\nA = "one"\nDir = 5\n[Strings.0407]\nA = eins\nB = zwei\n[Strings.0409]\nB = two\n';

  test('tokens are replaced: neutral ones first, then English ones, in keys and values', () => {
    const inf = parse(`[s]\n%A% = %b%, x%a%y, "%A%"\n${STRINGS}`);
    expect(infSection(inf, 's')).toEqual([{ key: 'one', values: ['two', 'xoney', 'one'] }]);
  });

  test('folder ids and unknown tokens stay, two percent signs are one', () => {
    const inf = parse(`[s]\nx = %12%\\a.sys, %nothing%, "%%SystemRoot%%\\b"\n${STRINGS}`);
    expect(infValues(inf, 's', 'x')).toEqual(['%12%\\a.sys', '%nothing%', '%SystemRoot%\\b']);
  });

  test('a string is not replaced again', () => {
    expect(infValue(parse('[s]\nx = %a%\n[Strings]\na = %b%\nb = c\n'), 's', 'x')).toBe('%b%');
  });
});

describe('encodings', () => {
  const TEXT = `${VERSION}[Strings]\nName = "Größe €"\n[s]\nx = %Name%\n`;
  const utf16 = Buffer.from(`\ufeff${TEXT}`, 'utf16le');
  const ansi = Buffer.from(TEXT.replace('€', '\x80'), 'latin1');
  test.each([
    ['UTF-8', Buffer.from(TEXT)],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${TEXT}`)],
    ['UTF-16', utf16],
    ['UTF-16 without a byte order mark', utf16.subarray(2)],
    ['big-endian UTF-16', Buffer.from(utf16).swap16()],
    ['ANSI', ansi],
  ])('%s', (_name, bytes) => {
    expect(infValue(parseInf(bytes, 'test.inf'), 's', 'x')).toBe('Größe €');
  });
});

describe('hostile files', () => {
  const refused = (bytes: Buffer) =>
    expect(() => parseInf(bytes, 'test.inf')).toThrow(/Cannot read "test\.inf"/);

  test('are refused beyond a size, without a version, with strings that grow', () => {
    refused(Buffer.alloc(INF_BYTES_MAX + 1, 0x20));
    refused(Buffer.from('[Strings]\na=b\n'));
    refused(Buffer.from(`${VERSION}[Strings]\na = ${'x'.repeat(4000)}\n[s]\nx = %a%%a%\n`));
    refused(Buffer.from(`${VERSION}[Strings]\na = ${'x'.repeat(4000)}\n[s]\n${'%a%\n'.repeat(20_000)}`));
    refused(Buffer.from(`${VERSION}[s]\n${'a\n'.repeat(200_001)}`));
  });

  test('of one character again and again are read in a moment', () => {
    const started = performance.now();
    for (const pattern of ['\\ ', '"', '%', ',', '[', '= ', 'a\\\n', ';\n']) {
      const bytes = Buffer.alloc(INF_BYTES_MAX / 4, pattern);
      bytes.write(VERSION);
      try {
        parseInf(bytes, 'test.inf');
      } catch (error) {
        expect(error).toBeInstanceOf(TdError);
      }
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('of any bytes give sections or one error', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '"',
      '%',
      ';',
      '\\',
      '=',
      ',',
      '\n',
      '\r\n',
      'a',
      'Strings',
      ' ',
      '\0',
    );
    const text = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 60 });
    fc.assert(
      fc.property(text, fc.constantFrom<BufferEncoding>('utf8', 'utf16le', 'latin1'), (parts, encoding) => {
        try {
          parse(parts.join(''), encoding);
        } catch (error) {
          expect(error).toBeInstanceOf(TdError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('what is written in quotes is read again as it was', () => {
  const value = fc
    .string({ unit: 'grapheme', maxLength: 30 })
    .filter((text) => !/[\r\n%\0\ufeff\ud800-\udfff]/.test(text));
  const name = fc.stringMatching(/^[a-z][a-z0-9 _.-]{0,10}[a-z0-9]$/);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, fc.array(value, { minLength: 1, maxLength: 4 })), { maxLength: 8 }),
      (rows) => {
        const quote = (each: string) => `"${each.replaceAll('"', '""')}"`;
        const lines = rows.map(([key, values]) => `${key} = ${values.map(quote).join(' ,\\\n ')} ; end`);
        const inf = parse(`[x]\n${lines.join('\n')}\n`);
        expect(infSection(inf, 'x')).toEqual(rows.map(([key, values]) => ({ key, values })));
      },
    ),
  );
});
