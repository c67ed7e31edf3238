import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PlaceRequest } from './place-table.ts';
import { ConsoleStore } from './store.ts';

let store: ConsoleStore;
beforeEach(() => {
  store = ConsoleStore.open(':memory:');
});
afterEach(() => store.close());

const give = (computerId: string, request: Partial<PlaceRequest> = {}) =>
  store.places.give({ series: 'job-1', template: 'lab', countsOn: false, computerId, ...request });

describe('places', () => {
  it('count up in a job, stay, and begin anew in the next job', () => {
    expect(['a', 'b', 'a', 'c', 'b'].map((id) => give(id))).toEqual([0, 1, 0, 2, 1]);
    expect(give('c', { series: 'job-2' })).toBe(0);
    expect(give('c')).toBe(2);
  });

  it('count on over the jobs of a template, and a computer gets its own again', () => {
    for (const id of ['a', 'b']) give(id);
    const offer = (id: string, series: string, template = 'lab') =>
      give(id, { series, template, countsOn: true });
    expect(offer('c', 'job-2')).toBe(2);
    expect(offer('b', 'job-3')).toBe(1);
    expect(offer('d', 'job-3')).toBe(3);
    expect(offer('a', 'job-4', 'other')).toBe(0);
  });

  it('that another computer got meanwhile are not given twice', () => {
    give('a', { series: 'job-1' });
    give('b', { series: 'job-2' });
    expect(give('a', { series: 'job-3', countsOn: true })).toBe(1);
    expect(give('b', { series: 'job-4', countsOn: true })).toBe(0);
  });
});
