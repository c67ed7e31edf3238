import { expect, it } from 'vitest';
import { asciiOf } from './screen-text.ts';

it('spells out what a serial line or a firmware font lacks', () => {
  expect(asciiOf('≥ 5 … é\x1b[2J')).toBe('>= 5 ... ??[2J');
});
