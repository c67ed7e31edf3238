import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellText } from './cell-text.ts';
import { ConfirmPage, MessagePage } from './message-page.ts';
import type { Line, Page } from './page.ts';
import { pictureText, screenPicture } from './screen-lines.ts';
import { anyText } from './testdata/any-text.ts';
import { TextPage } from './text-page.ts';

function plainPage(lines: readonly Line[], title = 'A page'): Page<never> {
  return {
    title,
    helpTopic: '',
    render: () => [...lines],
    keys: () => [{ key: 'F2', label: 'Save' }],
    onKey: () => {},
  };
}

const PARTS = { title: 'TotalDeploy · lab', hasHelp: true };

describe('a whole screen', () => {
  it('has a title bar, the page and its keys', () => {
    const picture = screenPicture({
      ...PARTS,
      size: { columns: 80, rows: 25 },
      pages: [plainPage(['text'])],
    });
    const lines = pictureText(picture).split('\n');
    expect(lines[0]).toMatch(/^ TotalDeploy · lab +A page$/);
    expect(lines[1]).toBe('text');
    expect(lines.at(-1)).toBe(' F1 Help   F2 Save');
    expect(lines).toHaveLength(25);
  });

  it('shows a dialog in a box above the page, with the cursor in it', () => {
    const base = plainPage(Array.from({ length: 30 }, () => 'x'.repeat(100)));
    const pages = [base, new ConfirmPage('Erase', 'Erase the disk?', { typed: '500' })] as Page<never>[];
    const picture = screenPicture({ ...PARTS, size: { columns: 100, rows: 30 }, pages });
    const lines = pictureText(picture).split('\n');
    expect(lines.some((line) => /^x+┌─ Erase ─+┐x+$/.test(line))).toBe(true);
    expect(lines.some((line) => /^x+│ {2}Type 500 to confirm, then Enter\. +│x+$/.test(line))).toBe(true);
    const { row, column } = picture.cursor ?? { row: 0, column: 0 };
    expect(lines[row]?.[column - 1]).toBe('[');
  });

  it('says what is needed when the terminal is too small', () => {
    const picture = screenPicture({ ...PARTS, size: { columns: 79, rows: 24 }, pages: [plainPage([])] });
    expect(pictureText(picture)).toContain('80 x 24 are needed');
  });

  it('is exactly as large as the terminal, whatever pages draw', () => {
    const text = anyText();
    const size = fc.record({
      columns: fc.integer({ min: 1, max: 220 }),
      rows: fc.integer({ min: 1, max: 70 }),
    });
    fc.assert(
      fc.property(
        text,
        fc.array(fc.array(fc.record({ text }), { maxLength: 4 }), { maxLength: 30 }),
        size,
        fc.nat(3),
        (one, lines, screen, kind) => {
          const tops = [
            plainPage(lines, one),
            new MessagePage(one, one),
            new ConfirmPage(one, one),
            new TextPage(one, one),
          ];
          const pages = [plainPage(lines), tops[kind]] as Page<never>[];
          const picture = screenPicture({ title: one, hasHelp: false, size: screen, pages });
          expect(picture.lines).toHaveLength(screen.rows);
          const wrong = picture.lines.filter((line) => {
            const whole = line.map((span) => span.text).join('');
            return whole.length !== screen.columns || cellText(whole) !== whole;
          });
          expect(wrong).toEqual([]);
        },
      ),
    );
  });
});
