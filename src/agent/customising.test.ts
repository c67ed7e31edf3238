import { describe, expect, it } from 'vitest';
import type { EditResult } from '../schema/edit-result.ts';
import { targetReportSchema } from '../schema/job.ts';
import { editsProblem, fetchCustomisation, reportedEdits } from './customising.ts';

const edit = (text: string, result: EditResult['result'] = 'done', reason = ''): EditResult => ({
  text,
  result,
  reason,
});

describe('the results of edits', () => {
  it('are a problem when one failed, with the first reason and what holds for the disk', () => {
    expect(editsProblem([])).toBe('');
    expect(editsProblem([edit('a'), edit('b', 'skipped', 'why')])).toBe('');
    expect(editsProblem([edit('a'), edit('Join', 'failed', 'no answer'), edit('c', 'failed', 'x')])).toBe(
      'the disk is deployed and starts, but 2 of 3 changes failed: Join: no answer',
    );
  });

  it('fit a report, however many they are, and the failed ones are kept', () => {
    const many = Array.from({ length: 3000 }, (_, i) => edit(`edit ${i}`));
    many[2999] = edit('last', 'failed', 'x'.repeat(1000));
    const kept = reportedEdits(many);
    expect(kept).toHaveLength(500);
    expect(kept[0]?.text).toBe('edit 0');
    expect(kept.at(-1)?.text).toBe('last');
    targetReportSchema.shape.edits.parse(kept);
    const long = reportedEdits(
      Array.from({ length: 500 }, () => edit('y'.repeat(1000), 'failed', 'x'.repeat(1000))),
    );
    expect(JSON.stringify(long).length).toBeLessThan(300_000);
  });
});

it('a customisation that makes no sense is refused without a word of it', async () => {
  const signal = new AbortController().signal;
  const get = async () => Buffer.from(JSON.stringify({ users: [{ name: 'anna', password: 'Hush-1' }] }));
  const refused = fetchCustomisation('/v1/jobs/j', { get, signal });
  await expect(refused).rejects.toThrow('is not as it must be');
  await expect(refused).rejects.not.toThrow('Hush');
  const noJson = async () => Buffer.from('{"users": "Hush-1');
  await expect(fetchCustomisation('/v1/jobs/j', { get: noJson, signal })).rejects.not.toThrow('Hush');
});
