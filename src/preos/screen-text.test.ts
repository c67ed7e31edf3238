import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ScreenView } from '../lib/screen.ts';
import {
  asciiOf,
  progressLine,
  renderQuestion,
  renderView,
  VT_COLUMNS,
  VT_ROWS,
  wrapText,
} from './screen-text.ts';

const view: ScreenView = {
  title: 'Deploy agent',
  rows: [{ label: 'Computer', value: 'ACME 3000' }],
  activity: 'Receiving and writing',
  fraction: 0.456,
  rate: '112 MB/s, 3:10 left',
  problems: ['the disk is slow'],
  hints: ['Press Enter for the menu.'],
};

const linesOf = (text: string) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split('\r\n');

describe('renderView', () => {
  it('fills exactly one screen and never scrolls it', () => {
    const lines = linesOf(renderView(view, 'TotalDeploy 1.0'));
    expect(lines.length).toBeLessThanOrEqual(VT_ROWS);
    expect(lines[0]).toMatch(/^ Deploy agent {2,}TotalDeploy 1\.0 $/);
    expect(lines).toContain('  Computer      ACME 3000');
    expect(lines).toContain(`  [${'#'.repeat(18)}${'.'.repeat(22)}]  45 %  112 MB/s, 3:10 left`);
    expect(lines).toContain('  ! the disk is slow');
    expect(lines.at(-1)).toBe('  Press Enter for the menu.');
  });

  it('stays within the screen and within ASCII, whatever the view holds', () => {
    const text = fc.string({ maxLength: 300, unit: 'binary' });
    const views = fc.record({
      title: text,
      rows: fc.array(fc.record({ label: text, value: text }), { maxLength: 40 }),
      activity: text,
      fraction: fc.double(),
      rate: text,
      problems: fc.array(text, { maxLength: 20 }),
      hints: fc.array(text, { maxLength: 20 }),
    });
    fc.assert(
      fc.property(views, (anyView) => {
        const lines = linesOf(renderView(anyView, 'TotalDeploy 1.0'));
        expect(lines.length).toBeLessThanOrEqual(VT_ROWS);
        for (const line of lines) {
          expect(line.length).toBeLessThanOrEqual(VT_COLUMNS);
          expect(line).toMatch(/^[\x20-\x7e]*$/);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('renderQuestion', () => {
  it('ends behind its prompt', () => {
    const text = renderQuestion({ title: 'T', lines: ['1  one'], prompt: 'Number:' }, 'TotalDeploy 1.0');
    expect(linesOf(text).at(-1)).toBe('  Number: ');
  });
});

describe('text', () => {
  it('wraps at spaces and cuts what has none', () => {
    expect(wrapText('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrapText('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  });

  it('spells out what a firmware font lacks', () => {
    expect(asciiOf('≥ 5 … é\x1b[2J')).toBe('>= 5 ... ??[2J');
  });

  it('shows a rate without a bar while nothing is measured', () => {
    const { fraction: _, ...unmeasured } = view;
    expect(progressLine(unmeasured)).toBe('112 MB/s, 3:10 left');
    expect(progressLine({ ...view, fraction: Number.NaN })).toContain('0 %');
  });
});
