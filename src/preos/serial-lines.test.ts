import { describe, expect, it } from 'vitest';
import type { ScreenView } from '../lib/screen.ts';
import { newSerialMemory, serialLines } from './serial-lines.ts';

const view: ScreenView = {
  title: 'Deploy agent',
  rows: [{ label: 'Console', value: 'lab' }],
  activity: 'Receiving',
  fraction: 0.1,
  rate: '100 MB/s',
  problems: [],
  hints: ['Enter: menu'],
};

describe('serialLines', () => {
  it('tells everything once', () => {
    const memory = newSerialMemory();
    expect(serialLines(memory, view, 0)).toEqual([
      '--- Deploy agent ---',
      'Console: lab',
      'Receiving',
      '10 %  100 MB/s',
      '> Enter: menu',
    ]);
    expect(serialLines(memory, view, 60_000)).toEqual([]);
  });

  it('tells progress every five seconds, and the latest', () => {
    const memory = newSerialMemory();
    serialLines(memory, view, 0);
    expect(serialLines(memory, { ...view, fraction: 0.2 }, 4999)).toEqual([]);
    expect(serialLines(memory, { ...view, fraction: 0.3 }, 5000)).toEqual(['30 %  100 MB/s']);
  });

  it('tells a new activity and a new problem at once', () => {
    const memory = newSerialMemory();
    serialLines(memory, view, 0);
    const changed = { ...view, activity: 'Checking', problems: ['disk is slow'] };
    expect(serialLines(memory, changed, 1)).toEqual(['Checking', '! disk is slow']);
  });

  it('holds back a row that changes all the time, but not its last value', () => {
    const memory = newSerialMemory();
    serialLines(memory, view, 0);
    const changed = { ...view, rows: [{ label: 'Console', value: 'lab2' }] };
    expect(serialLines(memory, changed, 100)).toEqual([]);
    expect(serialLines(memory, changed, 2000)).toEqual(['Console: lab2']);
  });
});
