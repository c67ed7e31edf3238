import { describe, expect, it } from 'vitest';
import { ProgressBar, progressLine } from './progress-bar.ts';

const state = { doneBytes: 42e6, totalBytes: 100e6, bytesPerSecond: 10e6, leftSeconds: 5.8 };

describe('progress bar', () => {
  it('shows share, amount, rate and time left within the width', () => {
    expect(progressLine('Writing', state)).toBe(
      'Writing [#######         ]   42 %  42.0 MB of 100 MB  10.0 MB/s  0:06 left',
    );
    expect(progressLine('Writing', state, 20)).toHaveLength(20);
    expect(progressLine('Writing', { ...state, totalBytes: 0 }, 200)).toContain('100 %');
  });

  it('stays silent for short runs, draws seldom, and clears what it drew', () => {
    let nowMs = 0;
    const written: string[] = [];
    const bar = new ProgressBar({ write: (text) => written.push(text), nowMs: () => nowMs });
    bar.update('Writing', state);
    bar.clear();
    expect(written).toEqual([]);
    for (nowMs = 2000; nowMs < 3000; nowMs += 10) bar.update('Writing', state);
    expect(written).toHaveLength(5);
    bar.clear();
    expect(written.at(-1)?.trim()).toBe('');
  });
});
