import { describe, expect, it } from 'vitest';
import type { ScreenView } from '../lib/screen.ts';
import { plainLine } from '../lib/tui/cell-text.ts';
import type { KeyPress, PageHost } from '../lib/tui/page.ts';
import type { Call } from './face.ts';
import { StatusPage } from './status-page.ts';

const view: ScreenView = {
  title: 'Deploy agent',
  rows: [{ label: 'Computer', value: 'ACME 3000' }],
  activity: 'Receiving and writing',
  fraction: 0.456,
  rate: '112 MB/s, 3:10 left',
  problems: ['the disk is slow'],
  hints: ['Do not switch this computer off.', 'Press Enter for the menu.'],
};
const host = {} as PageHost<void>;
const key = (name: string): KeyPress => ({ name, text: '', ctrl: false, shift: false });

function setUp(shown: ScreenView) {
  const calls: Call[] = [];
  const page = new StatusPage({
    onCall: (call) => calls.push(call),
    keys: [{ key: 'F3', label: 'Shell', call: { kind: 'shell' } }],
  });
  page.show(shown);
  const text = (columns: number, rows: number) =>
    page.render({ columns, rows }).map((line) => plainLine(line).trimEnd());
  return { calls, page, text };
}

describe('the status page', () => {
  it('shows who, what, how far and what is wrong', () => {
    const { text } = setUp(view);
    expect(text(80, 14)).toEqual([
      '',
      '  Computer      ACME 3000',
      '',
      '  Receiving and writing',
      `  ${'█'.repeat(21)}${'░'.repeat(26)}  45 %  112 MB/s, 3:10 left`,
      '',
      '  ! the disk is slow',
      ...Array(5).fill(''),
      '  Do not switch this computer off.',
      '  Press Enter for the menu.',
    ]);
  });

  it('keeps activity and problems on a small terminal, however many rows there are', () => {
    const rows = Array.from({ length: 40 }, (_, i) => ({ label: `eth${i}`, value: 'x'.repeat(200) }));
    const lines = setUp({ ...view, rows }).text(80, 16);
    expect(lines).toHaveLength(16);
    expect(lines.join('\n')).toContain('Receiving and writing');
    expect(lines.join('\n')).toContain('! the disk is slow');
  });

  it('calls by its keys, and by Enter for the menu', () => {
    const { calls, page } = setUp(view);
    for (const name of ['f3', 'enter', 'x', '1']) page.onKey(key(name), host);
    expect(calls).toEqual([{ kind: 'shell' }, { kind: 'menu' }]);
  });

  it('lists what is offered, and Enter takes the one under the cursor', () => {
    const choices = { title: 'Offered:', items: ['one', 'two', 'three'], pick: async () => {} };
    const { fraction: _, ...idle } = view;
    const { calls, page, text } = setUp({ ...idle, choices });
    expect(text(80, 20)).toContain('    2  two');
    expect(text(80, 20).join('\n')).not.toContain('Press Enter for the menu');
    for (const name of ['down', 'enter', '3', '9']) page.onKey(key(name), host);
    page.show({ ...idle, choices: { ...choices, items: ['one'] } });
    page.onKey(key('enter'), host);
    expect(calls).toEqual([
      { kind: 'choice', index: 1 },
      { kind: 'choice', index: 2 },
      { kind: 'choice', index: 0 },
    ]);
  });
});
