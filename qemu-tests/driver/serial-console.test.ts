import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ControlStripper } from './serial-console.ts';

describe('ControlStripper', () => {
  it('leaves words and line feeds', () => {
    expect(new ControlStripper().push('\u001b[2J\u001b[1;31mTOTALDEPLOY\u001b[0m start\r\n')).toBe(
      'TOTALDEPLOY start\n',
    );
  });

  it('gives the same text however the stream is cut', () => {
    const piece = fc.constantFrom(
      'word',
      ' ',
      '\r\n',
      '\u001b[12;3H',
      '\u001b[m',
      '\u001b(B',
      '\u001b7',
      '\b',
    );
    fc.assert(
      fc.property(fc.array(piece), fc.integer({ min: 1, max: 5 }), (pieces, chars) => {
        const text = pieces.join('');
        const whole = new ControlStripper().push(text);
        const stripper = new ControlStripper();
        let cut = '';
        for (let at = 0; at < text.length; at += chars) cut += stripper.push(text.slice(at, at + chars));
        expect(cut).toBe(whole);
        expect(whole).not.toMatch(/[\r\u001b]/);
      }),
    );
  });
});
