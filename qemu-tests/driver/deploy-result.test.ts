import { describe, expect, it } from 'vitest';
import { deployArguments, lastJson } from './deploy-result.ts';

describe('deploy arguments', () => {
  it('name every part of the order', () => {
    const order = {
      image: 'a',
      waitFor: 2,
      after: 'wait',
      targets: ['m1', 'm2'],
      rateMbit: 2,
      lostWaitSeconds: 5,
    } as const;
    expect(deployArguments(order).join(' ')).toBe(
      'deploy --image a --wait-for 2 --after wait --targets m1,m2 --rate 2 --lost-wait 5',
    );
    expect(deployArguments({ image: 'a', waitFor: 0, after: 'restart' }).join(' ')).toBe(
      'deploy --image a --wait-for 0 --after restart --targets all',
    );
    expect(deployArguments({ template: 'Room 12', waitFor: 2, after: 'shutdown' }).slice(0, 3)).toEqual([
      ...['deploy', '--template', 'Room 12'],
    ]);
  });
});

describe('lastJson', () => {
  it('takes one document over several lines or the last of many', () => {
    expect(lastJson('{\n "a": 1\n}\n')).toEqual({ a: 1 });
    expect(lastJson('{"a":1}\n{"a":2}\n')).toEqual({ a: 2 });
    expect(() => lastJson('')).toThrow();
  });
});
