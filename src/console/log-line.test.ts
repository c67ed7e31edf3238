import { expect, it } from 'vitest';
import { logLine } from './log-line.ts';

const EVENT = { id: 1, at: '2026-03-02T08:15:00.123Z', kind: 'x', computerId: null, details: null };

it('says when, of which job, how bad and what', () => {
  expect(logLine({ ...EVENT, level: 'info', jobId: null, text: 'ready' })).toBe(
    '2026-03-02 08:15:00  -  ready',
  );
  expect(logLine({ ...EVENT, level: 'warn', jobId: 'a1', text: 'slow' })).toBe(
    '2026-03-02 08:15:00  a1  WARN: slow',
  );
});
