import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellText, cutText, fitLine, lineColumns, wrapText } from './cell-text.ts';
import { anyText } from './testdata/any-text.ts';

describe('text in columns', () => {
  it('keeps letters with accents and replaces what has no or two columns', () => {
    expect(cellText('Büro-Größe Ω Ж')).toBe('Büro-Größe Ω Ж');
    expect(cellText('e\u0301')).toBe('é');
    expect(cellText('電脳\u200b\u0301😀')).toBe('?????');
    expect(cellText('a\x1b[2Jb\tc\u202ed')).toBe('a?[2Jb c?d');
  });

  it('is one UTF-16 unit a column for anything', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        const cells = cellText(text);
        expect([...cells]).toHaveLength(cells.length);
        expect(cells).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      }),
    );
  });

  it('cuts and fills lines to exactly the width', () => {
    fc.assert(
      fc.property(fc.array(anyText()), fc.nat(120), (texts, columns) => {
        expect(
          lineColumns(
            fitLine(
              texts.map((text) => ({ text })),
              columns,
            ),
          ),
        ).toBe(columns);
        expect(cutText(texts.join(''), columns).length).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('breaks at spaces, keeps line breaks, and cuts words that are too long', () => {
    expect(wrapText('one two three\n\nabcdefghij', 7)).toEqual(['one two', 'three', '', 'abcdefg', 'hij']);
  });

  it('never makes a line that is too wide', () => {
    fc.assert(
      fc.property(anyText(), fc.integer({ min: 1, max: 40 }), (text, columns) => {
        for (const line of wrapText(text, columns)) expect(line.length).toBeLessThanOrEqual(columns);
      }),
    );
  });
});
